"""What a warehouse answers at once: what is there of a SKU."""

from __future__ import annotations

from urllib.parse import urlencode

from crossdock.canonical.answers import Availability
from crossdock.canonical.stock import StockLevel
from crossdock.connect.link import Link
from crossdock.connectors.wms import wire
from crossdock.connectors.wms.system import Settings, connector, key_header, unexpected


@connector.ask(Availability)
async def availability(sku: str, link: Link[Settings]) -> Availability | None:
    """Nothing for a SKU that the warehouse does not keep."""
    answer = await link.http.get(f"/v1/stock?{urlencode({'sku': sku})}", headers=key_header(link.settings))
    if not answer.ok:
        raise unexpected(answer)
    levels = tuple(_level(each) for each in answer.decode(wire.StockOf).items if each.sku == sku)
    return Availability(sku=sku, levels=levels) if levels else None


def _level(held: wire.Stock) -> StockLevel:
    reserved = min(held.reserved, held.on_hand)
    return StockLevel(
        sku=held.sku,
        location=held.location,
        on_hand=held.on_hand,
        reserved=reserved,
        available=held.on_hand - reserved,
    )
