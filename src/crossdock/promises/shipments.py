"""What each parcel that left makes us owe: the ERP ships and invoices it, the channel shows it, the customer is told."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.canonical.order import Order
from crossdock.canonical.shipment import (
    Fulfilment,
    FulfilmentLine,
    GoodsIssue,
    InvoicePosting,
    ParcelNotice,
    Shipment,
)
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, Trouble, Within
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing


def owed_for_shipment(
    standing: Standing, order_fact: Fact, fact: Fact, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """What one parcel makes us owe, in the order it becomes due."""
    order: Order = order_fact.body
    shipment: Shipment = fact.body
    strangers = [line.line for line in shipment.lines if line.line not in {known.id for known in order.lines}]
    if strangers:
        yield _unknown_lines(order, shipment, strangers)
        return
    if erp is not None:
        yield from _erp(standing, order, fact, policy, erp)
    yield _fulfilment(standing, order, fact, policy)
    if policy.roles.mail is not None and order.email:
        yield _notice(order, fact, policy, policy.roles.mail)


def _erp(standing: Standing, order: Order, fact: Fact, policy: Policy, erp: str) -> Iterator[Obligation]:
    shipment: Shipment = fact.body
    issue = f"goods_issue:{shipment.id}"
    yield Act(
        name=issue,
        to=erp,
        body=GoodsIssue(shipment=shipment),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.goods_issue_minutes),
        priority=Priority.ORDERS,
        document="sale",
        needs={"sale": Kept(standing.entity, "sale")},
        within=_ordered_units(standing, order, shipment),
        undo=None,
    )
    yield Act(
        name=f"invoice:{shipment.id}",
        to=erp,
        body=InvoicePosting(shipment=shipment.id, invoice_date=shipment.shipped_at),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.invoice_minutes),
        priority=Priority.MONEY,
        document="sale",
        needs={"sale": Kept(standing.entity, "sale"), "issue": Kept(standing.entity, issue)},
        undo=None,
    )


def _ordered_units(standing: Standing, order: Order, shipment: Shipment) -> tuple[Within, ...]:
    """No line ever leaves the ERP in more units than were ordered, whatever parcels are reported."""
    ordered = {line.id: line.ordered for line in order.lines}
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
