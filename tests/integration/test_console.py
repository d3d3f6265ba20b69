"""The console's door: nobody in without a link of their own, no form from elsewhere, nothing decided that its person may not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

import aiohttp
import psycopg
import pytest

from crossdock.console.app import ROUTES
from crossdock.console.bulk import work_on_jobs
from crossdock.console.counting import count_what_is_due
from crossdock.console.masking import MASK
from crossdock.console.vendored import VENDORED, statics
from crossdock.govern.inviting import VIEWING, invitation
from crossdock.govern.persons import Personnel
from crossdock.govern.workflows import limits_of
from crossdock.store import figures
from crossdock.store.callers import Person as Employee
from crossdock.store.database import Database
from tests.contract.npm import member
from tests.integration.consoles import House, Visitor, house
from tests.integration.crowd import crowd
from tests.stage import order, shipment, staged
from tests.standin.target import Target

_PATHS = ["/".join("1" if part == "*" else part for part in route.pattern) for route in ROUTES]
_PUBLISHED = {"htmx.min.js": "dist/htmx.min.js", "sse.min.js": "dist/sse.min.js"}


async def stuck(database_url: str, *ids: str) -> None:
    """Orders the ERP refuses."""
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(*(order(id_, skus=("BAD",)) for id_ in ids))
        await stage.run()


async def case_of(desk: House) -> int:
    async with desk.desk.looking() as tx:
        return (await (await tx.execute("select max(id) from cases")).fetchall())[0][0]


async def decisions(desk: House) -> list[tuple[str, str]]:
    async with desk.desk.looking() as tx:
        return [tuple(row) for row in await (await tx.execute("select by, what from decision order by id")).fetchall()]


async def test_nobody_sees_or_does_anything_without_a_session(database_url: str) -> None:
    async with house(database_url) as desk:
        stranger = desk.stranger()
        for route, path in zip(ROUTES, _PATHS, strict=True):
            answer = await (stranger.get(path) if route.method == "GET" else stranger.post(path, revision=0))
            assert answer.status == 401, path
            assert "crossdock console" in answer.text
        assert (await stranger.get("live/home")).status == 401
        assert (await stranger.get("/")).headers["location"] == "/console"
        assert (await desk.stranger().get("", Cookie="crossdock_session=guessed")).status == 401


async def test_a_link_lets_one_person_in_once_and_looking_at_it_does_not_use_it_up(database_url: str) -> None:
    async with house(database_url) as desk:
        link = await invitation(desk.desk.database, "Otto")
        first, second = desk.stranger(), desk.stranger()
        for _ in range(3):  # a mail scanner, a preview, a browser
            assert "Welcome, Otto" in (await second.get(link)).text
        assert (await first.enter(link)).status == 303
        assert "Otto" in (await first.get()).text
        assert (await second.post(link)).status == 403
        assert (await second.get(link)).status == 403
        assert (await second.get()).status == 401


async def employed(desk: House, name: str, *roles: str, password: str = "correct horse battery") -> None:
    async with desk.desk.looking() as tx:
        await Personnel(tx, desk.desk.settings, "a test").set(Employee(name, list(roles), [], password))


async def test_people_sign_in_with_their_password_and_a_new_one_or_an_end_signs_them_out(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        await employed(desk, "Ines", "operator")
        ines = desk.stranger()
        assert (await ines.sign_in("Ines", "wrong horse battery")).status == 401
        assert (await ines.get()).status == 401
        assert (await ines.sign_in("Nobody", "correct horse battery")).status == 401
        assert (await ines.sign_in("ines", "correct horse battery")).status == 303
        assert "Ines" in (await ines.get()).text
        assert (await ines.post(f"case/{await case_of(desk)}/snooze", revision=0, quiet="yes")).status == 303
        assert (await decisions(desk))[-1] == ("Ines", "snooze")
        await employed(desk, "Ines", "viewer", password="another horse battery")
        assert (await ines.get()).status == 401
        assert (await ines.sign_in("Ines", "another horse battery")).status == 303
        assert (await ines.post(f"case/{await case_of(desk)}/snooze", revision=1, quiet="no")).status == 403
        async with desk.desk.looking() as tx:
            await Personnel(tx, desk.desk.settings, "a test").end("Ines")
        assert (await ines.get()).status == 401


async def test_who_signs_in_gets_a_new_session_whatever_cookie_somebody_gave_them(database_url: str) -> None:
    async with house(database_url) as desk:
        await employed(desk, "Ines", "operator")
        ines, stranger = desk.stranger(), desk.stranger()
        planted = {"Cookie": "crossdock_session=planted-by-somebody-else"}
        form = {"name": "Ines", "password": "correct horse battery"}
        first = (await ines.post("sign-in", planted, **form)).headers["set-cookie"].split(";")[0]
        second = (await ines.post("sign-in", {"Cookie": first}, **form)).headers["set-cookie"].split(";")[0]
        assert "planted" not in first
        assert first != second
        assert (await stranger.get(**planted)).status == 401
        assert (await stranger.get(Cookie=second)).status == 200


async def test_passwords_can_not_be_guessed_one_after_the_other(database_url: str) -> None:
    async with house(database_url) as desk:
        await employed(desk, "Ines", "operator")
        eve = desk.stranger()
        answers = [(await eve.sign_in("Ines", f"guess number {nth}...")).status for nth in range(7)]
        assert answers == [401] * 5 + [429] * 2
        assert (await eve.sign_in("Ines", "correct horse battery")).status == 429


async def test_a_link_that_ran_out_lets_nobody_in(database_url: str) -> None:
    async with house(database_url) as desk:
        link = await invitation(desk.desk.database, "Otto", minutes=0)
        assert (await desk.stranger().post(link)).status == 403


async def test_a_session_is_a_new_one_that_scripts_and_other_sites_never_see_and_ends_when_its_person_leaves(
    database_url: str,
) -> None:
    async with house(database_url) as desk:
        link = await invitation(desk.desk.database, "Otto")
        visitor = desk.stranger()
        fixed = {"Cookie": "crossdock_session=chosen-by-somebody-else"}
        cookie = (await visitor.post(link, headers=fixed)).headers["set-cookie"]
        assert "chosen-by" not in cookie
        assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
        async with desk.desk.looking() as tx:
            stored = await (await tx.execute("select digest from console_session")).fetchall()
        token = cookie.split(";")[0].partition("=")[2]
        assert stored == [(hashlib.sha256(token.encode()).digest(),)]
        otto = await desk.person("Otto")
        assert (await otto.post("leave")).status == 303
        assert (await otto.get()).status == 401
        link = await invitation(desk.desk.database, "Otto")
        behind_tls = await desk.stranger().post(link, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in behind_tls.headers["set-cookie"]


async def test_a_form_from_elsewhere_changes_nothing(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        otto, other = await desk.person("Otto"), await desk.person("Eve")
        case = f"case/{await case_of(desk)}/snooze"
        right = otto.csrf
        for otto.csrf in ("", "0" * 64, other.csrf):
            assert (await otto.post(case, revision=0, quiet="yes")).status == 403
        otto.csrf = right
        for site in ("cross-site", "same-site"):
            assert (await otto.post(case, {"Sec-Fetch-Site": site}, revision=0, quiet="yes")).status == 403
        assert await decisions(desk) == []
        assert (await otto.post(case, {"Sec-Fetch-Site": "same-origin"}, revision=0, quiet="yes")).status == 303
        assert await decisions(desk) == [("Otto", "snooze")]


async def test_every_answer_keeps_strangers_scripts_and_frames_out(database_url: str) -> None:
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        css = next(iter(statics()))
        digest = statics()[css].digest[:16]
        paths = [
            "",
            "cases",
            "case/999",
            "no-such-page",
            "order/order:shop:none",
            f"static/{digest}/{css}",
            "books.csv",
            "enter/x",
        ]
        for path in paths:
            headers = (await otto.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert ("immutable" in headers["cache-control"]) == path.startswith("static/")


def test_each_form_needs_a_role_that_decides_or_one_that_its_request_names() -> None:
    open_to_all = [route.pattern for route in ROUTES if route.method == "POST" and not (route.decides or route.roles)]
    # Where govern looks for the person in the role that the request names, or that may approve changes and campaigns.
    assert open_to_all == [("approval", "*"), ("govern", "change", "*"), ("govern", "campaign", "*")]


async def test_whoever_only_looks_decides_nothing_and_sees_no_buyer(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        viewer, otto = await desk.person("Ann", VIEWING), await desk.person("Otto")
        for route, path in zip(ROUTES, _PATHS, strict=True):
            if route.decides or route.roles:
                ask = viewer.get if route.method == "GET" else viewer.post
                assert (await ask(path)).status == 403, path
        assert await decisions(desk) == []
        said = "Party Example, Ada of 1 SAGE STREET has no tax code"
        async with desk.desk.looking() as tx:
            await tx.execute("update case_item set detail = %s", (said,))
            await tx.execute("update attempt set detail = %s", (said,))
            [(act,)] = await (await tx.execute("select min(id) from promise")).fetchall()
        pages = ["order/order:shop:1", f"case/{await case_of(desk)}", f"act/{act}"]
        for path in [*pages, "cases"]:
            assert said in (await otto.get(path)).text
            hidden = (await viewer.get(path)).text
            assert [each for each in ("Ada", "Example", "SAGE") if each in hidden] == [], path
        for path in pages:
            full, hidden = (await otto.get(path)).text, (await viewer.get(path)).text
            for personal in ("Ada Example", "ada@example.com", "1 Sage Street", "62701"):
                assert personal in full, (path, personal)
                assert personal not in hidden, (path, personal)
            assert MASK in hidden


async def test_whoever_only_looks_reads_no_buyer_in_what_is_said_of_an_act_that_names_none(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("goods_issue", "refuse", times=None, status=422)
        placed = order("1")
        await stage.tell(placed, shipment("s1", placed))
        await stage.run()
    async with house(database_url) as desk:
        viewer, otto = await desk.person("Ann", VIEWING), await desk.person("Otto")
        said = "Party Example, Ada of 1 SAGE STREET has no tax code"
        async with desk.desk.looking() as tx:
            await tx.execute("update case_item set detail = %s", (said,))
            await tx.execute("update attempt set detail = %s", (said,))
            [(act,)] = await (await tx.execute("select id from promise where noun = 'goods_issue'")).fetchall()
        pages = ["order/order:shop:1", f"case/{await case_of(desk)}", f"act/{act}"]
        for path in pages:
            assert said in (await otto.get(path)).text
            hidden = (await viewer.get(path)).text
            assert [each for each in ("Ada", "Example", "SAGE") if each in hidden] == [], path
            assert "has no tax code" in hidden, path
        async with desk.desk.looking() as tx:
            await tx.execute("delete from document")  # whom it names is not known here
        for path in pages:
            assert said in (await otto.get(path)).text
            assert "tax code" not in (await viewer.get(path)).text, path


async def test_of_two_who_decide_the_second_is_told_who_was_faster(database_url: str) -> None:
    await stuck(database_url, "1", "2")
    async with house(database_url) as desk:
        otto, mara = await desk.person("Otto"), await desk.person("mara")
        case = f"case/{await case_of(desk)}"
        answers = await asyncio.gather(
            otto.post(f"{case}/snooze", revision=0, quiet="yes"),
            mara.post(f"{case}/assign", revision=0, assignee="mara"),
        )
        assert sorted(each.status for each in answers) == [303, 409]
        [(by, what)] = await decisions(desk)
        [told] = [each.text for each in answers if each.status == 409]
        assert f"{by} did “{what}” meanwhile" in told
        assert (await otto.post(f"{case}/retry", revision=1)).status == 303
        closed = await mara.post(f"{case}/retry", revision=2)
        assert closed.status == 409
        assert "is closed already, by Otto" in closed.text


async def test_whose_case_it_was_is_on_record(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        case = f"case/{await case_of(desk)}"
        for revision, name in enumerate(("mara", "Otto")):
            assert (await otto.post(f"{case}/assign", revision=revision, assignee=name)).status == 303
        async with desk.desk.looking() as tx:
            told = "select detail ->> 'before', detail ->> 'to' from decision where what = 'assign' order by id"
            found = await (await tx.execute(told)).fetchall()
        assert found == [("nobody", "mara"), ("mara", "Otto")]


async def test_a_case_may_be_given_to_whoever_signs_in_with_a_password(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        await employed(desk, "Olga", "operator")
        otto = await desk.person("Otto")
        for page in ("cases", f"case/{await case_of(desk)}"):
            assert "<option>Olga</option>" in (await otto.get(page)).text, page


async def test_the_home_page_says_unknown_for_whatever_is_old_missing_or_could_not_be_counted(
    database_url: str,
) -> None:
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        assert "Nobody can say" in (await otto.get()).text
        assert "Nothing needs you" not in (await otto.get()).text
        await count_what_is_due(desk.desk.database)
        assert "Nothing needs you" in (await otto.get()).text
        for trouble in (
            "update figure set stale_at = now() - interval '1 s' where name = 'stuck'",
            "update figure set value = null, failed = 'canceling statement' where name = 'approvals'",
            "delete from figure where name = 'check'",
        ):
            async with desk.desk.looking() as tx:
                await tx.execute("update figure set at = now(), stale_at = now() + interval '1 hour'")
                await tx.execute(trouble)
            text = (await otto.get()).text
            assert "Nothing needs you" not in text
            assert "unknown" in text or "not counted yet" in text
            async with desk.desk.looking() as tx:
                await tx.execute("delete from figure")
            await count_what_is_due(desk.desk.database)


async def test_a_figure_that_can_not_be_counted_says_so_and_the_others_are_counted(database_url: str) -> None:
    async with Database(database_url) as database:
        with psycopg.connect(database_url) as apart:
            apart.execute("alter view stuck rename to hidden")
        assert await count_what_is_due(database) == len(figures.NAMES)
        async with database.transaction() as tx:
            found = await figures.figures(tx)
        assert "stuck" in (found["stuck"].failed or "")
        assert [name for name, each in found.items() if each.value is None] == ["stuck"]
        assert await count_what_is_due(database) == 0  # not again before it is due


async def test_ten_thousand_items_are_frozen_shown_and_done_with_an_outcome_each(database_url: str) -> None:
    crowd(database_url, 1_000_000 // 100)
    async with house(database_url) as desk:
        async with desk.desk.looking() as tx:  # every order is in the case
            await tx.execute("""insert into case_item select (select max(id) from cases), entity, id, now(), 'refused', null
                                from promise on conflict do nothing""")
            await tx.execute("""insert into due select id, entity, target, 1, 'infinity', 5, 2, 0, 0, 2, now(), 'sale'
                                from promise on conflict do nothing""")
        otto, mara = await desk.person("Otto"), await desk.person("mara")
        frozen = await otto.post("bulk", what="retry", kind="rejected")
        job = frozen.headers["location"].removeprefix("/console/")
        preview = (await otto.get(job)).text
        assert "Try again: 10,000 items" in preview
        assert "at least" in preview
        async with desk.desk.looking() as tx:  # one is put right meanwhile, and one comes too late for the set
            await tx.execute("delete from case_item where promise = 7")
            await tx.execute("insert into case_item select max(id), 'order:shop:late', 0, now(), 'late' from cases")
        assert (await mara.post(f"{job}/confirm")).status == 409
        assert (await otto.post(f"{job}/confirm")).status == 303
        assert (await otto.post(f"{job}/confirm")).status == 409
        done = 0
        while step := sum(await asyncio.gather(*(work_on_jobs(desk.desk.database) for _ in range(3)))):
            done += step
        assert done == 10_000
        text = (await otto.get(job)).text
        assert "9,999 tried again, 1 gone already" in text
        assert "done" in text
        async with desk.desk.looking() as tx:
            ready = await (await tx.execute("select count(*) from due where stage = 0 and due_at <= now()")).fetchall()
            left = await (await tx.execute("select entity from case_item")).fetchall()
        assert ready == [(9_999,)]
        assert left == [("order:shop:late",)]
        assert ("Otto", "bulk") in await decisions(desk)


async def test_all_cases_that_fit_are_given_to_somebody_or_put_out_of_sight_at_once(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        otto = await desk.person("Otto")

        async def all_of_them(what: str, **rest: str) -> str:
            job = (await otto.post("bulk", what=what, **rest)).headers["location"].removeprefix("/console/")
            assert ": 1 case" in (await otto.get(job)).text
            assert (await otto.post(f"{job}/confirm")).status == 303
            assert await work_on_jobs(desk.desk.database) == 1
            return (await otto.get(job)).text

        assert "1 assigned" in await all_of_them("assign", assignee="Mara", kind="rejected")
        assert "erp refuses" in (await otto.get("cases?whose=Mara")).text
        assert "1 snoozed" in await all_of_them("snooze", whose="Mara")
        assert "erp refuses" not in (await otto.get("cases")).text
        assert "1 in sight again" in await all_of_them("wake", show="snoozed")
        assert "erp refuses" in (await otto.get("cases")).text
        assert {("Otto", "assign"), ("Otto", "snooze"), ("Otto", "wake")} <= set(await decisions(desk))


async def test_a_snoozed_case_comes_back_when_it_grows_and_is_never_closed_by_it(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        case = await case_of(desk)
        await otto.post(f"case/{case}/snooze", revision=0, quiet="yes")
        assert "erp refuses" not in (await otto.get("cases")).text
        assert "erp refuses" in (await otto.get("cases?show=snoozed")).text
        await stuck(database_url, "2")
        assert "erp refuses" in (await otto.get("cases")).text
        assert "<option selected>" not in (await otto.get(f"case/{case}")).text


async def test_the_first_load_is_at_most_100_kilobytes(database_url: str) -> None:
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        await count_what_is_due(desk.desk.database)
        page = await otto.get("")
        files = [each.body for name, each in statics().items() if name in page.text]
        assert len(files) == len(statics())
        assert len(page.body) + sum(map(len, files)) <= 100_000


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_of_others_is_as_they_published_it(name: str) -> None:
    package, licence, digest = VENDORED[name]
    assert hashlib.sha256(statics()[name].body).hexdigest() == digest
    assert hashlib.sha256(member(package, _PUBLISHED[name])).hexdigest() == digest
    text = " ".join(member(package, "LICENSE").decode().split())
    assert licence == "0BSD"
    assert "for any purpose with or without fee is hereby granted." in text  # and ISC would go on: "provided that"


def test_nothing_is_served_that_is_neither_ours_nor_recorded() -> None:
    assert set(statics()) == {*VENDORED, "console.css", "console.js", "icon.svg"}


async def walk(visitor: Visitor, paths: list[str]) -> None:
    for path in paths:
        assert (await visitor.get(path)).status in (200, 303, 404, 405, 409, 422), path


async def test_whatever_is_asked_gets_an_answer_and_no_stack_trace(database_url: str) -> None:
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        odd = [
            "%00",
            "%ff",
            "..%2f..",
            "9" * 40,
            "order/%2f",
            "order/a:b:%00",
            "case/-1",
            "case/" + "9" * 30,
            "act/x",
            "bulk/0",
        ]
        queries = [
            "cases?page=-1",
            "cases?page=99999999999999999999",
            *(
                f"{each}?page={'9' * 18}"
                for each in ("cases", "work/telling", "differences", "approvals", "govern/mappings")
            ),
            "cases?kind=%00",
            "search?q=%00",
            "work/x",
            "books?day=%27",
        ]
        await walk(otto, [*odd, *queries, "live", "live/case/x", "static/x/y"])


async def heard_of(visitor: Visitor, page: str, but_for: str = "") -> str | None:
    """The mark of the change that the stream a page listens to begins with, or nothing; `but_for` was seen."""
    [stream] = re.findall(r'sse-connect="([^"]+)"', page)
    headers = {"Last-Event-ID": but_for} if but_for else {}
    async with visitor.http.get(visitor.address + stream, headers=headers) as listened:
        async for line in listened.content:
            if line.startswith(b"id: "):
                return line.decode().removeprefix("id: ").strip()
            if line == b": alive\n":
                return None
    raise AssertionError("the stream ended")


async def test_a_page_hears_of_what_changed_after_it_was_read_and_before_it_listened_once(database_url: str) -> None:
    await stuck(database_url, "1")
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        address = f"case/{await case_of(desk)}"
        page = (await otto.get(address)).text
        assert await heard_of(otto, page) is None
        assert (await otto.post(f"{address}/snooze", revision=0, quiet="yes")).status == 303
        mark = await heard_of(otto, page)
        assert mark is not None
        assert await heard_of(otto, page, but_for=mark) is None
        assert await heard_of(otto, (await otto.get(address)).text) is None
        for each in ("", "cases", "flow", "connections", "order/order:shop:1"):
            assert await heard_of(otto, (await otto.get(each)).text) is None


_HUB = """
[hub]
listen = "127.0.0.1:0"
database_url = "{database_url}"
[connections.shop]
connector = "tests.standin"
url = "http://127.0.0.1:1"
"""


async def test_a_process_that_starts_prints_a_link_for_whoever_started_it_and_stops_at_once_with_pages_open(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "crossdock.toml"
    file.write_text(_HUB.format(database_url=database_url))
    command = [sys.executable, "-m", "crossdock.main", "--config", str(file), "run"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "CROSSDOCK_USER": "otto"}
    )
    try:
        assert process.stdout
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            otto = Visitor(ready["address"], http)
            assert (await otto.enter(ready["console"].removeprefix(ready["address"]))).status == 303
            await until_it_says(otto, "Nothing needs you")
            async with http.get(f"{ready['address']}/console/live/home") as stream:
                assert await stream.content.readline() == b"retry: 3000\n"
                began = time.monotonic()
                process.terminate()
                assert await asyncio.wait_for(process.wait(), 10) == 0
                assert time.monotonic() - began < 3
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_it_says(visitor: Visitor, words: str) -> None:
    for _ in range(100):
        if words in (text := (await visitor.get()).text):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(text)


async def test_the_flow_says_what_was_kept_in_time_what_is_late_and_nothing_of_too_few(database_url: str) -> None:
    crowd(database_url, 3_000)  # 30 of them late and in a case; one every 20 s, so 180 in an hour
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        assert "not counted yet" in (await otto.get("flow")).text
        with psycopg.connect(database_url, autocommit=True) as apart:  # each took 10 minutes, but some two hours
            apart.execute("update due set deadline = now() - interval '1 s'")
            apart.execute("alter table promise disable trigger promise_stays")
            apart.execute("""update promise set cause_recorded_at = opened_at - case
                when opened_at > now() - interval '1 hour' and id % 2 = 0 then interval '2 h' else interval '10 min' end""")
        await count_what_is_due(desk.desk.database, limits_of(desk.desk.settings.policy.deadlines))
        rows = re.findall(r'<th scope="row">(.*?)</tr>', (await otto.get("flow")).text, re.DOTALL)
        cells = {
            row.split("<")[0].strip(): re.findall(r'<td class="n[^"]*">(.*?)</td>', row, re.DOTALL) for row in rows
        }
        sale = [re.sub(r"<[^>]*>", "", cell).strip() for cell in cells["Order to ERP"]]
        assert sale[0] == "15 min"
        hour, day = int(sale[1]), int(sale[3].replace(",", ""))
        assert 170 <= hour <= 180
        assert day == 3_000 - 30
        assert 35 < float(sale[2].rstrip(" %")) < 46  # half of them, and 30 late ones that are open
        assert sale[6] == "spent"  # 4 % of the day were not kept in time, and 1 % may be
        assert sale[7:10] == ["10 min", "10 min", "2 h"]
        assert sale[10:12] == ["30", "30"]
        assert "burning" in next(row for row in rows if row.startswith("Order to ERP"))
        assert "too few" in cells["Refund"][2]
        assert "too few" in cells["Stock told"][2]
