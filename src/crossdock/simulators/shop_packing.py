"""What the shop expects to leave, from where, as orders are placed, edited, shipped and cancelled."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from crossdock.simulators.shop_state import FulfilmentOrder, Line, NotPossible, Order, ToFulfil, World

STILL_SHIPPING = ("OPEN", "IN_PROGRESS")


def expect(world: World, order: Order, line: Line, units: int, now: datetime) -> None:
    """More units of a line are to leave from the product's location, or where they are fetched: each has one fulfilment order."""
    if not line.product.ships:
        return
    location = order.pickup_at or line.product.location
    target = _open_at(order, location) or _opened(world, order, location, now)
    known = next((part for part in target.lines if part.line == line.id), None)
    if known is None:
        known = ToFulfil(world.next_id("FulfillmentOrderLineItem"), line.id, total=0, remaining=0)
        target.lines.append(known)
    known.total += units
    known.remaining += units


def _open_at(order: Order, location: int) -> FulfilmentOrder | None:
    open_orders = (each for each in order.fulfilment_orders if each.status in STILL_SHIPPING)
    return next((each for each in open_orders if each.location == location), None)


def _opened(world: World, order: Order, location: int, now: datetime) -> FulfilmentOrder:
    made = FulfilmentOrder(world.next_id("FulfillmentOrder"), order.id, location, "OPEN", now, lines=[])
    made.method = "PICK_UP" if order.pickup_at else "SHIPPING"
    order.fulfilment_orders.append(made)
    world.fulfilment_orders[made.id] = made
    return made


def set_units(world: World, order: Order, line: Line, units: int, now: datetime) -> int:
    """Set a line's current units; returns by how many they changed. `NotPossible` when more are with the buyer already."""
    kept = order.fulfilled(line.id) - order.returned(line.id)
    if units < kept:
        raise NotPossible(f"{kept} units of line {line.id} have left already")
    delta = units - line.current
    if delta > 0:
        _order_more(line, delta)
        expect(world, order, line, delta, now)
    line.current = units
    expect_fewer(order, line, max(0, -delta))
    close_shipped(order, now)
    return delta


def _order_more(line: Line, units: int) -> None:
    """Shopify counts every unit ever ordered, and states taxes for all of them."""
    grown = Fraction(line.quantity + units, line.quantity) if line.quantity else Fraction(1)
    line.quantity += units
    for tax in line.taxes:
        tax.minor = round(tax.minor * grown)


def expect_fewer(order: Order, line: Line, units: int) -> None:
    for each in order.fulfilment_orders:
        for part in each.lines:
            if part.line == line.id:
                taken = min(units, part.remaining)
                part.remaining, part.total, units = part.remaining - taken, part.total - taken, units - taken


def close_shipped(order: Order, now: datetime) -> None:
    """A fulfilment order with nothing left is closed; one that has begun is in progress."""
    for each in order.fulfilment_orders:
        each.updated_at = now
        if each.status in STILL_SHIPPING and not any(part.remaining for part in each.lines):
            each.status = "CLOSED"
        elif each.status == "OPEN" and any(part.remaining < part.total for part in each.lines):
            each.status = "IN_PROGRESS"
