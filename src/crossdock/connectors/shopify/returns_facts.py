"""A return as the shop keeps it: what is to come back, what came, and what became of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from crossdock.canonical.returns import Disposition, Return, ReturnLine
from crossdock.connect.documents import Document, Origin, Translated, Untranslatable
from crossdock.connectors.shopify import terms
from crossdock.connectors.shopify.graphql_wire import GraphId, PageInfo
from crossdock.connectors.shopify.terms import Moment, Units

_STATUS: dict[str, Literal["requested", "authorised", "closed", "cancelled"]] = {
    "REQUESTED": "requested",
    "OPEN": "authorised",
    "CLOSED": "closed",
    "CANCELED": "cancelled",
    "DECLINED": "cancelled",
}
_BECAME: dict[str, Disposition | None] = {
    "RESTOCKED": "sellable",
    "NOT_RESTOCKED": "damaged",
    "PROCESSING_REQUIRED": None,  # it is there, and nobody has said what becomes of it
}


class GraphPlace(msgspec.Struct, rename="camel", gc=False):
    legacy_resource_id: str


class GraphDisposition(msgspec.Struct, rename="camel", gc=False):
    type: Literal["MISSING", "NOT_RESTOCKED", "PROCESSING_REQUIRED", "RESTOCKED"]
    quantity: Units
    location: GraphPlace | None


class GraphGoods(msgspec.Struct, rename="camel", gc=False):
    fulfillment_line_item: GraphId | None
    dispositions: list[GraphDisposition]


class GraphGoodsPage(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphGoods]
    page_info: PageInfo


class GraphReverse(msgspec.Struct, rename="camel", gc=False):
    line_items: GraphGoodsPage


class GraphReversePage(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphReverse]
    page_info: PageInfo


class GraphOrdered(msgspec.Struct, gc=False):
    id: str
    sku: str | None


class GraphFulfilled(msgspec.Struct, rename="camel", gc=False):
    id: str
    line_item: GraphOrdered


class GraphReason(msgspec.Struct, gc=False):
    name: str


class GraphReturnLine(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    """`fulfillment_line_item` is missing from a line nobody could verify."""

    id: str
    quantity: Units
    processed_quantity: Units
    return_reason_definition: GraphReason | None
    return_reason_note: str
    fulfillment_line_item: GraphFulfilled | None = None


class GraphReturnLines(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphReturnLine]
    page_info: PageInfo


class GraphExchanges(msgspec.Struct, gc=False):
    nodes: list[GraphId]


class GraphReturn(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    id: str
    name: str
    status: Literal["CANCELED", "CLOSED", "DECLINED", "OPEN", "REQUESTED"]
    created_at: Moment
    order: GraphPlace
    exchange_line_items: GraphExchanges
    return_line_items: GraphReturnLines
    reverse_fulfillment_orders: GraphReversePage


_RETURN = msgspec.json.Decoder(GraphReturn)


def return_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """The return as it was read. Shopify gives it no clock, so of two reads the one begun later counts."""
    wire = terms.decoded(body, _RETURN)
    pages = [wire.return_line_items.page_info, wire.reverse_fulfillment_orders.page_info]
    pages += [each.line_items.page_info for each in wire.reverse_fulfillment_orders.nodes]
    if any(page.has_next_page for page in pages):
        raise Untranslatable("a page of the return, not the whole of it")
    number = terms.number_of(wire.id)
    order = terms.plain_number(wire.order.legacy_resource_id)
    yield Document(
        kind="return",
        id=number,
        entity=origin.entity("order", order),
        body=_return(wire, number),
        token=0,
        aliases=terms.names(wire.name, terms.gid("Return", number)),
    )


def _return(wire: GraphReturn, number: str) -> Return:
    looked_at = _looked_at(wire)
    return Return(
        id=number,
        number=wire.name,
        returned_at=terms.utc(wire.created_at),
        status=_STATUS[wire.status],
        settle_by="exchange" if wire.exchange_line_items.nodes else "refund",
        lines=tuple(line for each in wire.return_line_items.nodes for line in _lines(each, looked_at)),
    )


Places = Counter[tuple[Disposition | None, str]]
"""Units by what became of them, and where."""


def _looked_at(wire: GraphReturn) -> dict[str, Places]:
    """By fulfilled line, what somebody has looked at; what is missing did not come."""
    found: dict[str, Places] = {}
    for each in (goods for reverse in wire.reverse_fulfillment_orders.nodes for goods in reverse.line_items.nodes):
        places = found.setdefault(each.fulfillment_line_item.id if each.fulfillment_line_item else "", Counter())
        for part in each.dispositions:
            if part.type in _BECAME:
                location = part.location.legacy_resource_id if part.location else ""
                places[_BECAME[part.type], location] += part.quantity
    return found


def _lines(each: GraphReturnLine, looked_at: dict[str, Places]) -> Iterator[ReturnLine]:
    """What has not come or is not decided keeps the line's id; what is decided has one of its own for each way and place."""
    fulfilled = each.fulfillment_line_item
    number = terms.number_of(each.id)
    if fulfilled is None:
        raise Untranslatable(f"return line {number} names no line of the order")
    places = looked_at.pop(fulfilled.id, Places()) or Places({(None, ""): each.processed_quantity})
    to_come = each.quantity - places.total()
    if to_come < 0:
        raise Untranslatable(f"more units came back of return line {number} than were to come")
    line = ReturnLine(
        id=number,
        line=terms.number_of(fulfilled.line_item.id),
        sku=fulfilled.line_item.sku or "",
        units=to_come,
        reason=each.return_reason_note or (each.return_reason_definition.name if each.return_reason_definition else ""),
    )
    undecided = sum(units for (became, _), units in places.items() if became is None)
    if to_come + undecided:
        yield msgspec.structs.replace(line, units=to_come + undecided, received=undecided)
    for (became, location), units in sorted((place, units) for place, units in places.items() if place[0]):
        own = f"{number}/{became}@{location}"
        yield msgspec.structs.replace(line, id=own, units=units, received=units, disposition=became, location=location)
