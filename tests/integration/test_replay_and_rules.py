"""What is known: told again, too early, under new rules or broken, it owes nothing twice and holds up nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from tests.stage import ROSE, customer, message, order, shipment, staged, told
from tests.standin import Told
from tests.standin.target import Target


async def test_what_is_replayed_when_all_is_settled_opens_nothing_and_writes_nothing(database_url: str) -> None:
    placed = order(customer="customer:shop:c1")
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed, customer(), shipment("s1", placed))
        await stage.tell(told(msgspec.structs.replace(placed, ship_to=ROSE), 2), message("shop", told(placed), "noise"))
        await stage.tell(Told(kind="order", id="1", entity="order:shop:1", token=2, body=msgspec.to_builtins(order())))
        target.things["1"] = told(msgspec.structs.replace(placed, ship_to=ROSE), 2)
        await stage.run()
        made, calls = stage.promises_made(), len(target.calls)
        assert await stage.replay() >= 6
        await stage.run()
        assert stage.promises_made() == made
        assert len(target.calls) == calls
        assert stage.count("select count(*) from evidence") == stage.count(
            "select count(*) from (select distinct entity, inbox_id from evidence) e"
        )
        await stage.checked()


async def test_a_hundred_copies_are_one_sale(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        for _ in range(10):
            await stage.tell(*(told(placed) for _ in range(10)))
            await stage.deliver()
        await stage.run()
        assert len(target.effects("sales_order")) == 1


async def test_a_parcel_before_its_order_fetches_the_order(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.things["1"] = told(placed)
        await stage.tell(shipment("s1", placed))
        await stage.run()
        assert target.slots("goods_issue") == ["order:shop:1/goods_issue:s1"]
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_payment_before_the_order_itself_is_one_sale(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target, policy={"sell_when": "paid"}) as stage:
        await stage.tell(told(msgspec.structs.replace(placed, payment="paid"), 2))
        await stage.run()
        await stage.tell(told(placed, 1))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_new_rules_owe_nothing_for_old_facts_however_often_they_are_settled(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target:
        async with staged(database_url, target, mail=False) as stage:
            await stage.tell(placed, shipment("s1", placed))
            await stage.run()
            await stage.checked()
        async with staged(database_url, target) as stage:
            for token in (2, 3, 4):  # each makes the order's entity known anew
                await stage.tell(
                    told(customer(f"c{token}")), told(msgspec.structs.replace(placed, payment="paid"), token)
                )
                await stage.tell(told(msgspec.structs.replace(placed, payment="pending"), token + 10))
                await stage.run()
                assert target.effects("parcel_notice") == []
            assert stage.rows("select name from withheld") == [("parcel_notice:s1",)]
            await stage.tell(shipment("s2", placed))
            await stage.run()
            assert target.slots("parcel_notice") == ["order:shop:1/parcel_notice:s2"]
            await stage.checked()


async def test_names_that_no_database_holds_are_kept_aside_and_hold_up_nobody(database_url: str) -> None:
    nul = msgspec.structs.replace(order("2"), email="a\0b")
    sku = order("3", skus=["M\0G"])
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"), nul, sku, told(order("4\0")), told(order("5" * 900)))
        await stage.run()
        assert "order:shop:1/sale" in target.slots("sales_order")
        reasons = [row[0] for row in stage.rows("select reason from inbox where outcome = 3")]
        assert len(reasons) >= 3
        assert all(reasons)
        await stage.checked()


async def test_a_parcel_given_to_another_order_is_settled_for_both(database_url: str) -> None:
    one, other = order("1"), order("2")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(one, other)
        await stage.run()
        target.fault("goods_issue", "refuse", status=429, times=None, retry_after=0.01)
        await stage.tell(told(shipment("s1", one), 1))
        await stage.deliver("erp")
        await stage.settle()
        await stage.tell(message("warehouse", Told(
            kind="shipment", id="s1", entity="order:shop:2", token=2,
            body=msgspec.to_builtins(shipment("s1", other)),
        )))  # fmt: skip
        target.mischief.disarm()
        await stage.run()
        assert target.slots("goods_issue") == ["order:shop:2/goods_issue:s1"]


async def test_a_states_deadline_and_actor_are_always_known(database_url: str) -> None:
    """S10 at every moment of a story with trouble in it."""
    placed = order(customer="customer:shop:c1", placed_at=datetime.now(UTC) - timedelta(minutes=5))
    async with Target().serve() as target, staged(database_url, target) as stage:
        for noun in ("party_account", "goods_issue", "parcel_notice", "invoice_posting"):
            target.fault(noun, "commit_then_status", status=502)
        await stage.tell(placed, customer(), shipment("s1", placed))
        for _ in range(12):
            await stage.checked()
            await stage.deliver()
            await stage.checked()
            stage.hurry()
            await stage.settle()
        await stage.run()
        await stage.checked()
