"""What the pages say of the whole and let people put right: value, differences, corrections, and one tenant's cases alone."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from crossdock.console.counting import count_what_is_due
from crossdock.console.summing import sum_up
from crossdock.govern.persons import Personnel
from crossdock.govern.shaping import BadSettings
from crossdock.settle.rules import rules_seen
from crossdock.store.callers import Person as Employee
from crossdock.store.desk import stuck as stuck_of
from tests.integration.consoles import House, house
from tests.integration.crowd import crowd
from tests.stage import SAGE, order, settings_for, staged
from tests.standin.target import Target

_STALE = {"revision": 0}


async def summed(desk: House) -> None:
    async with desk.desk.looking() as tx:
        rules = await rules_seen(tx, desk.desk.settings)
    while (await sum_up(desk.desk.database, rules, margin_seconds=0)).behind:
        pass
    await count_what_is_due(desk.desk.database)


async def rows(desk: House, statement: str) -> list[Any]:
    async with desk.desk.looking() as tx:
        return await (await tx.execute(statement)).fetchall()  # pyright: ignore


async def test_value_is_what_was_counted_and_worth_only_what_people_assume(database_url: str) -> None:
    crowd(database_url, 100)
    async with house(database_url) as desk:
        await summed(desk)
        otto, mara = await desk.person("Otto"), await desk.person("mara")
        page = (await otto.get("value")).text
        assert "Orders entered in the ERP" in page
        assert '<td class="n">99</td>' in page
        assert page.count('<span class="figure">unknown</span>') == 2
        assert 'name="minutes.sales"' not in page
        assert (await otto.post("value", **{"minutes.sales": 3})).status == 403
        assumed = {"minutes.sales": "3", "hour": "40", "currency": "usd"}
        assert (await mara.post("value", **assumed)).status == 303
        page = (await otto.get("value")).text
        assert "198.00 USD" in page  # 99 sales, 3 minutes each, at 40 an hour
        assert "mara, " in page
        late = await mara.post("value", **{"minutes.sales": "9", "hour": "40", "currency": "USD"})
        assert late.status == 409
        assert "has changed" in late.text
        shown = {"was.hour": "40", "was.currency": "USD", "was.minutes.sales": "3"}
        for wrong in ({"minutes.sales": "-1"}, {"minutes.sales": "x"}, {"hour": "nan"}, {"hour": "4", "currency": "x"}):
            assert (await mara.post("value", **{**assumed, **shown, **wrong})).status == 422, wrong
        assert (
            await mara.post("value", **shown, **{"minutes.sales": "", "hour": "50", "currency": "EUR"})
        ).status == 303
        assert await rows(desk, "select name, value::int from assumption") == [("hour.EUR", 50)]
        told = await rows(
            desk, "select by, detail ->> 'name', detail ->> 'before', detail ->> 'after' from decision order by id"
        )
        assert told[:2] == [("mara", "minutes.sales", None, "3.0"), ("mara", "hour.USD", None, "40.0")]
        assert set(told[2:]) == {
            ("mara", "hour.EUR", None, "50.0"), ("mara", "hour.USD", "40.0", None), ("mara", "minutes.sales", "3.0", None)
        }  # fmt: skip
        for query in ("from=yesterday", "from=2026-01-02&to=2026-01-01"):
            assert (await otto.get(f"value?{query}")).status == 422


async def test_what_does_not_add_up_is_a_tile_a_list_and_a_reason_in_the_books(database_url: str) -> None:
    crowd(database_url, 100)
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        await summed(desk)
        async with desk.desk.looking() as tx:
            await tx.execute(
                """insert into ledger_balance (entity, currency, minor, since, touched, judged_at, reason, wrong)
                   values ('order:shop:50', 'USD', -730, now() - interval '3 days', now(), now(), 'Q1: not billed', 730)"""
            )
            await tx.execute("delete from figure")
        await count_what_is_due(desk.desk.database)
        home = (await otto.get()).text
        tile = home[home.index('id="tile-unreconciled"') :][:600]
        assert "1 <small>order</small>" in tile
        assert "7.30 USD" in tile
        listed = (await otto.get("differences?wrong=yes")).text
        assert "#50" in listed
        assert "Q1: not billed" in listed
        assert "-7.30 USD" in listed
        books = (await otto.get("books")).text
        assert "nothing explains it" in books
        assert "3 d" in books


async def test_the_tiles_say_what_is_at_stake_each_order_once(database_url: str) -> None:
    crowd(database_url, 300)  # of which 100, 200 and 300 are refused by the ERP
    with psycopg.connect(database_url, autocommit=True) as apart:
        for connection in ("erp", "shop"):
            apart.execute("insert into brake values (%s, 'outage', 'no answer', now(), now(), 1)", (connection,))
        apart.execute("update document set entity = null where kind = 'capture' and id in ('ch_1', 'ch_2')")
        apart.execute("""insert into cases (cause, kind, title, remedy, opened_at, quiet_until) values
            ('again', 'trouble', 'the same once more', '', now(), null), ('asleep', 'trouble', 'snoozed', '', now(), 9)""")
        apart.execute("""insert into case_item
            select id, 'order:shop:' || case cause when 'again' then 300 else 7 end, 0, now(), '' from cases
            where kind = 'trouble'""")
    async with house(database_url) as desk:
        await count_what_is_due(desk.desk.database)
        page = (await (await desk.person("Otto")).get()).text
    tiles = {each.split('"')[0]: each for each in page.split('id="tile-')[1:]}
    assert "36.00 USD" in tiles["cases"]  # 11.00, 12.00 and 13.00
    assert "36.00 USD" in tiles["targets"]
    assert "20.03 USD" in tiles["unbound"]


async def stuck(database_url: str, **settings: Any) -> None:
    async with Target().serve() as target, staged(database_url, target, **settings) as stage:
        target.fault("shipment_order", "refuse", times=None, status=422)
        await stage.tell(order("1", ship_to=SAGE), order("2"))
        await stage.run()


async def test_an_edit_is_shown_as_a_difference_before_it_is_done_and_only_on_what_was_seen(database_url: str) -> None:
    await stuck(database_url)
    async with house(database_url) as desk:
        otto, mara = await desk.person("Otto"), await desk.person("mara")
        [(case, revision)] = await rows(desk, "select id, revision from cases")
        path = "correct/order:shop:1"
        assert (
            "Postal code" in (await otto.get(f"{path}?case={case}")).text
            or "postal code" in (await otto.get(path)).text
        )
        edit = {
            "case": case, "revision": revision, "reason": "by telephone", "stated.ship_to.postal_code": "62701",
            "held.ship_to.postal_code": "62701", "now.ship_to.postal_code": "62704",
            "stated.email": "ada@example.com", "held.email": "ada@example.com", "now.email": "ada@example.com",
        }  # fmt: skip
        shown = (await otto.post(path, **edit)).text
        assert "<del>62701</del>" in shown
        assert "<ins>62704</ins>" in shown
        assert "E-mail" not in shown  # it stays as it is
        assert await rows(desk, "select what from decision") == []
        answers = await asyncio.gather(otto.post(path, **edit, sure="yes"), mara.post(path, **edit, sure="yes"))
        assert sorted(each.status for each in answers) == [303, 409]
        [(by, before)] = await rows(desk, "select by, detail ->> 'before' from decision where what = 'correct'")
        assert f"{by} did “correct” meanwhile" in next(each.text for each in answers if each.status == 409)
        assert before == '{"ship_to.postal_code": "62701"}'
        assert "postal code “62701”" in (await otto.get(f"case/{case}")).text
        viewer = await desk.person("Ann", ("viewer",))
        assert "62701" not in (await viewer.get(f"case/{case}")).text
        for wrong in ({"now.total": "1", "stated.total": "", "held.total": "", "reason": "x"}, {"reason": "x"}):
            assert (await otto.post("correct/order:shop:2", **wrong)).status == 422
        for nobodys in ("correct/order:shop:404", "correct/x", "correct/order:shop"):
            assert (await otto.get(nobodys)).status == 404


_TENANTS = {
    "tenants": {"main": {}, "north": {"brand": "North & Sons"}},
    "connections": {"market": {"connector": "partner", "tenant": "north"}},
}


async def test_the_cases_of_one_tenant_are_shown_and_decided_alone(database_url: str) -> None:
    await stuck(database_url)
    settings = settings_for("http://127.0.0.1:1", more=_TENANTS)
    async with house(database_url, settings) as desk:
        otto = await desk.person("Otto")
        assert "North &amp; Sons" in (await otto.get("cases")).text
        assert "refuses shipment order" not in (await otto.get("cases?tenant=north")).text
        assert "refuses shipment order" in (await otto.get("cases?tenant=main")).text
        async with desk.desk.looking() as tx:
            await tx.execute("update case_item set entity = 'order:market:2' where entity = 'order:shop:2'")
        assert "refuses shipment order" in (await otto.get("cases?tenant=north")).text
        job = (await otto.post("bulk", what="retry", tenant="north")).headers["location"].removeprefix("/console/")
        preview = (await otto.get(job)).text
        assert "Try again: 1 item" in preview
        assert "of tenant north" in preview


async def test_whoever_is_of_one_tenant_does_not_see_the_pages_of_all(database_url: str) -> None:
    settings = settings_for("http://127.0.0.1:1", more=_TENANTS)
    async with house(database_url, settings) as desk:
        for name, tenants in (("Ines", ["north"]), ("Ida", ["north", "main"])):
            async with desk.desk.looking() as tx:
                employee = Employee(name, ["operator"], tenants, "correct horse battery")
                await Personnel(tx, settings, "a test").set(employee)
        ines, ida = desk.stranger(), desk.stranger()
        await ines.sign_in("Ines", "correct horse battery")
        await ida.sign_in("Ida", "correct horse battery")
        for path in ("", "cases", "search?q=x", "live/home"):
            assert (await ines.get(path)).status == 403, path
        assert (await ida.get("cases")).status == 200


async def test_a_connection_says_whose_it_is_and_where_its_runbook_lies(database_url: str) -> None:
    about = {"owner": "Otto, stores", "runbook": "https://wiki.example/erp"}
    settings = settings_for("http://127.0.0.1:1", each=about)
    async with house(database_url, settings) as desk:
        page = (await (await desk.person("Otto")).get("connections")).text
        assert "Otto, stores" in page
        assert 'href="https://wiki.example/erp"' in page
    with pytest.raises(BadSettings, match="runbook"):
        settings_for("http://127.0.0.1:1", each={"runbook": "javascript:alert(1)"})


async def test_a_case_shows_when_its_items_came_and_how_cases_like_it_ended(database_url: str) -> None:
    async with house(database_url) as desk:
        async with desk.desk.looking() as tx:
            await tx.execute(
                """insert into cases (cause, kind, title, remedy, opened_at, closed_at, closed_by) values
                   ('map/erp/product/NONE-HAT', 'mapping', 'erp does not know product NONE-HAT', '', now(), null, null),
                   ('map/erp/product/NONE-CAP', 'mapping', 'erp does not know product NONE-CAP', '', now(), now(), 'mara'),
                   ('map/erp/tax/0.2', 'mapping', 'erp does not know tax 0.2', '', now(), now(), 'the hub'),
                   ('map/wms/product/X', 'mapping', 'wms does not know product X', '', now(), now(), 'mara')"""
            )
            await tx.execute(
                """insert into case_item (case_id, entity, at, detail)
                   select min(id), 'order:shop:' || n, now() - n * interval '90 min', '' from cases, generate_series(0, 30) n
                   group by n"""
            )
            await tx.execute(
                """insert into decision (at, by, what, detail)
                   select now(), 'mara', 'mapped', jsonb_build_object('case', min(id) + 1, 'value', 'CAP-1') from cases"""
            )
        otto = await desk.person("Otto")
        [(case,)] = await rows(desk, "select min(id) from cases")
        page = (await otto.get(f"case/{case}")).text
        assert "16 items in the last day, 8 of them in its second half" in page
        assert "▅▅█▅▅█▅▅█▅▅█" in page
        assert "mapped value CAP-1" in page
        assert "nobody decided; it ended by the hub" in page
        assert page.index("NONE-CAP") < page.index("tax 0.2")  # more words in common
        assert "wms does not know" not in page
        assert "16 items in the last day" in (await otto.get("cases")).text


async def test_a_page_of_what_is_stuck_is_the_longest_waiting_of_its_part_however_much_else_is(
    database_url: str,
) -> None:
    crowd(database_url, 2_000)  # twenty stuck before they are sold
    async with house(database_url) as desk, desk.desk.looking() as tx:
        first = await stuck_of(tx, "invoicing", 3)
        whole = await stuck_of(tx, "invoicing", 100)
        assert (len(first), len(whole)) == (3, 20)
        assert await stuck_of(tx, "telling", 3) == []
        assert [row[0] for row in await stuck_of(tx, "invoicing", 3, 18)] == [row[0] for row in whole[18:]]
