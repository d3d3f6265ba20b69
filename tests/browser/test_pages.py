"""Every page in both themes: axe finds nothing, nothing from outside runs, and all of it works without scripts or mouse."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from crossdock.canonical.returns import Return
from crossdock.console.app import ROUTES
from crossdock.govern.inviting import invitation
from crossdock.store.brakes import Brake, apply_brake
from crossdock.store.bulk import confirm, freeze
from crossdock.store.desk import Filter
from crossdock.store.inbox import Message
from tests.browser.desks import Counter, Theme, counter, serious_findings, shoot
from tests.integration.test_books import PLACED, paid, returned
from tests.stage import PLACED_AT, order, shipment, told
from tests.standin import Told

RETURN = Return(id="R9", returned_at=PLACED_AT, lines=())
PAYLOADS = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror=window.pwned=1>',
    "'><svg/onload=window.pwned=1>",
    '" autofocus onfocus=window.pwned=1 x="',
    "</title></textarea><script>window.pwned=1</script>",
    "javascript:window.pwned=1",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "<a href='javascript:window.pwned=1' hx-on:load='window.pwned=1'>x</a>",
    "../../..//evil.example/?a=b#c%2f%3Cscript%3E",
)


@asynccontextmanager
async def busy_desk(database_url: str, folder: Path) -> AsyncGenerator[Counter]:
    """Something on every page: stuck and refunded orders, all kinds of cases, a stopped connection, a message set aside."""
    async with counter(database_url, folder) as desk:
        stage = desk.stage
        await stage.tell(PLACED, *paid(3000))
        await stage.run()
        await stage.tell(shipment("s1", PLACED, units=2))
        await stage.run()
        await stage.tell(returned(2), order("7", skus=("NONE-HAT",)), order("8", skus=("BAD",)))
        await stage.run()
        await stage.tell(
            Message("shop", "document", b'{"kind": "order", "id": 5, "token": "x"}', "m-bad"),
            Told(kind="return", id="R9", entity=None, token=1, body=msgspec.to_builtins(RETURN), about="#404"),
        )
        async with stage.database.transaction() as tx:
            await apply_brake(tx, Brake("warehouse", "refused", "403: the key was revoked"))
        await desk.count()
        yield desk


async def pages_of(desk: Counter) -> list[str]:
    """The address of every page there is something on."""
    cases = [f"case/{row[0]}" for row in desk.stage.rows("select id from cases order by id")]
    acts = [f"act/{row[0]}" for row in desk.stage.rows("select promise from intent order by promise limit 2")]
    work = [f"work/{part}" for part in ("invoicing", "returns", "money", "telling", "unbound")]
    fixed = [
        "",
        "cases",
        "approvals",
        "search?q=nobody",
        "connections",
        "flow",
        "books",
        "differences",
        "value",
        "correct/order:shop:7",
        f"books?day={PLACED.placed_at:%Y-%m-%d}",
    ]
    orders = [f"order/order:shop:{id_}" for id_ in ("1", "7", "8")]
    jobs = [f"bulk/{row[0]}" for row in desk.stage.rows("select id from bulk_job order by id")]
    return [*fixed, *work, *orders, *cases, *acts, *jobs, "there-is-no-such-page"]


async def decide_on_many(desk: Counter) -> None:
    """A job that nobody has confirmed yet, and one that is done."""
    async with desk.stage.person() as decider:
        await freeze(decider, "retry", "", Filter(kind="rejected"), "Refused by its target")
        await confirm(decider, (await freeze(decider, "assign", "mara", Filter(), "all open cases")).job)
    await desk.finish_jobs()


def parts_of(path: str) -> tuple[str, ...]:
    """As the console's door takes an address apart."""
    told = path.partition("?")[0]
    return tuple(unquote(part) for part in told.split("/")) if told else ()


def never_seen(paths: Sequence[str], *, govern: bool) -> list[tuple[str, ...]]:
    """The pages of the console that none of these is, so that a new page has to be looked at as well."""
    pages = [each for each in ROUTES if each.method == "GET" and (each.pattern[:1] == ("govern",)) is govern]
    return [each.pattern for each in pages if all(each.names(parts_of(path)) is None for path in paths)]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious_on_any_page(database_url: str, tmp_path: Path, theme: Theme) -> None:
    async with busy_desk(database_url, tmp_path) as desk:
        await decide_on_many(desk)
        page = await desk.enter("mara", theme=theme)
        found: list[str] = []
        paths = await pages_of(desk)
        assert never_seen(paths, govern=False) == [("books.csv",)]
        for nth, path in enumerate(paths):
            await page.goto(f"{desk.address}/console/{path}")
            await shoot(page, f"{theme}-{nth:02}-{re.sub('[^a-z0-9]+', '-', path) or 'home'}")
            found += await serious_findings(page)
        await page.context.clear_cookies()
        for name, path in (("sign-in", "/console"), ("enter", await invitation(desk.desk.database, "otto"))):
            await page.goto(desk.address + path)
            await shoot(page, f"{theme}-{name}")
            found += await serious_findings(page)
        assert not found, "\n".join(found)


def hostile(payload: str, nth: int) -> list[Any]:
    """An order, a payment, a return and more that say the payload wherever an outsider gives a text."""
    id_ = f"{nth}{payload}"
    placed = order(id_, skus=(f"NONE-{payload}", "MUG"), number=f"#{nth}{payload}", email=f"{payload}@x.example")
    said = told(placed)
    about = Told(
        kind="return",
        id=f"R{id_}",
        entity=None,
        token=1,
        body=msgspec.to_builtins(replace(RETURN, id=f"R{nth}")),
        about=payload,
    )
    broken = Message("shop", f"topic-{payload}", payload.encode(), f"m{id_}")
    return [said, about, broken]


async def test_nothing_that_outsiders_write_runs_on_any_page(database_url: str, tmp_path: Path) -> None:
    async with counter(database_url, tmp_path) as desk:
        for nth, payload in enumerate(PAYLOADS):
            await desk.stage.tell(*hostile(payload, nth))
        await desk.stage.run()
        for payload in PAYLOADS:
            async with desk.stage.person() as decider:
                await decider.map("erp", "product", f"X{payload}", payload)
                await decider.record("assign", case=1, to=payload)
        await desk.count()
        page = await desk.enter(PAYLOADS[1][:60])
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        orders = [
            f"order/{quoted(row[0])}" for row in desk.stage.rows("select key from entity where key like 'order:%%'")
        ]
        cases = [f"case/{row[0]}" for row in desk.stage.rows("select id from cases order by id")]
        acts = [f"act/{row[0]}" for row in desk.stage.rows("select min(promise) from intent")]
        edits = [path.replace("order/", "correct/", 1) for path in orders]
        seen = [
            "differences",
            "value",
            *edits,
            "",
            "cases",
            "work/invoicing",
            "work/unbound",
            f"cases?text={quoted(PAYLOADS[0])}",
            *orders,
            *cases,
            *acts,
        ]
        assert len(orders) == len(PAYLOADS)
        for path in [*seen, f"search?q={quoted(PAYLOADS[1])}", f"approvals?role={quoted(PAYLOADS[1])}"]:
            answer = await page.goto(f"{desk.address}/console/{path}")
            assert answer is not None
            assert answer.status == 200, path
            assert await strangers(page) == [], path
        assert complaints == []


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


async def strangers(page: Page) -> Sequence[str]:
    """Whatever on the page runs, or could, and isn't one of the console's own two scripts."""
    return await page.evaluate(
        """() => {
          const all = (what) => [...document.querySelectorAll(what)];
          const ours = (url) => new URL(url, location.href).href.startsWith(location.origin + '/console');
          return [
            ...(window.pwned ? ['pwned'] : []),
            ...all('script, img').filter(e => !e.src.includes('/console/static/')).map(e => e.outerHTML),
            ...all('svg, iframe, object, embed, style').map(e => e.outerHTML),
            ...all('a[href]').map(e => e.href).filter(url => !ours(url)),
            ...all('form[action]').map(e => e.action).filter(url => !ours(url)),
            ...all('*').flatMap(e => [...e.attributes]).map(a => a.name).filter(name => /^(on|hx-on)/.test(name)),
          ];
        }"""
    )


async def test_everything_can_be_done_without_scripts(database_url: str, tmp_path: Path) -> None:
    async with busy_desk(database_url, tmp_path) as desk:
        page = await desk.enter("mara", scripts=False)
        await page.locator("#tile-cases").click()
        await page.get_by_role("link", name="erp does not know product NONE-HAT").click()
        await page.get_by_label("Assigned to").select_option("otto")
        await page.get_by_role("button", name="Assign").click()
        await expect(page.get_by_role("status")).to_have_text("It has somebody now.")
        await page.get_by_role("button", name="Snooze until it grows").click()
        await expect(page.get_by_role("heading", level=1).locator("..")).to_contain_text("snoozed")
        await page.get_by_label("erp calls product “NONE-HAT”").fill("HAT-1")
        await page.get_by_role("button", name="Map and release").click()
        await expect(page.get_by_role("status")).to_contain_text("1 promise released")
        await page.get_by_role("link", name="Connections").click()
        await page.get_by_role("button", name="Let it go on: warehouse").click()
        await expect(page.get_by_role("row", name="warehouse")).to_contain_text("not stopped")
        await page.get_by_role("link", name="Approvals").click()
        await page.get_by_role("button", name="Reject").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Something is missing")
        await page.go_back()
        await page.get_by_placeholder("why (needed to reject)").fill("the goods are not ours")
        await page.get_by_role("button", name="Reject").click()
        await expect(page.get_by_role("status")).to_have_text("Rejected.")
        assert desk.stage.rows("select what from decision order by id") == [
            ("assign",), ("snooze",), ("map",), ("mapped",), ("release",), ("reject",)
        ]  # fmt: skip


async def test_a_case_is_decided_with_the_keyboard_alone(database_url: str, tmp_path: Path) -> None:
    async with busy_desk(database_url, tmp_path) as desk:
        page = await desk.enter("otto")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
        await page.keyboard.press("Enter")
        await tab_to(page, "Open cases")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/cases")
        await tab_to(page, "erp does not know product NONE-HAT")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("NONE-HAT")
        for _ in range(60):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.name") == "value":
                break
        await page.keyboard.type("HAT-1")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("1 promise released")


async def tab_to(page: Page, words: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if words in await page.evaluate("document.activeElement.closest('a')?.innerText ?? ''"):
            return
    raise AssertionError(f"{words!r} is not reached with the keyboard")


async def test_a_page_that_is_left_open_says_so_when_the_hub_answers_it_no_more(
    database_url: str, tmp_path: Path
) -> None:
    async with counter(database_url, tmp_path) as desk:
        page = await desk.enter("otto")
        old = page.get_by_text("This page may be old by now")
        await expect(old).to_be_hidden()
        await page.context.set_offline(True)
        await page.evaluate("htmx.trigger('#live', 'sse:changed')")
        await expect(old).to_be_visible()
        assert await serious_findings(page) == []
        await shoot(page, "home-old")
        await page.context.set_offline(False)
        await page.evaluate("htmx.trigger('#live', 'sse:changed')")
        await expect(old).to_be_hidden()
        await page.clock.install()
        await page.reload()
        await page.route("**/console", lambda _: None)  # it never answers
        await page.clock.run_for(130_000)
        await expect(old).to_be_visible()


async def test_a_page_moves_by_itself_when_somebody_else_decides(database_url: str, tmp_path: Path) -> None:
    async with busy_desk(database_url, tmp_path) as desk:
        [(case,)] = desk.stage.rows("select id from cases where cause = 'map/erp/product/NONE-HAT'")
        page, other = await desk.enter("otto"), await desk.enter("mara")
        for each in (page, other):
            await each.goto(f"{desk.address}/console/case/{case}")
        await other.get_by_role("button", name="Snooze until it grows").click()
        await expect(page.locator("#live")).to_contain_text("snoozed", timeout=10_000)
        await expect(page.locator("#live")).to_contain_text("mara")
        await page.get_by_role("button", name="Try it again").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Somebody was faster")
        await expect(page.get_by_role("alert")).to_contain_text("mara did “snooze” meanwhile")
        assert desk.stage.rows("select by, what from decision") == [("mara", "snooze")]
