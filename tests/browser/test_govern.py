"""Govern in Chromium: axe finds nothing in either theme, two people change a name without scripts, and nothing foreign runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from playwright.async_api import expect

from crossdock.govern.changing import Changing
from crossdock.settle import campaigning
from crossdock.settle.rules import rules_seen
from crossdock.store import governing, traffic
from tests.browser.desks import SETTINGS, Counter, counter, serious_findings, shoot
from tests.browser.test_pages import PAYLOADS, never_seen, quoted, strangers
from tests.stage import order

TWO = SETTINGS.replace('finance = ["mara"]', 'finance = ["mara"]\nchanges = ["otto"]\ncampaigns = ["otto"]')
PAGES = ("", "/contracts", "/contract/market%2Forder", "/contract/facts%2Forder", "/traffic/shop", "/consumers",
         "/policies", "/mappings", "/connectors", "/owners", "/audit", "/campaign/1")  # fmt: skip


@asynccontextmanager
async def governed(database_url: str, folder: Path) -> AsyncGenerator[Counter]:
    """Something on every page, in words of outsiders."""
    async with counter(database_url, folder, TWO) as desk:
        async with desk.stage.database.transaction() as tx:
            mara = Changing(tx, desk.desk.settings, "mara")
            await mara.map("erp", "product", PAYLOADS[0], PAYLOADS[1])
            await mara.map("erp", "product", PAYLOADS[0], PAYLOADS[3], "renamed")
            await governing.keep_contract(
                tx, governing.Held("market/order", PAYLOADS[0], "full", False, "shop", "order", [PAYLOADS[4]])
            )
            now = desk.stage.rows("select now()")[0][0]
            schema = {"properties": {PAYLOADS[0]: {"type": "string"}}}
            version = governing.Version(1, schema, {"id": PAYLOADS[8]}, now, PAYLOADS[2], "otto")
            await governing.keep_version(tx, "market/order", version)
            strange = traffic.Strange("shop", "order", PAYLOADS[0], "unknown")
            await traffic.note(tx, {("shop", "order"): 3, ("market", "submitOrder"): 1}, {strange: 2})
            await governing.plan(tx, now.date(), "sunset", "market/order", PAYLOADS[0], PAYLOADS[3])
        await withhold(desk)
        desk.stage.sql(
            "insert into consumer values ('market', %s, 'main', '', '{orders:read}', 60, now())", PAYLOADS[0]
        )
        yield desk


async def withhold(desk: Counter) -> None:
    """A campaign of what newer rules would owe for an older order."""
    rules = desk.stage.hub.rules
    desk.stage.hub.rules = replace(rules, code=b"older rules 1234", owed=lambda *_: ())
    await desk.stage.tell(order("1"))
    desk.stage.hub.rules = rules
    async with desk.stage.database.transaction() as tx:
        newer = await rules_seen(tx, desk.desk.settings)
    assert (await campaigning.propose(desk.stage.database, newer, campaigning.Part(), "mara")).acts


async def test_axe_finds_nothing_on_any_page_of_govern_and_nothing_of_outsiders_runs(
    database_url: str, tmp_path: Path
) -> None:
    assert never_seen([f"govern{path}" for path in PAGES], govern=True) == []
    async with governed(database_url, tmp_path) as desk:
        found: list[str] = []
        for theme in ("light", "dark"):
            page = await desk.enter("otto", theme=theme)
            for path in PAGES:
                answer = await page.goto(f"{desk.address}/console/govern{path}")
                assert answer is not None
                assert answer.status == 200, path
                assert await strangers(page) == [], path
                await shoot(page, f"{theme}-govern{path.replace('/', '-').replace('%2F', '-')}")
                found += await serious_findings(page)
        await page.goto(f"{desk.address}/console/govern/mappings?text={quoted(PAYLOADS[1])}")
        assert await strangers(page) == []
        assert not found, "\n".join(found)


async def test_two_people_change_a_name_and_try_a_policy_without_scripts(database_url: str, tmp_path: Path) -> None:
    async with governed(database_url, tmp_path) as desk:
        mara, otto = await desk.enter("mara", scripts=False), await desk.enter("otto", scripts=False)
        await mara.get_by_role("link", name="Govern").click()
        await mara.get_by_role("link", name="Mappings").click()
        form = mara.get_by_role("region", name="Map", exact=True)
        await form.get_by_label("At").select_option("erp")
        for value in ("M-1", "M-2"):
            await form.get_by_label("Our name").fill("MUG")
            await form.get_by_label("Is called there").fill(value)
            await form.get_by_role("button", name="Map").click()
        await expect(mara.get_by_role("status")).to_have_text("Asked. It is done when somebody else says yes.")
        await otto.get_by_role("link", name="Govern").click()
        await otto.get_by_role("button", name="Approve: erp/product/MUG").click()
        await expect(otto.get_by_role("status")).to_have_text("It is done.")
        assert desk.stage.rows("select value from mapping where key = 'MUG'") == [("M-2",)]
        await otto.get_by_role("link", name="Policies").click()
        await otto.get_by_label("Policy, in TOML").fill('[policy]\nsell_when = "paid"')
        await otto.get_by_role("button", name="What would differ?").click()
        await expect(otto.get_by_role("region", name="What would differ", exact=True)).to_contain_text("sell_when")
        await otto.get_by_role("button", name="Ask for this policy").click()
        await expect(otto.get_by_role("status")).to_contain_text("Asked.")
        assert desk.stage.count("select count(*) from change where kind = 'policy' and by = 'otto'") == 1
