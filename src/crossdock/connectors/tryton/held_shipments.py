"""What left for our orders by Tryton's books: the customer shipments that are done.

What is planned is no fact yet: Tryton makes, splits and cancels it as sales are processed. Shipments are listed by themselves
and name their sale in their moves; to search them by it takes ten seconds at 10,000.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from crossdock.canonical.erp import ErpShipment, ErpShipmentLine
from crossdock.canonical.shipment import GoodsIssue
from crossdock.connect.documents import Origin, Page, Reading, Translated
from crossdock.connect.link import Link
from crossdock.connectors.tryton.changes import Stamp, changed, counted
from crossdock.connectors.tryton.held import of_one_order, one_of, readings_of
from crossdock.connectors.tryton.rpc import Code, Where
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.connectors.tryton.translate import read_as

SHIPMENT = "erp_shipment.read"
_LEFT: Where = [["state", "in", ["done", "cancelled"]]]


class _Sold(msgspec.Struct, frozen=True):
    id: int
    web_id: str | None


class _Move(msgspec.Struct, frozen=True):
    quantity: float | None
    state: str
    sale: _Sold | None = msgspec.field(name="sale.")
    product: Code | None = msgspec.field(name="product.")

    @property
    def units(self) -> int:
        return 0 if self.state == "cancelled" else round(self.quantity or 0)


class _Shipment(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    number: str | None
    reference: str | None
    state: str
    last_modified_at: Stamp | None
    outgoing: tuple[_Move, ...] = msgspec.field(name="outgoing_moves.")


@connector.read("erp_shipment")
async def read_shipment(id_: str, link: Link[Settings]) -> Reading | None:
    found = await one_of("stock.shipment.out", id_, _LEFT, _Shipment, link)
    return readings_of(found, SHIPMENT)[0] if found else None


@connector.list("erp_shipment", shows=[GoodsIssue])
async def list_shipments(cursor: str, link: Link[Settings]) -> Page:
    found = await changed(cursor, link, "stock.shipment.out", _Shipment, where=_LEFT)
    return Page(items=readings_of(found.rows, SHIPMENT), cursor=found.place.cursor, more=found.more)


@connector.count("erp_shipment")
async def count_shipments(link: Link[Settings]) -> int:
    return await counted(link, "stock.shipment.out", _LEFT)


@connector.translate(SHIPMENT)
def shipment_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A shipment that left; one that was cancelled stands no more."""
    held = read_as(body, _Shipment)
    web_ids = {move.sale.web_id or "" for move in held.outgoing if move.sale}

    def stands(number: str) -> ErpShipment:
        return ErpShipment(id=str(held.id), number=number, reference=held.reference or "", lines=_lines(held))

    yield of_one_order("erp_shipment", "shipment", held, web_ids, stands)


def _lines(held: _Shipment) -> tuple[ErpShipmentLine, ...]:
    """Units by product, in one order whatever order their moves come in."""
    units = Counter[str]()
    for move in held.outgoing:
        units[(move.product.code or "") if move.product else ""] += move.units
    return tuple(ErpShipmentLine(sku=sku, units=units[sku]) for sku in sorted(units) if units[sku])
