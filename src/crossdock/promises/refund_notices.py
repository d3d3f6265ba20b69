"""The customer is told once about each refund, when it has been made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from crossdock.books.record import Record
from crossdock.books.units import came_back
from crossdock.canonical.payment import PaymentRefund
from crossdock.canonical.returns import RefundNotice
from crossdock.promises.money import cause_in, forgotten_refunds, latest, since_freed, since_paid, slots
from crossdock.promises.obligations import Act, Kept, Obligation, Priority
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing


def owed_notices(
    standing: Standing,
    record: Record,
    policy: Policy,
    asked: Mapping[str, PaymentRefund],
    fact_of: Callable[[str], Fact],
    since: Callable[[str], datetime | None],
) -> Iterator[Obligation]:
    """For refunds that were `asked` for, by name, or are about to be; and for those that the database was set back over.

    `since`: by cause, when the money for those that are about to be had been heard of.
    """
    mail, order = policy.roles.mail, record.order
    if mail is None or not order.email:
        return
    forgotten = {name: each for name, each in forgotten_refunds(standing).items() if each.status != "failed"}
    for name, body in {**forgotten, **asked}.items():
        fact = fact_of(cause_in(name))
        yield Act(
            name=f"refund_notice:{name}",
            to=mail,
            body=RefundNotice(
                to=order.email,
                name=order.bill_to.name if order.bill_to else order.ship_to.name if order.ship_to else "",
                order_number=order.number,
                amount=body.amount,
                tender=_label(record, body.payment) or body.tender,
                lines=_brought_back(record, fact),
            ),
            cause=fact,
            by=due(fact.changed_at, policy.deadlines.refund_minutes),
            priority=Priority.NOTICES,
            needs={"refund": Kept(standing.entity, name)} if name in asked else {},
            since=latest(
                since_paid(standing, {body.payment}),
                *(() if name in standing.sealed else (since(cause_in(name)), since_freed(standing, body.payment))),
            ),
            among=f"refund_notice:{slots('refund', cause_in(name))}",
        )


def _label(record: Record, payment: str) -> str:
    return next((each.body.label for each in record.payments if each.body.id == payment), "")


def _brought_back(record: Record, fact: Fact) -> tuple[tuple[str, int], ...]:
    """(title, units) of what a return brought; nothing where no goods are behind it."""
    titles = {line.id: line.title for line in record.order.lines}
    brought = [back.units for back in came_back(record) if back.returned.cause == fact.id]
    return tuple((titles[line], count) for units in brought for line, count in units.items())
