"""The order as the store leaves it that its buyer fetches it from.

What the store says of it decides: units that it doesn't have count as cancelled, units that it handed over have left, and what
it gave up is cancelled whole. Everything else follows from that as it does for any order: the ERP ships and invoices what was
handed over and cancels the rest, exactly that is captured, and a payment of which nothing will be taken is voided.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from crossdock.books.pricing import share_of
from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.pickup import Pickup
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.promises.standing import Fact, Standing

PICKUP_ORDER = "pickup_order"


def is_fetched(standing: Standing, order: Order) -> bool:
    """The buyer comes for it; a store that was asked to keep it ready does so until it is told otherwise."""
    return bool(order.pickup_at) or PICKUP_ORDER in standing.sealed


def as_picked(standing: Standing, stated: Fact) -> Fact:
    """The order as its channel states it, without what its store doesn't have, and cancelled where that gave it up."""
    fact = pickup_fact(standing, stated.body)
    if fact is None:
        return stated
    left = _less(stated.body, fact.body)
    changed_at = max(stated.changed_at, fact.changed_at)
    return stated if left == stated.body else replace(stated, body=left, changed_at=changed_at)


def _less(order: Order, pickup: Pickup) -> Order:
    if pickup.state == "cancelled":
        return msgspec.structs.replace(order, cancelled_at=order.cancelled_at or pickup.changed_at)
    left = units_kept(pickup)
    return msgspec.structs.replace(order, lines=tuple(_at_most(line, left.get(line.id)) for line in order.lines))


def _at_most(line: OrderLine, units: int | None) -> OrderLine:
    return line if units is None or units >= line.ordered else share_of(line, units)


def units_kept(pickup: Pickup) -> dict[str, int]:
    """By line, the most that the buyer can still get; lines the store has not looked for yet are left out."""
    if pickup.state == "prepared":
        return {line.line: line.ready for line in pickup.lines}
    return {line.line: line.handed_over for line in pickup.lines} if pickup.state == "handed_over" else {}


def as_fetched(standing: Standing, stated: Fact) -> tuple[Standing, Fact]:
    """What all books of an order are made of: with what its store handed over, and without what the store doesn't have."""
    return with_handed_over(standing, stated.body), as_picked(standing, stated)


def with_handed_over(standing: Standing, order: Order) -> Standing:
    """What the store handed over has left from there, as a parcel would have."""
    fact = pickup_fact(standing, order)
    if fact is None or not any(line.handed_over for line in fact.body.lines):
        return standing
    left = replace(fact, kind="shipment", body=_as_shipment(standing, order, fact.body), recorded_at=fact.changed_at)
    return replace(standing, facts=(*standing.facts, left))


def _as_shipment(standing: Standing, order: Order, pickup: Pickup) -> Shipment:
    asked = standing.sealed.get(PICKUP_ORDER)
    lines = [line for line in pickup.lines if line.handed_over]
    return Shipment(
        id=pickup.id,
        reference=pickup.reference,
        location=asked.body.location if asked else order.pickup_at,
        lines=tuple(ShipmentLine(line=line.line, sku=line.sku, units=line.handed_over) for line in lines),
        shipped_at=pickup.changed_at,
        delivered_at=pickup.changed_at,
    )


def pickup_fact(standing: Standing, order: Order) -> Fact | None:
    """What the store says of the pickup order that we placed; of several, of the one that it answered us with."""
    if not is_fetched(standing, order):
        return None
    asked, found = standing.sealed.get(PICKUP_ORDER), standing.of("pickup")
    ours = [fact for fact in found if asked and fact.body.id == asked.remote_id]
    return next(iter(ours or found), None)
