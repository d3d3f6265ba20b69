"""Money the shop says was paid and whose holder has told nothing of: looked for, waited for, and a case in the end.

Until it is heard of nothing can be given back, for nobody knows on what; so it is never passed over in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from crossdock.books.entitlements import entitlements, to_be_paid
from crossdock.books.record import Record
from crossdock.books.tenders import captured
from crossdock.books.worth import worth_as_sold, worth_of
from crossdock.canonical.lookup import Lookup
from crossdock.canonical.nouns import PAYMENTS_OF_ORDER
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.obligations import Fetch, Obligation, Priority, Trouble, Wait
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing

_GRACE = timedelta(minutes=10)
"""Webhooks that are sent at all come within seconds, so that a read before this would mostly be for nothing."""


def says_paid(record: Record) -> bool:
    """The channel says of the order, as it is now, that it is paid for."""
    return record.order.payment in ("paid", "refunded")


def owed_for_unheard(standing: Standing, order_fact: Fact, record: Record, policy: Policy) -> Iterator[Obligation]:
    """Looked for after a while and once more at the deadline; then somebody has to."""
    provider = policy.roles.payments
    if provider is None or record.capture_when != "channel":
        return
    missing = _missing(record)
    if missing is None or missing.minor <= policy.tolerance_minor:
        return
    since = _since(standing, order_fact, record)
    until = due(since, policy.deadlines.payment_minutes)
    for nth, moment in enumerate(sorted((since + _GRACE, until)), 1):
        if standing.as_of < moment:
            yield Wait(
                name=f"payment_unheard:{nth}", on=provider, what=f"to tell of {missing} that were paid", until=moment
            )
            break
        yield from _read(standing, order_fact, provider, nth, policy)
    if standing.as_of >= until:
        yield _never_heard_of(provider, record, missing)


def _missing(record: Record) -> AnyMoney | None:
    """What was paid and is not known of; of an order with no payment at all, also where something is to be given back."""
    paid = captured(record)
    if paid and says_paid(record):
        found = entitlements(record)
        return Money(found.unpaid - found.to_collect, record.currency)
    if paid or not (says_paid(record) or any(each.worth > 0 for each in worth_of(record).given)):
        return None
    ever = worth_as_sold(record, {line.id: line.ordered for order in record.sold for line in order.lines})
    return Money(max(to_be_paid(record), ever, record.money(record.order.ever_ordered)), record.currency)


def _since(standing: Standing, order_fact: Fact, record: Record) -> datetime:
    """When it was learned that money must have come in."""
    if says_paid(record):
        return order_fact.changed_at
    given = [*standing.of("return"), *standing.of("allowance")]
    return max([order_fact.changed_at, *(fact.changed_at for fact in given)])


def _read(standing: Standing, order_fact: Fact, provider: str, nth: int, policy: Policy) -> Iterator[Fetch]:
    """Where its holder can be asked."""
    kind = "order" if provider == standing.source else PAYMENTS_OF_ORDER
    if (provider, kind) not in standing.readable:
        return
    yield Fetch(
        name=f"fetch:{PAYMENTS_OF_ORDER}:{nth}",
        to=provider,
        body=Lookup(kind=kind, id=standing.source_id),
        cause=order_fact,
        by=due(standing.as_of, policy.deadlines.read_minutes),
        priority=Priority.READS,
    )


def _never_heard_of(provider: str, record: Record, missing: AnyMoney) -> Trouble:
    return Trouble(
        cause=f"payment_unheard:{provider}",
        title=f"Paid for, and {provider} has told nothing of it",
        remedy="See there whether it was paid and names the order, and bind or send it again; if it was paid otherwise, "
        "settle what is owed back by hand. Nothing is refunded on it meanwhile.",
        detail=f"order {record.order.number}: {missing}",
    )
