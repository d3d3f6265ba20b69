"""What each parcel that left makes us owe: the ERP ships and invoices it, the channel shows it, the customer is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec

from crossdock.books.record import Record
from crossdock.books.units import sold_units
from crossdock.canonical.order import Order
from crossdock.canonical.shipment import (
    Fulfilment,
    FulfilmentLine,
    GoodsIssue,
    InvoicePosting,
    ParcelNotice,
    Shipment,
    ShipmentLine,
)
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, Trouble, Within
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing

ISSUE = "goods_issue"


def owed_for_shipments(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """What each parcel makes us owe."""
    parcels = standing.of("shipment")
    if not parcels:
        return
    room = _room(record)
    for fact in sorted(parcels, key=lambda fact: (f"{ISSUE}:{fact.body.id}" not in standing.sealed, _left_at(fact))):
        yield from _owed_for_shipment(standing, order_fact, fact, record, policy, erp, room)


def invoices_owed(standing: Standing, record: Record) -> Iterator[str]:
    """The names of the invoices of all parcels, one for each sale a parcel's units were sold on."""
    room = _room(record)
    parcels = sorted(
        standing.of("shipment"), key=lambda fact: (f"{ISSUE}:{fact.body.id}" not in standing.sealed, _left_at(fact))
    )
    for fact in parcels:
        for nth, _ in _by_sale(fact.body, room):
            yield f"invoice:{fact.body.id}" if nth == 1 else f"invoice:{fact.body.id}:{nth}"


def _left_at(fact: Fact) -> tuple[datetime, str]:
    return (fact.body.shipped_at, fact.body.id)


def _owed_for_shipment(
    standing: Standing,
    order_fact: Fact,
    fact: Fact,
    record: Record,
    policy: Policy,
    erp: str | None,
    room: list[Counter[str]],
) -> Iterator[Obligation]:
    """What one parcel makes us owe, in the order it becomes due."""
    order: Order = order_fact.body
    shipment: Shipment = fact.body
    known = {line.id for line in order.lines}
    strangers = [line.line for line in shipment.lines if line.line not in known]
    if strangers:
        yield _unknown_lines(order, shipment, strangers)
        return
    if erp is not None:
        for nth, part in _by_sale(shipment, room):
            yield from _erp(standing, record, fact, part, nth, policy, erp)
    if fact.connection == standing.source:
        return  # handed over by the channel itself: it knows, and so does whoever took it
    if standing.shows(Fulfilment):
        yield _fulfilment(standing, order, fact, policy)
    if policy.roles.mail is not None and order.email:
        yield _notice(order, fact, policy, policy.roles.mail)


def _room(record: Record) -> list[Counter[str]]:
    """Units of each line that each of the ERP's sales holds; the first takes what is in none yet."""
    return [Counter({line.id: line.ordered for line in order.lines}) for order in record.sold]


def _by_sale(shipment: Shipment, room: list[Counter[str]]) -> list[tuple[int, Shipment]]:
    """The parcel as the ERP ships it: one part from each sale that its units were sold on. Takes them out of `room`."""
    if len(room) <= 1:
        return [(1, shipment)]
    parts: list[list[ShipmentLine]] = [[] for _ in room]
    for line in shipment.lines:
        units = line.units
        for nth, held in enumerate(room):
            last = nth == len(room) - 1
            taken = units if last else min(units, held[line.line])
            if taken > 0:
                held[line.line] -= taken
                units -= taken
                parts[nth].append(msgspec.structs.replace(line, units=taken))
    return [(nth, msgspec.structs.replace(shipment, lines=tuple(lines))) for nth, lines in enumerate(parts, 1) if lines]


def _erp(
    standing: Standing, record: Record, fact: Fact, shipment: Shipment, nth: int, policy: Policy, erp: str
) -> Iterator[Obligation]:
    suffix = shipment.id if nth == 1 else f"{shipment.id}:{nth}"
    issue, sale = f"{ISSUE}:{suffix}", SALE if nth == 1 else f"{SALE}:{nth}"
    yield Act(
        name=issue,
        to=erp,
        body=GoodsIssue(shipment=shipment),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.goods_issue_minutes),
        priority=Priority.ORDERS,
        document=SALE,
        needs={SALE: Kept(standing.entity, sale)},
        within=_ordered_units(standing, record, shipment),
        undo=None,
    )
    yield Act(
        name=f"invoice:{suffix}",
        to=erp,
        body=InvoicePosting(shipment=shipment.id, invoice_date=shipment.shipped_at),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.invoice_minutes),
        priority=Priority.MONEY,
        document=SALE,
        needs={SALE: Kept(standing.entity, sale), "issue": Kept(standing.entity, issue)},
        undo=None,
    )


def _ordered_units(standing: Standing, record: Record, shipment: Shipment) -> tuple[Within, ...]:
    """No line ever leaves the ERP in more units than were ordered or sold there, whatever parcels are reported."""
    sold = sold_units(record)
    ordered = {line.id: max(line.ordered, sold[line.id]) for line in record.order.lines}
    return tuple(
        Within(f"shipped/{standing.entity}/{line.line}", line.units, ordered[line.line]) for line in shipment.lines
    )


def _fulfilment(standing: Standing, order: Order, fact: Fact, policy: Policy) -> Act:
    shipment: Shipment = fact.body
    return Act(
        name=f"fulfilment:{shipment.id}",
        to=standing.source,
        body=Fulfilment(
            order=order.id,
            shipment=shipment.id,
            lines=tuple(FulfilmentLine(line=line.line, units=line.units) for line in shipment.lines),
            location=shipment.location,
            tracking=shipment.tracking,
        ),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.shop_minutes),
        priority=Priority.ORDERS,
        document="fulfilments",
        undo=None,
    )


def _notice(order: Order, fact: Fact, policy: Policy, mail: str) -> Act:
    shipment: Shipment = fact.body
    titles = {line.id: line.title for line in order.lines}
    return Act(
        name=f"parcel_notice:{shipment.id}",
        to=mail,
        body=ParcelNotice(
            to=order.email,
            name=order.ship_to.name if order.ship_to else "",
            order_number=order.number,
            lines=tuple((titles[line.line], line.units) for line in shipment.lines),
            tracking=shipment.tracking,
        ),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.notice_minutes),
        priority=Priority.NOTICES,
        undo=None,
    )


def _unknown_lines(order: Order, shipment: Shipment, strangers: list[str]) -> Trouble:
    return Trouble(
        cause=f"shipment_of_unknown_lines:{shipment.id}",
        title="A parcel with lines the order does not have",
        remedy="Ask the warehouse what left; correct the shipment there, and the case closes by itself.",
        detail=f"parcel {shipment.id} of order {order.number} names line {', '.join(strangers)}",
    )
