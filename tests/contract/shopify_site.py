"""A running shop with the connector's link to it; every answer it gives is held against Shopify's true schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import msgspec

from crossdock.canonical.order import OrderCancellation, OrderReference
from crossdock.canonical.payment import StoreCredit
from crossdock.canonical.returns import Disposition, ReturnedUnits, ReturnRecord
from crossdock.canonical.shipment import Fulfilment, FulfilmentLine, Tracking
from crossdock.connect.connector import Command
from crossdock.connect.documents import Origin
from crossdock.connect.link import Answer, Http, Link
from crossdock.connect.secrets import Secret
from crossdock.connectors.shopify import Settings
from crossdock.kernel.money import Money
from crossdock.simulators.shop import TOKEN, Shop
from crossdock.simulators.shop_state import Order
from tests.contract.shopify_schema import admin_schema, misfits

ORIGIN = Origin(connection="shop", received_at=datetime(2026, 11, 21, 9, tzinfo=UTC))
SEALED_AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


class SchemaHttp(Http):
    """The real line, which holds every whole answer against the schema."""

    async def send(self, method: str, path: str, body: object = None, **named: Any) -> Answer:
        answer = await super().send(method, path, body, **named)
        assert isinstance(body, Mapping)
        data = answer.json().get("data") if answer.ok else None
        if data and "errors" not in answer.json():
            wrong = misfits(admin_schema("2026-07"), body["query"], body["operationName"], data)
            assert not wrong, wrong
        return answer


@dataclass
class Site:
    shop: Shop
    link: Link[Settings]
    url: str


async def spend(points: int) -> None:
    assert points > 0


def guard() -> None: ...


@asynccontextmanager
async def site(*, token: str = TOKEN, payments: str = "", **options: Any) -> AsyncIterator[Site]:
    """A shop with three products at its first location and one at a second."""
    shop = Shop(**{"points_max": 100_000, **options})
    store = shop.add_location("Harbour store")
    for sku in ("MUG", "TEA", "POT"):
        shop.add_product(sku, sku.title(), "12.50")
    shop.add_product("CAKE", "Cake", "4.20", location=store.id)
    async with shop.serve() as running, aiohttp.ClientSession() as session:
        settings = Settings(
            url=running.url,
            access_token=Secret(token),
            locations={"STORE": str(store.id)},
            payments=payments,
            restock_location=str(store.id),
        )
        http = SchemaHttp(session, running.url, spend=spend, guard=guard, timeout_seconds=2.0)
        yield Site(shop, Link(settings, http, {}, guard), running.url)


def fulfil(
    order: Order, units: Mapping[int, int], *, tracking: str | None = None, shipment: str = "P-1", location: str = ""
) -> Command[Fulfilment]:
    """The command to show a parcel; `units` by the line's place in the order."""
    parcel = Fulfilment(
        order=str(order.id),
        shipment=shipment,
        lines=tuple(FulfilmentLine(line=str(order.lines[at].id), units=count) for at, count in units.items()),
        location=location,
        tracking=Tracking(carrier="UPS", number=tracking) if tracking else None,
    )
    entity = f"order:shop:{order.id}"
    return Command(key=f"{entity}/fulfilment/{shipment}/1", entity=entity, body=parcel, sealed_at=SEALED_AT)


def record(
    order: Order,
    units: Mapping[int, tuple[int, Disposition | Literal["none"]]],
    minor: int,
    *,
    shipping: int = 0,
    return_id: str = "R7",
) -> Command[ReturnRecord]:
    """The command to show a return; `units` with what becomes of them, by the line's place in the order."""
    lines = [
        ReturnedUnits(line=str(order.lines[at].id), units=count, restock=what) for at, (count, what) in units.items()
    ]
    body = ReturnRecord(
        order=str(order.id),
        return_id=return_id,
        lines=tuple(lines),
        amount=Money(minor, order.currency),
        shipping=Money(shipping, order.currency),
    )
    entity = f"order:shop:{order.id}"
    return Command(key=f"{entity}/return_record:{return_id}/shown/1", entity=entity, body=body, sealed_at=SEALED_AT)


def credit(order: Order, minor: int) -> Command[StoreCredit]:
    customer = f"customer:shop:{order.customer}" if order.customer else None
    amount = Money(minor, order.currency)
    body = StoreCredit(order=str(order.id), customer=customer, amount=amount, reason="Return R7")
    entity = f"order:shop:{order.id}"
    return Command(key=f"{entity}/refund:R7/credit/1", entity=entity, body=body, sealed_at=SEALED_AT)


def refer(order: Order | str, number: str) -> Command[OrderReference]:
    plain = order if isinstance(order, str) else str(order.id)
    entity = f"order:shop:{plain}"
    return Command(
        key=f"{entity}/reference/sale/1",
        entity=entity,
        body=OrderReference(order=plain),
        refs={"sale.number": number},
        sealed_at=SEALED_AT,
    )


def cancel(order: Order) -> Command[OrderCancellation]:
    entity = f"order:shop:{order.id}"
    body = OrderCancellation(order=str(order.id), reason="nobody came for it", refund=False)
    return Command(key=f"{entity}/order_cancellation/pickup/1", entity=entity, body=body, sealed_at=SEALED_AT)


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)
