"""When a sale counts as made, and is billed: when it is ordered, when it has left, or when it has arrived.

What was decided when the ERP's sale was sealed stays so for that order: a pin. The terms are dated by when the order was placed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from crossdock.books.record import Recognised, Record
from crossdock.books.units import came_back, packed
from crossdock.canonical.order import Order
from crossdock.canonical.shipment import InvoicePosting, Shipment
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, Wait
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import Recognition, in_force

PIN = "recognised"
_INVOICE = "invoice:of:"
_INVOICE_OF = "invoice:"
"""A parcel."""


def recognition_of(order: Order, policy: Policy) -> Recognition:
    """The terms in force when it was placed."""
    return in_force(policy.recognition, order.placed_at) or Recognition()


def recognised_when(standing: Standing, order: Order, policy: Policy) -> Recognised:
    """As it was when the sale was sealed; a sale that was sealed before there was a choice is billed as it leaves."""
    match standing.pins.get(PIN, "").partition(":")[0]:
        case "ordered":
            return "ordered"
        case "delivered":
            return "delivered"
        case _:
            return "shipped" if SALE in standing.sealed else recognition_of(order, policy).when


def pinned(record: Record) -> dict[str, str]:
    """What the seal of a sale fixes; nothing where it is billed as it leaves."""
    if record.recognised == "shipped":
        return {}
    return {PIN: f"delivered:{record.transit_days}" if record.recognised == "delivered" else record.recognised}


def invoiced_by(record: Record) -> Literal["parcels", "order"]:
    """What the ERP is to make invoices of."""
    return "order" if record.recognised == "ordered" else "parcels"


def with_recognition(standing: Standing, record: Record, policy: Policy) -> Record:
    """The record with how its order is billed, and which of its parcels have arrived."""
    when = recognised_when(standing, record.order, policy)
    if when != "delivered":
        return replace(record, recognised=when)
    record = replace(record, recognised=when, transit_days=_transit_days(standing, record.order, policy))
    billed = {name.removeprefix(_INVOICE_OF) for name in standing.sealed if name.startswith(_INVOICE_OF)}
    return replace(record, arrived=dict(_arrived(record, billed, standing.as_of)))


def _transit_days(standing: Standing, order: Order, policy: Policy) -> int:
    """As it was when the sale was sealed, like all of the terms."""
    pinned_days = standing.pins.get(PIN, "").partition(":")[2]
    return int(pinned_days) if pinned_days else recognition_of(order, policy).transit_days


def _arrived(record: Record, billed: Set[str], as_of: datetime) -> Iterator[tuple[str, datetime]]:
    """By somebody's word, by time, or because some of it came back; and what was billed as arrived stays so. And when.

    Which parcel it was that something came back of may look otherwise once another is said to have arrived.
    """
    back = sum((each.units for each in came_back(record)), Counter[str]())
    said = [
        each for each in record.shipments if each.delivered_at or each.id in billed or as_of >= _must_have(record, each)
    ]
    yield from ((each.id, each.delivered_at or _must_have(record, each)) for each in said)
    back.subtract(sum((packed(each) for each in said), Counter[str]()))
    for each in record.shipments:
        if each not in said and any(back[line] > 0 for line in packed(each)):
            back.subtract(packed(each))
            yield each.id, _came_back_at(record, each)


def _must_have(record: Record, parcel: Shipment) -> datetime:
    return parcel.shipped_at + timedelta(days=record.transit_days)


def _came_back_at(record: Record, parcel: Shipment) -> datetime:
    """What came back of a parcel had arrived before, and no earlier than it left us."""
    units = packed(parcel)
    times = [each.returned.body.returned_at for each in came_back(record) if any(each.units[line] for line in units)]
    return min((time for time in times if time >= parcel.shipped_at), default=parcel.shipped_at)


def arrival(record: Record, parcel: Fact, invoice: str) -> Wait:
    """A parcel on its way is billed when it arrives, or when it must have; a wait by the name of what follows it."""
    return Wait(
        name=invoice,
        on=parcel.connection,
        what=f"to say that parcel {parcel.body.id} has arrived, which is billed then",
        until=_must_have(record, parcel.body),
    )


# --- billed when it is ordered -----------------------------------------------------------------------------------------


def invoices_of_sales(record: Record) -> list[str]:
    """The names of the invoices of the ERP's sales, where these are billed as they are made."""
    return [f"{_INVOICE}{_sale(nth)}" for nth in range(1, len(record.sold) + 1)]


def owed_for_sales(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str
) -> Iterator[Obligation]:
    """Each of the ERP's sales is invoiced whole as soon as it is there."""
    if record.recognised != "ordered":
        return
    for nth, name in enumerate(invoices_of_sales(record), 1):
        at = record.order.placed_at if nth == 1 else order_fact.changed_at
        yield Act(
            name=name,
            to=erp,
            body=InvoicePosting(shipment="", invoice_date=at),
            cause=order_fact,
            by=due(order_fact.changed_at, policy.deadlines.invoice_minutes),
            priority=Priority.MONEY,
            document=SALE,
            needs={SALE: Kept(standing.entity, _sale(nth))},
        )


def _sale(nth: int) -> str:
    return SALE if nth == 1 else f"{SALE}:{nth}"
