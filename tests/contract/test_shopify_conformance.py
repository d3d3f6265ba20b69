"""What the hub relies on in every connector, asked of Shopify's against the simulated shop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from crossdock.canonical.order import OrderCancellation, OrderReference
from crossdock.canonical.payment import StoreCredit
from crossdock.canonical.returns import ReturnRecord
from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.connectors.shopify import Settings
from crossdock.connectors.shopify.fulfilments import tracking_number
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.shop import TOKEN, Shop
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Order
from tests.contract.shopify_site import cancel, credit, fulfil, record, refer

_CALLS: dict[type[msgspec.Struct], str] = {
    Fulfilment: "FulfillmentCreate",
    OrderReference: "MetafieldsSet",
    OrderCancellation: "OrderCancel",
    ReturnRecord: "RefundCreate",
    StoreCredit: "RefundCreate",
}


@asynccontextmanager
async def shop() -> AsyncGenerator[StandIn]:
    """A shop with two orders of two lines, each with two parcels to show, and one of which all has left."""
    simulated = Shop(points_max=100_000)
    for sku in ("MUG", "TEA"):
        simulated.add_product(sku, sku.title(), "10.00")
    orders = [simulated.place_order([Bought("MUG", 2), Bought("TEA", 1)]) for _ in range(2)]
    buyer = simulated.create_customer(email="ada@example.com")
    sent = simulated.place_order([Bought("MUG", 2)], customer=buyer.id, paid=True, manual_gateway=True)
    unsent = simulated.place_order([Bought("MUG")], authorised=True, manual_gateway=True)
    simulated.fulfil_by_hand(sent.id, {sent.lines[0].id: 2})

    async def effects(command: Command[Any]) -> int:
        if isinstance(command.body, OrderReference):
            return len(simulated.ledger.select("metafield_set", command.body.order))
        if isinstance(command.body, OrderCancellation):
            return len(simulated.ledger.select("order_cancelled", command.body.order))
        if isinstance(command.body, (ReturnRecord, StoreCredit)):
            noted = [entry.details["note"] for entry in simulated.ledger.select("refund_created", command.body.order)]
            return sum(command.key in note for note in noted)
        made = simulated.ledger.select("fulfilment_created", command.body.order)
        return sum(tracking_number(command.body) in entry.details["tracking"] for entry in made)

    async def misbehave(noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        simulated.mischief.arm(FaultRule(match=_CALLS[noun], kind=how, status=502, times=1))

    async def fill(kind: str) -> Collection[str]:
        if kind == "return":
            return _returns(simulated)
        if kind == "customer":
            return [str(simulated.create_customer(email=f"buyer{n}@example.com").id) for n in range(230)]
        if kind == "fulfilment":
            return [str(_shipped(simulated).fulfilments[0].id) for _ in range(20)]
        long = simulated.place_order([Bought("MUG")] * 120)
        return [str(long.id), *(str(simulated.place_order([Bought("TEA")]).id) for _ in range(12))]

    async with simulated.serve() as running:
        yield StandIn(
            settings=Settings(url=running.url, access_token=Secret(TOKEN)),
            effects=effects,
            misbehave=misbehave,
            commands={
                Fulfilment: [fulfil(order, {0: 1}, tracking=f"1Z{order.number}") for order in orders],
                ReturnRecord: [record(sent, {0: (1, "sellable")}, 1000)],
                StoreCredit: [credit(sent, 1000)],
                OrderCancellation: [cancel(unsent)],
                OrderReference: [refer(order, f"SO{order.number}") for order in orders],
            },
            fill=fill,
        )


def _shipped(simulated: Shop) -> Order:
    order = simulated.place_order([Bought("MUG", 2)])
    simulated.fulfil_by_hand(order.id, {order.lines[0].id: 2})
    return order


def _returns(simulated: Shop) -> list[str]:
    orders = [_shipped(simulated) for _ in range(25)]
    return [str(simulated.request_return(order.id, {order.lines[0].id: 1}).id) for order in orders]


TestShopify = conformance_of("shopify", stand_in=shop)
