"""What was handed in at a till, of a sale of its own or of an order bought elsewhere. Pure.

Square's return lines have no room for what became of the goods, nor for the line of somebody else's order. The till keeps
both in the order's metadata, as `disposition.<line uid>` and `line.<line uid>`, and what the clerk scanned in `reference_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from crossdock.canonical.returns import Disposition, Return, ReturnLine
from crossdock.connect.documents import Document, Origin
from crossdock.connectors.square import wire
from crossdock.connectors.square.amounts import money, units, utc
from crossdock.connectors.square.sales import Skus
from crossdock.kernel.money import AnyMoney, total

_STATUS: Mapping[str, Literal["authorised", "closed", "cancelled"]] = {
    "DRAFT": "authorised",
    "OPEN": "authorised",
    "COMPLETED": "closed",
    "CANCELED": "cancelled",
}
_DISPOSITIONS: Mapping[str, Disposition] = {"sellable": "sellable", "damaged": "damaged", "vendor": "vendor"}
_SETTLE_BY: Mapping[str, Literal["refund", "store_credit", "exchange", "nothing"]] = {
    "store_credit": "store_credit",
    "exchange": "exchange",
    "nothing": "nothing",
}


def return_fact(order: wire.Order, given: wire.OrderReturn, skus: Skus, origin: Origin) -> Document:
    """The goods are in the shop, so all units count as received."""
    entity, about = belongs_to(order, given, origin)
    return Document(
        kind="return",
        id=return_id(order, given),
        entity=entity,
        about=about,
        body=Return(
            id=return_id(order, given),
            returned_at=utc(order.created_at),
            lines=tuple(_line(order, line, skus, origin) for line in given.return_line_items),
            status=_STATUS[order.state],
            settle_by=_SETTLE_BY.get(order.metadata.get("settle_by") or "", "refund"),
            number=order.ticket_name or order.id,
            channel="store",
            paid_out=_paid_out(order),
        ),
        token=order.version,
        aliases=(return_name(order, given, origin),),
    )


def _paid_out(order: wire.Order) -> AnyMoney | None:
    """What the order of one return lists as paid out; of several returns nobody says which it was for."""
    paid = [money(each.amount_money) for each in order.refunds if each.status not in ("FAILED", "REJECTED")]
    return total(paid, paid[0].currency) if paid and len(order.returns) == 1 else None


def return_id(order: wire.Order, given: wire.OrderReturn) -> str:
    """Square's order of the return; where goods of several sales come back at once, each has a return in it."""
    return order.id if len(order.returns) == 1 else f"{order.id}:{given.uid}"


def return_name(order: wire.Order, given: wire.OrderReturn, origin: Origin) -> str:
    """What nothing but this return is called: its payout is found by it where there was no receipt."""
    return f"return:{origin.connection}:{return_id(order, given)}"


def belongs_to(order: wire.Order, given: wire.OrderReturn | None, origin: Origin) -> tuple[str | None, str]:
    """(entity, about): the till's own sale, else what the clerk scanned; nothing where there was no receipt."""
    if given is not None and given.source_order_id is not None:
        return origin.entity("order", given.source_order_id), ""
    return None, order.reference_id or ""


def _line(order: wire.Order, line: wire.ReturnLineItem, skus: Skus, origin: Origin) -> ReturnLine:
    said = _DISPOSITIONS.get(order.metadata.get(f"disposition.{line.uid}") or "")
    known = line.source_line_item_uid or order.metadata.get(f"line.{line.uid}") or ""
    cancelled = order.state == "CANCELED"
    return ReturnLine(
        id=line.uid,
        line=known,
        sku=skus.get(line.catalog_object_id or "", ""),
        units=units(line.quantity),
        received=0 if cancelled else units(line.quantity),
        disposition=said,
        location=origin.location(order.location_id),
        reason=line.note or "",
    )
