"""What we take where the hub takes it: what has left and is kept, parcel by parcel; what is held beyond that is let go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from crossdock.books.entitlements import settled_in_all
from crossdock.books.exchanges import lent
from crossdock.books.record import Record, Tendered
from crossdock.books.tenders import capturable, under_way_of
from crossdock.books.units import awaiting_release, left_units, owed_units
from crossdock.books.worth import to_capture, to_cover
from crossdock.canonical.payment import PaymentCapture, PaymentVoid
from crossdock.kernel.money import Money
from crossdock.promises.obligations import Act, Obligation, Priority, Trouble, Wait, Within
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing

_EXPIRY_WARNING = timedelta(days=1)


def owed_captures(standing: Standing, order_fact: Fact, record: Record, policy: Policy) -> Iterator[Obligation]:
    """Capture what has left; void what nothing will leave for."""
    if record.capture_when != "shipped" or policy.roles.payments is None:
        return
    open_ = [each for each in record.payments if each.connection == policy.roles.payments]
    all_left = left_units(record) == owed_units(record) and not awaiting_release(record)
    settled = settled_in_all(record)
    missing = to_capture(record, settled - lent(record, left=True))
    if open_:
        in_all = to_cover(record, settled - lent(record, left=False))
        yield from _to_be_covered(standing, order_fact, record, open_, in_all, policy)
    newest = max(standing.of("shipment"), key=lambda fact: (fact.changed_at, fact.id), default=order_fact)
    heard = {fact.id: fact.recorded_at for fact in standing.of("payment")}
    names = (f"capture:{nth}" for nth in standing.free("capture"))
    for payment in open_:
        part = min(missing, capturable(record, payment))
        missing -= part
        if part > 0:
            yield _capture(
                record, newest, payment, part, next(names), policy, since=heard[payment.fact], final=all_left
            )
        elif all_left and _held_for_nothing(record, payment):
            yield _void(order_fact, newest, payment, policy)
        yield from _expiring(standing, record, payment, all_left=all_left)
    if missing > 0 and open_:
        yield Trouble(
            cause=f"capture_uncovered:{standing.entity}",
            title="More has left than its payment covers",
            remedy="Ask the buyer for another payment, or grant an allowance for the rest.",
            detail=f"order {record.order.number}: {Money(missing, record.currency)} has left uncovered",
        )


def _to_be_covered(
    standing: Standing, order_fact: Fact, record: Record, payments: list[Tendered], in_all: int, policy: Policy
) -> Iterator[Obligation]:
    """An edit made the order dearer than its payments: said before it leaves, not after."""
    uncovered = in_all - sum(capturable(record, payment) for payment in payments)
    if uncovered > 0:
        yield Wait(
            name="cover",
            on=standing.source,
            what=f"to have {Money(uncovered, record.currency)} more authorised",
            until=due(order_fact.changed_at, policy.deadlines.payment_minutes),
        )


def _capture(
    record: Record,
    cause: Fact,
    payment: Tendered,
    part: int,
    name: str,
    policy: Policy,
    *,
    since: datetime,
    final: bool,
) -> Act:
    return Act(
        name=name,
        to=payment.connection,
        body=PaymentCapture(payment=payment.body.id, amount=Money(part, record.currency), final=final),
        cause=cause,
        by=due(cause.changed_at, policy.deadlines.capture_minutes),
        priority=Priority.MONEY,
        document=f"payment:{payment.body.id}",
        within=(Within(f"authorised/{payment.fact}", part, record.money(payment.body.authorised)),),
        since=since,
    )


def _held_for_nothing(record: Record, payment: Tendered) -> bool:
    """Something of it is held still, and no capture is under way that takes it, or lets go of the rest as the last one does."""
    sent = [each.body for each in record.taken if each.body.payment == payment.body.id]
    under_way = under_way_of(record)[payment.body.id]
    return capturable(record, payment) > 0 and not under_way and not any(each.final for each in sent)


def _void(order_fact: Fact, newest: Fact, payment: Tendered, policy: Policy) -> Act:
    """Of what is held since nothing more will leave: the last parcel says so, or the order."""
    return Act(
        name=f"void:{payment.body.id}",
        to=payment.connection,
        body=PaymentVoid(payment=payment.body.id),
        cause=order_fact,
        by=due(order_fact.changed_at, policy.deadlines.capture_minutes),
        priority=Priority.MONEY,
        document=f"payment:{payment.body.id}",
        since=newest.changed_at,
    )


def _expiring(standing: Standing, record: Record, payment: Tendered, *, all_left: bool) -> Iterator[Obligation]:
    """An authorisation runs out whether or not anything has left: somebody is told before it does."""
    until = payment.body.expires_at
    if until is None or all_left or payment.body.status != "open":
        return
    if until - standing.as_of > _EXPIRY_WARNING:
        what = f"the authorisation of {payment.body.authorised} to be near its end"
        yield Wait(name=f"authorisation:{payment.body.id}", on="clock", what=what, until=until - _EXPIRY_WARNING)
    else:
        yield Trouble(
            cause=f"authorisation_expires:{payment.connection}",
            title="Authorisations that run out before the goods have left",
            remedy="Ship or cancel the order, or ask the buyer to authorise it again.",
            detail=f"order {record.order.number}: {payment.body.authorised} until {until:%Y-%m-%d %H:%M}",
        )
