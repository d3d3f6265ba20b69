"""What each parcel that left makes us owe: the ERP ships and invoices it, the channel shows it, the customer is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime

import msgspec

from crossdock.books.record import Record
from crossdock.books.units import packed, sold_units
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
from crossdock.promises.changes import units_wanted
from crossdock.promises.money import SALE, every_sale
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, Trouble, Within
from crossdock.promises.policy import Policy, due
from crossdock.promises.recognition import arrival, invoices_of_sales
from crossdock.promises.standing import Fact, Standing

ISSUE = "goods_issue"

Part = tuple[int, Shipment]
"""What of a parcel was sold on the n-th sale of its order."""


def owed_for_shipments(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """What each parcel makes us owe."""
    parcels = standing.of("shipment")
    if not parcels:
        return
    parts, shown = _parts(standing, record, parcels), _shown(standing, record)
    heard = sorted(parcels, key=lambda fact: (fact.recorded_at, fact.id), reverse=True)
    first = {fact.body.id: fact for fact in heard}
    for fact in sorted(parcels, key=_left_at):
        if first[fact.body.id] is not fact:
            yield _of_one_number(standing, order_fact.body, fact, first[fact.body.id])
            continue
        yield from _owed_for_shipment(standing, order_fact, fact, record, policy, erp, parts[fact.id], shown)


def issues_owed(standing: Standing, record: Record) -> list[str]:
    """The names of the goods issues of all parcels, one for each sale a parcel's units were sold on."""
    return [f"{ISSUE}:{suffix}" for suffix in _parts_owed(standing, record)]


def invoices_owed(standing: Standing, record: Record) -> list[str]:
    """The names of the invoices: of sales, or of the parcels that are billed."""
    if record.recognised == "ordered":
        return invoices_of_sales(record)
    billed = None if record.recognised == "shipped" else record.arrived.keys()
    return [f"invoice:{suffix}" for suffix in _parts_owed(standing, record, billed)]


def fulfilments_owed(standing: Standing, record: Record) -> dict[str, tuple[FulfilmentLine, ...]]:
    """By parcel, what the channel is told of it, the first that left first."""
    if not standing.shows(Fulfilment):
        return {}
    known = {line.id for line in record.order.lines}
    shown = _shown(standing, record)
    return {
        fact.body.id: shown[fact.id]
        for fact in sorted(standing.of("shipment"), key=_left_at)
        if fact.connection != standing.source
        and shown[fact.id]
        and known.issuperset(each.line for each in fact.body.lines)
    }


def _parts_owed(standing: Standing, record: Record, of: Set[str] | None = None) -> Iterator[str]:
    parcels = standing.of("shipment")
    parts = _parts(standing, record, parcels)
    for fact in sorted(parcels, key=_left_at):
        if of is not None and fact.body.id not in of:
            continue
        yield from (_suffix(fact.body.id, nth) for nth, _ in parts[fact.id])


def _suffix(shipment: str, nth: int) -> str:
    """What names the part of a parcel that was sold on the n-th sale."""
    return shipment if nth == 1 else f"{shipment}:{nth}"


def _left_at(fact: Fact) -> tuple[datetime, str]:
    return (fact.body.shipped_at, fact.body.id)


def _owed_for_shipment(
    standing: Standing,
    order_fact: Fact,
    fact: Fact,
    record: Record,
    policy: Policy,
    erp: str | None,
    parts: Sequence[Part],
    shown: Mapping[str, tuple[FulfilmentLine, ...]],
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
        for nth, part in parts:
            yield from _erp(standing, record, fact, part, nth, policy, erp)
        yield from _grew(standing, order, shipment, parts)
    if fact.connection == standing.source:
        return  # handed over by the channel itself: it knows, and so does whoever took it
    if standing.shows(Fulfilment) and (lines := shown[fact.id]):
        yield _fulfilment(standing, order, fact, lines, policy)
    if policy.roles.mail is not None and order.email and not order.pickup_at:  # who fetched it knows
        yield _notice(order, fact, policy, policy.roles.mail)


def _parts(standing: Standing, record: Record, parcels: Sequence[Fact]) -> dict[str, list[Part]]:
    """By fact, each parcel as the ERP ships it: one part from each sale that its units were sold on.

    A part that was sealed stays as it is; the other units take what room the sales have left, the first sale first.
    """
    room = [Counter(held) for held in record.held]
    if len(room) <= 1:
        return {fact.id: [(1, fact.body)] for fact in parcels}
    sealed = {fact.id: _sealed_parts(standing, fact.body.id, len(room)) for fact in parcels}
    for nth, part in (each for parts in sealed.values() for each in parts):
        room[nth - 1].subtract({line.line: line.units for line in part.lines})
    return {
        fact.id: [*sealed[fact.id], *_new_parts(fact.body, sealed[fact.id], room)]
        for fact in sorted(parcels, key=_left_at)
    }


def _sealed_parts(standing: Standing, shipment: str, sales: int) -> list[Part]:
    names = ((nth, f"{ISSUE}:{_suffix(shipment, nth)}") for nth in range(1, sales + 1))
    return [(nth, standing.sealed[name].body.shipment) for nth, name in names if name in standing.sealed]


def _new_parts(shipment: Shipment, sealed: Sequence[Part], room: list[Counter[str]]) -> list[Part]:
    """Takes their units out of `room`; what fits nowhere goes to the last sale, which will say so."""
    open_ = [nth for nth in range(len(room)) if nth + 1 not in {done for done, _ in sealed}]
    gone = Counter({line.line: 0 for line in shipment.lines})
    for _, part in sealed:
        gone.update({line.line: line.units for line in part.lines})
    lines: dict[int, list[ShipmentLine]] = {nth: [] for nth in open_}
    for line in shipment.lines:
        units = line.units - gone[line.line]
        for nth in open_:
            taken = units if nth == open_[-1] else min(units, max(room[nth][line.line], 0))
            if taken > 0:
                room[nth][line.line] -= taken
                units -= taken
                lines[nth].append(msgspec.structs.replace(line, units=taken))
    return [(nth + 1, msgspec.structs.replace(shipment, lines=tuple(held))) for nth, held in lines.items() if held]


def _erp(
    standing: Standing, record: Record, fact: Fact, shipment: Shipment, nth: int, policy: Policy, erp: str
) -> Iterator[Obligation]:
    suffix = _suffix(shipment.id, nth)
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
    )
    if record.recognised == "ordered":
        return  # its sale is invoiced whole
    if record.recognised == "delivered" and shipment.id not in record.arrived:
        yield arrival(record, fact, f"invoice:{suffix}")
        return
    at = shipment.shipped_at if record.recognised == "shipped" else record.arrived[shipment.id]
    yield Act(
        name=f"invoice:{suffix}",
        to=erp,
        body=InvoicePosting(shipment=shipment.id, invoice_date=at),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.invoice_minutes),
        priority=Priority.MONEY,
        document=SALE,
        # Delivery is billed with the first parcel, from whichever sale it left; so the posting has to know them all.
        needs=every_sale(standing) | {"issue": Kept(standing.entity, issue)},
    )


def _grew(standing: Standing, order: Order, shipment: Shipment, parts: Sequence[Part]) -> Iterator[Trouble]:
    """A parcel leaves the ERP once: what it is said to have held besides, since then, is not added to it by itself."""
    sealed = [standing.sealed.get(f"{ISSUE}:{_suffix(shipment.id, nth)}") for nth, _ in parts]
    if None in sealed:
        return  # it is still to leave there, with what is said of it now
    issued = sum((packed(each.body.shipment) for each in sealed if each), Counter[str]())
    if beyond := packed(shipment) - issued:
        more = ", ".join(f"{units} of {line}" for line, units in sorted(beyond.items()))
        yield Trouble(
            cause=f"parcel_grew:{standing.entity}:{shipment.id}",
            title="A parcel that was shipped in the ERP, and is said to hold more",
            remedy="Ask the warehouse what left. If no more did, have it correct the parcel, which closes the case; "
            "if it did, ship and invoice the rest in the ERP, then resolve the case.",
            detail=f"parcel {shipment.id} of order {order.number}: {more} were not shipped in the ERP",
        )


def _ordered_units(standing: Standing, record: Record, shipment: Shipment) -> tuple[Within, ...]:
    """No line ever leaves the ERP in more units than are sold or to be sold there, whatever parcels are reported."""
    sold, wanted = sold_units(record), units_wanted(standing, record)
    ordered = Counter({line.id: line.ordered for line in record.order.lines}) | sold | wanted
    return tuple(
        Within(f"shipped/{standing.entity}/{line.line}", line.units, ordered[line.line]) for line in shipment.lines
    )


def _shown(standing: Standing, record: Record) -> dict[str, tuple[FulfilmentLine, ...]]:
    """What the channel is told of each parcel, by its fact: what was picked and left though the channel took it off the order
    is unknown there, as new goods in exchange are, and would have the whole parcel refused."""
    room = Counter({line.id: line.ordered for line in record.order.lines if not line.replaces})
    shown: dict[str, tuple[FulfilmentLine, ...]] = {}
    untold: list[Fact] = []
    for fact in sorted(standing.of("shipment"), key=_left_at):
        told = standing.sealed.get(f"fulfilment:{fact.body.id}")
        if told is None:
            untold.append(fact)
        else:
            shown[fact.id] = told.body.lines
            room.subtract({line.line: line.units for line in told.body.lines})
    for fact in untold:
        lines: list[FulfilmentLine] = []
        for line in fact.body.lines:
            units = min(line.units, max(room[line.line], 0))
            room[line.line] -= units
            if units:
                lines.append(FulfilmentLine(line=line.line, units=units))
        shown[fact.id] = tuple(lines)
    return shown


def _fulfilment(standing: Standing, order: Order, fact: Fact, lines: tuple[FulfilmentLine, ...], policy: Policy) -> Act:
    shipment: Shipment = fact.body
    return Act(
        name=f"fulfilment:{shipment.id}",
        to=standing.source,
        body=Fulfilment(
            order=order.id,
            shipment=shipment.id,
            lines=lines,
            location=shipment.location,
            tracking=shipment.tracking,
        ),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.shop_minutes),
        priority=Priority.ORDERS,
        document="fulfilments",
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
    )


def _of_one_number(standing: Standing, order: Order, fact: Fact, first: Fact) -> Trouble:
    """What is done about a parcel is named by its number, so that the second of that number would be taken for the first."""
    return Trouble(
        cause=f"parcel_of_one_number:{standing.entity}:{fact.body.id}",
        title="Two systems state a parcel under one number",
        remedy=f"Where it is one parcel, take it back at one of them. Where it is two, ship and invoice that of "
        f"{fact.connection} in the ERP and show it by hand.",
        detail=f"parcel {fact.body.id} of order {order.number}: at {first.connection} and {fact.connection}",
    )


def _unknown_lines(order: Order, shipment: Shipment, strangers: list[str]) -> Trouble:
    return Trouble(
        cause=f"shipment_of_unknown_lines:{shipment.id}",
        title="A parcel with lines the order does not have",
        remedy="Ask the warehouse what left; correct the shipment there, and the case closes by itself.",
        detail=f"parcel {shipment.id} of order {order.number} names line {', '.join(strangers)}",
    )
