"""What a shop lists only under its orders: what the hub did there itself is no drift, and a list that was cut is no whole one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crossdock.canonical.returns import Return, ReturnLine
from crossdock.cli.sweeping import sweep_now
from crossdock.govern.own import API
from crossdock.simulators.listing import ListMischief
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.shop_state import Order
from crossdock.store.inbox import Message
from crossdock.store.sweeps import Ended
from crossdock.sweep.sweeper import Sweeper
from tests.acceptance.drifting import SKU, Silence, silence
from tests.stage import PLACED_AT


async def sweep(at: Silence, connection: str, kind: str) -> Ended:
    [sweeper] = [each for each in at.hub.sweepers if each.source.connection == connection]
    [ended] = await _passed(sweeper, kind)
    await at.settle()
    return ended


async def _passed(sweeper: Sweeper, kind: str) -> list[Ended]:
    return await sweep_now(sweeper, kind, full=True)


async def leave(at: Silence, order: Order) -> None:
    """The warehouse ships it, and the hub hears of that."""
    await at.do("wms", "ship", reference=f"order:shop:{order.id}", location="MAIN")
    await sweep(at, "wms", "shipment")


async def causes(at: Silence) -> list[tuple[str, str, str]]:
    return [(each.connection, each.kind, each.cause) for each in await at.drift()]


async def test_what_the_hub_itself_did_in_the_shop_is_heard_of_and_no_drift(database_url: str, tmp_path: Path):
    async with silence(database_url, tmp_path) as at:
        order = await at.paid()
        await at.sweep()
        told = await causes(at)
        at.shop.mischief.arm(FaultRule(match="FulfillmentCreate", kind="commit_then_status", status=502, times=1))
        await leave(at, order)
        await at.deliver("shop")
        [made] = order.fulfilments
        assert at.rows("select stage from due where target = 'shop'") == [(3,)], "nobody knows what became of it"
        assert (await sweep(at, "shop", "fulfilment")).verdict == "complete"
        assert at.known("fulfilment", str(made.id)) == 1
        await at.run()
        await at.tell(came_back(order, 1))
        await at.run()
        assert len(at.shop.ledger.select("refund_created", str(order.id))) == 1, "the hub recorded the return"
        for kind in ("order", "fulfilment", "return"):
            assert (await sweep(at, "shop", kind)).differing == 0
        assert [each for each in await causes(at) if each not in told] == [("wms", "shipment", "unheard")]
        assert len(order.fulfilments) == 1
        assert at.cases() == []
        await at.checked()


def came_back(order: Order, units: int) -> Message:
    """A person enters a return: so many units were handed in, and are as good as new."""
    line = ReturnLine(
        id="1",
        sku=SKU,
        line=str(order.lines[0].id),
        units=units,
        received=units,
        disposition="sellable",
        location="MAIN",
    )
    body = {"entity": f"order:shop:{order.id}", "token": 1}
    body["return"] = Return(id="R1", returned_at=PLACED_AT, lines=(line,))
    return Message(API, "return", msgspec.json.encode(body), "return-R1", 0)


@pytest.mark.parametrize(
    ("lie", "flaw"),
    [
        (ListMischief(match="orders", cut_at=15), "it ended after a page of 15, and had more"),
        (ListMischief(match="orders", skip_page=2), "it counts 33 and lists 18"),
    ],
)
async def test_orders_that_a_list_keeps_back_are_missed_though_they_have_no_parcel(
    database_url: str, tmp_path: Path, lie: ListMischief, flaw: str
):
    async with silence(database_url, tmp_path) as at:
        first = at.order()
        parcel = at.shop.fulfil_by_hand(first.id, {first.lines[0].id: 1})
        for _ in range(32):
            at.order()
        at.shop.mischief.lists = lie
        cut = await sweep(at, "shop", "fulfilment")
        assert (cut.verdict, cut.flaw) == ("incomplete", flaw)
        assert "sweep:shop:fulfilment:whole" in at.cases()
        at.shop.mischief.lists = ListMischief()
        whole = await sweep(at, "shop", "fulfilment")
        assert (whole.verdict, whole.flaw, whole.counted) == ("complete", None, 33)
        assert at.known("fulfilment", str(parcel.id)) == 1
        assert at.cases() == []
