"""A hub whose database was set back to a backup does no act before its sources were read, and then none twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from crossdock.canonical.payment import Capture, Refund
from crossdock.govern.watching import SetBack, Watch, watched
from crossdock.kernel.money import usd
from crossdock.store import delivery, recovery
from crossdock.store.database import Database, run
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.recovery import Mark
from tests.contract.wms_site import API_KEY, site
from tests.stage import PLACED_AT, SAGE, Stage, customer, message, order, shipment, staged, told
from tests.standin import Told
from tests.standin.target import Target

AHEAD = Mark(1, 1_000_000)
"""As if somebody had seen the database much further than it is."""


async def set_back(stage: Stage) -> None:
    async with stage.database.transaction() as tx:
        await recovery.set_back(tx, AHEAD, "the hub")


async def go_on(stage: Stage) -> None:
    async with stage.person() as person:
        await person.go_on()


async def test_a_database_that_never_fell_behind_is_not_set_back(database_url: str, tmp_path: Path) -> None:
    for _ in range(3):
        watch = await watched(database_url, tmp_path, "the hub")
        async with Database(database_url, greet=watch.compare) as database:
            await watch.beat(database)
            async with database.transaction() as tx:
                assert await recovery.last_recovery(tx) is None


async def test_the_next_start_sees_from_the_file_that_the_database_was_set_back_and_the_one_after_does_not_again(
    database_url: str, tmp_path: Path
) -> None:
    seen = await watched(database_url, tmp_path, "the hub")
    async with Database(database_url) as database:
        seen.note(5_000)
        await seen.beat(database)
        for _ in range(2):
            now = await watched(database_url, tmp_path, "the hub")
            assert now.mark.past == 2
            assert now.mark.fence > 5_000
            async with database.transaction() as tx:
                found = await recovery.last_recovery(tx)
            assert found is not None
            assert found.past == 2
            assert found.go_on_at is None


async def test_several_files_that_saw_the_same_forgotten_time_make_one_recovery(
    database_url: str, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    async with Database(database_url) as database:
        for nth, folder in enumerate(folders):
            watch = await watched(database_url, folder, "the hub")
            watch.note(1_000 * (nth + 1))
            await watch.beat(database)
        for folder in folders:
            assert (await watched(database_url, folder, "the hub")).mark.past == 2
        async with database.transaction() as tx:
            await recovery.go_on(tx, "Mara")
        assert (await watched(database_url, folders[1], "the hub")).mark.past == 2


async def test_a_process_that_lives_through_it_uses_no_new_connection_and_ends(database_url: str) -> None:
    async with Database(database_url) as database:
        async with database.transaction() as tx:
            _, mark = await recovery.known(tx)
        behind = Watch(None, Mark(mark.past, mark.fence + 1))
        async with database.reading() as tx:
            with pytest.raises(SetBack):
                await behind.compare(tx)
        assert behind.set_back.is_set()
        elsewhere = Watch(None, Mark(mark.past - 1, 1))
        with pytest.raises(SetBack):
            await elsewhere.beat(database)


async def test_while_it_is_stopped_states_and_reads_go_on_and_acts_wait(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await set_back(stage)
        target.things["2"] = told(order("2"))
        await stage.tell(order("1", customer="customer:shop:c1"), customer(), shipment("s2", order("2")))
        for _ in range(5):
            await stage.deliver()
            await stage.settle()
        assert set(target.ledger.counts()) <= {"party_account"}
        assert target.calls_to("/things/2")
        assert stage.cases() == ["restored"]
        await go_on(stage)
        assert stage.cases() == []
        await stage.run()
        assert len(target.effects("sales_order")) == 2


async def test_what_was_done_in_the_forgotten_time_is_found_and_not_done_again(database_url: str) -> None:
    """The goods issue happened; the invoice did not."""
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed)
        await stage.run()
        await set_back(stage)
        await stage.tell(shipment("s1", placed))
        key = "order:shop:1/goods_issue:s1/shipment:warehouse:s1/1"
        done = target._do("goods_issue", {"key": key, "entity": "order:shop:1", "refs": {}, "body": {}})
        await go_on(stage)
        await stage.run()
        assert target.effects("goods_issue") == [key]
        assert len(target.effects("invoice_posting")) == 1
        [(remote_id,)] = stage.rows("select remote_id from receipt where slot = 'order:shop:1/goods_issue:s1'")
        assert remote_id == done.id
        async with stage.database.transaction() as tx:
            found = await recovery.last_recovery(tx)
            assert found is not None
            assert await recovery.looked_for(tx, found) == (1, 2, 0)
        await stage.checked()


async def test_what_was_dated_tomorrow_by_a_clock_that_was_ahead_may_have_been_done_in_the_forgotten_time(
    database_url: str,
) -> None:
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed)
        await stage.run()
        await set_back(stage)
        await stage.receive(shipment("s1", placed))
        await stage.hub.translate()
        stage.sql("update document set changed_at = changed_at + interval '1 day' where kind = 'shipment'")
        await stage.settle()
        key = "order:shop:1/goods_issue:s1/shipment:warehouse:s1/3"
        target._do("goods_issue", {"key": key, "entity": "order:shop:1", "refs": {}, "body": {}})
        await go_on(stage)
        await stage.run()
        assert target.effects("goods_issue") == [key]


async def test_what_changed_since_may_have_been_done_in_the_forgotten_time_for_what_it_was_before(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await set_back(stage)
        await stage.tell(told(order("1"), token=1))
        await go_on(stage)
        await stage.tell(told(order("1", units=2), token=2), order("2"))
        async with stage.database.transaction() as tx:
            claimed = await delivery.claim(tx, "erp", 10, 30.0)
        assert {each.entity: each.forgotten_since is not None for each in claimed} == {
            "order:shop:1": True,
            "order:shop:2": False,
        }


async def test_whoever_was_refunded_in_the_forgotten_time_may_have_been_told_whatever_changed_since(
    database_url: str,
) -> None:
    money = {"connector": "tests.standin.money"}
    taken = Capture(id="c1", payment="p1", tender="card", amount=usd(3000), captured_at=PLACED_AT)
    reference = "order:shop:1/refund:order|p1:1/order:shop:1/1"
    given = Refund(
        id="r1",
        payment="p1",
        tender="card",
        amount=usd(1000),
        status="succeeded",
        refunded_at=PLACED_AT,
        reference=reference,
    )
    async with Target().serve() as target:
        psp = {"connections": {"psp": {**money, "url": target.url}}}
        async with staged(database_url, target, each=money, roles={"payments": "psp"}, more=psp) as stage:
            await set_back(stage)
            facts = (("capture", taken), ("refund", given))
            said = (
                Told(kind=kind, id=body.id, entity="order:shop:1", token=1, body=msgspec.to_builtins(body))
                for kind, body in facts
            )
            await stage.tell(*(message("psp", each) for each in said))
            await go_on(stage)
            await stage.tell(told(order("1", units=2, ever_ordered=usd(3000)), token=2))
            async with stage.database.transaction() as tx:
                claimed = await delivery.claim(tx, "mail", 10, 30.0)
            assert [(each.name, each.forgotten_since is not None) for each in claimed] == [
                ("refund_notice:refund:order|p1:1", True)
            ]


async def test_what_was_refused_first_and_done_then_is_found_under_its_later_key(database_url: str) -> None:
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed)
        await stage.run()
        await set_back(stage)
        await stage.tell(shipment("s1", placed))
        key = "order:shop:1/goods_issue:s1/shipment:warehouse:s1/3"
        target._do("goods_issue", {"key": key, "entity": "order:shop:1", "refs": {}, "body": {}})
        await go_on(stage)
        await stage.run()
        assert target.effects("goods_issue") == [key]


async def test_what_the_warehouse_was_asked_for_otherwise_then_is_found_and_brought_to_what_is_wanted_now(
    database_url: str, tmp_path: Path
) -> None:
    key = tmp_path / "wms-key"
    key.write_text(API_KEY)
    async with site() as at, Target().serve() as target:
        warehouse = {"connector": "wms", "url": at.link.settings.url, "api_key": f"file:{key}"}
        async with staged(database_url, target, mail=False, more={"connections": {"warehouse": warehouse}}) as stage:
            await set_back(stage)
            placed = order("1", skus=["MUG", "TEA"])
            address = msgspec.to_builtins(placed.ship_to) | {"street": ["9 Old Street"]}
            lines = [{"line": "1-0", "sku": "MUG", "units": 2}, {"line": "1-1", "sku": "TEA", "units": 3}]
            asked = {"reference": "order:shop:1", "order_number": "#1", "ship_to": address, "lines": lines}
            await at.call("POST", "/v1/shipment-orders", asked)
            await stage.tell(placed)
            await go_on(stage)
            await stage.run()
            assert stage.cases() == []
            assert len(at.happened("order_received")) == 1
            assert [each["ship_to"]["street"] for each in at.happened("ship_to_changed")] == [list(SAGE.street)]
            assert [each["lines"] for each in at.happened("lines_changed")] == [{"1-0": 3, "1-1": 3}]


async def test_what_nobody_can_look_for_is_a_persons(database_url: str) -> None:
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await set_back(stage)
        await stage.tell(shipment("s1", placed))
        await go_on(stage)
        await stage.run()
        assert target.effects("parcel_notice") == []
        assert stage.cases() == ["doubt:mail:parcel_notice"]
        await stage.tell(shipment("s2", placed))
        await stage.run()
        assert target.slots("parcel_notice") == ["order:shop:1/parcel_notice:s2"]


async def test_what_was_sealed_before_the_backup_and_not_sent_yet_is_looked_for_too(database_url: str) -> None:
    """It was refused for a moment, so that it was ready to be sent with the key it has."""
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        target.fault("goods_issue", "refuse", status=429, retry_after=0.1)
        while not stage.count(
            "select count(*) from intent i join promise p on p.id = i.promise where p.name = 'goods_issue:s1'"
        ):
            await stage.deliver("erp")
        assert stage.stages()["order:shop:1/goods_issue:s1"] == 0
        await set_back(stage)
        key = "order:shop:1/goods_issue:s1/shipment:warehouse:s1/1"
        target._do("goods_issue", {"key": key, "entity": "order:shop:1", "refs": {}, "body": {}})
        await go_on(stage)
        await asyncio.sleep(0.2)
        await stage.run()
        assert target.effects("goods_issue") == [key]


async def test_numbers_that_the_forgotten_time_may_have_given_out_are_given_out_never_again(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"))
        before = stage.count("select max(id) from promise")
        await set_back(stage)
        await stage.tell(order("2"))
        assert stage.count("select min(id) from promise where entity = 'order:shop:2'") > before + 1_000_000
        assert stage.count("select last_value from fence_seq") > AHEAD.fence


async def test_only_what_is_stopped_can_go_on(database_url: str) -> None:
    async with Database(database_url) as database, database.transaction() as tx:
        with pytest.raises(NotDecidable):
            await Decider(tx, "Mara").go_on()
        await Decider(tx, "Mara").restored()
        await Decider(tx, "Mara").go_on()


async def test_nothing_goes_on_before_every_list_was_read_whole_since_unless_a_person_says_so(
    database_url: str,
) -> None:
    async with Database(database_url) as database, database.transaction() as tx:
        await run(
            tx,
            "insert into sweep (connection, kind, whole, next_at, verified_at) values"
            " ('shop', 'order', true, now(), now() - interval '1 hour'), ('shop', 'order', false, now(), null),"
            " ('psp', 'refund', true, now(), null)",
        )
        await Decider(tx, "Mara").restored()
        with pytest.raises(NotDecidable, match=r"refund of psp; order of shop.*crossdock sweep shop --full"):
            await Decider(tx, "Mara").go_on()
        await run(tx, "update sweep set verified_at = now() where connection = 'shop'")
        with pytest.raises(NotDecidable, match="refund of psp"):
            await Decider(tx, "Mara").go_on()
        await run(tx, "update sweep set verified_at = now() where connection = 'psp'")
        await Decider(tx, "Mara").go_on()
        await Decider(tx, "Mara").restored()
        await run(tx, "update sweep set verified_at = null")
        await Decider(tx, "Mara").go_on(unswept=True)
