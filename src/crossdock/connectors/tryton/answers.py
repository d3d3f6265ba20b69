"""What Tryton answers at once: what is there of a SKU, and what it is listed at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from crossdock.canonical.answers import Availability, PriceQuote
from crossdock.connect.documents import Untranslatable
from crossdock.connect.link import Link
from crossdock.connectors.tryton import translate, wire
from crossdock.connectors.tryton.reads import levels_of, read_product
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected

T = TypeVar("T")


@connector.ask(Availability)
async def availability(sku: str, link: Link[Settings]) -> Availability | None:
    """At every location that has a code; nothing for what is not on sale."""
    readings = await levels_of(sku, link)
    levels = _told(lambda: tuple(translate.level_in(reading.body) for reading in readings or ()))
    return Availability(sku=sku, levels=levels) if readings is not None else None


@connector.ask(PriceQuote)
async def price(sku: str, link: Link[Settings]) -> PriceQuote | None:
    """The list price, which Tryton keeps before tax."""
    reading = await read_product(sku, link)
    if reading is None:
        return None
    product = _told(lambda: translate.product_in(translate.read_as(reading.body, wire.ProductReading)))
    return PriceQuote(sku=product.sku, unit_price=product.list_price, includes_tax=False)


def _told(read: Callable[[], T]) -> T:
    try:
        return read()
    except Untranslatable as error:
        raise Rejected(str(error)) from error
