"""What the buyer is owed back: each entitlement settled once, on the payments it came from, within what was captured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from crossdock.books.amounts import allocated
from crossdock.books.entitlements import (
    ORDER,
    SURPLUS,
    Entitlement,
    Entitlements,
    entitlements,
    given_away_by_others,
    to_be_paid,
)
from crossdock.books.record import Asked, Record
from crossdock.books.tenders import Balance, balances, captured, failed, payout_unheard, spread
from crossdock.canonical.payment import Dispute, PaymentRefund, StoreCredit
from crossdock.canonical.returns import Return
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.approvals import approved, digest_of, rejected
from crossdock.promises.exchanges import still_leaving
from crossdock.promises.money import (
    cause_in,
    forgotten_refunds,
    latest,
    since_allowed,
    since_covered,
    since_freed,
    since_paid,
    slots,
)
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation, Priority, Trouble, Wait, Within
from crossdock.promises.policy import Policy, due
from crossdock.promises.refund_notices import owed_notices
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms, terms_at
from crossdock.promises.unheard import says_paid

_DISPUTE_DAYS_MAX = 120
"""Card schemes decide within about four months."""
NEXT_DAY = "day_of:"
"""What the name of a wait for the next day's limit begins with; the refund's follows."""


def money_going_back(refunds: Iterable[Obligation]) -> dict[Asked, datetime | None]:
    """The refunds and credits among these, as the books will know them once they are sealed, and since when they may be."""
    return {
        Asked(each.name, cause_in(each.name), each.body.amount.minor, getattr(each.body, "payment", None)): each.since
        for each in refunds
        if isinstance(each, Act) and isinstance(each.body, PaymentRefund | StoreCredit)
    }


@dataclass(frozen=True, slots=True)
class _Owed:
    """One order's refunds as they are being worked out."""

    standing: Standing
    order_fact: Fact
    record: Record
    policy: Policy
    found: Entitlements

    def since(self, cause: str) -> datetime | None:
        """When as much of the buyer's money had been heard of as there has to be before this goes back, and it may go."""
        due = to_be_paid(self.record) - sum(each.taken for each in self.found.exchanges)
        beyond = sum(each.entitled for each in self.found.of if each.cause == cause == ORDER)
        everything = cause == SURPLUS or self.found.unpaid > 0
        return latest(
            since_covered(self.standing, self.record, captured(self.record) if everything else due + beyond),
            since_allowed(self.standing, self.fact(cause), self.record.currency),
        )

    def fact(self, cause: str) -> Fact:
        """The fact that a cause names; the order itself for what the order causes."""
        if cause == SURPLUS:
            return max(self.standing.of("capture"), key=lambda fact: (fact.changed_at, fact.id))
        return next((fact for fact in self.standing.facts if fact.id == cause), self.order_fact)

    def terms(self, cause: str) -> ReturnTerms:
        fact = self.fact(cause)
        moment = fact.body.returned_at if isinstance(fact.body, Return) else fact.changed_at
        return terms_at(self.policy.returns, moment)

    def money(self, minor: int) -> AnyMoney:
        return Money(minor, self.record.currency)


def owed_refunds(standing: Standing, order_fact: Fact, record: Record, policy: Policy) -> Iterator[Obligation]:
    """Everything that is owed back and neither settled nor under way."""
    if policy.roles.payments is None or not record.captures:
        return
    found = entitlements(record)
    owed = _Owed(standing, order_fact, record, policy, found)
    yield from _given_too_much(owed, found)
    if record.capture_when == "channel" and not says_paid(record):
        yield from _unpaid(owed, found.unpaid - found.to_collect)
    left = balances(record)
    refunds = [each for entitlement in found.of if entitlement.open for each in _for_cause(owed, entitlement, left)]
    disputes = [dispute for dispute in record.disputes if dispute.status == "open"]
    yield from (_frozen(owed, refunds, disputes) if disputes else refunds)
    asked = {sealed.name: sealed.body for sealed in standing.all_sealed("refund")}
    for each in refunds:
        if isinstance(each, Act) and isinstance(each.body, PaymentRefund) and not disputes:
            asked[each.name] = each.body
    yield from owed_notices(standing, record, policy, asked, owed.fact, owed.since)


def _frozen(owed: _Owed, refunds: list[Obligation], disputes: list[Dispute]) -> Iterator[Obligation]:
    """While a dispute is open nothing is refunded: its outcome may settle it. Waits are named as the acts that follow them."""
    until = max(dispute.opened_at for dispute in disputes) + timedelta(days=_DISPUTE_DAYS_MAX)
    disputed = ", ".join(str(dispute.amount) for dispute in disputes)
    names = [each.name for each in refunds if isinstance(each, Act) and each.priority == Priority.MONEY]
    for name in names or [f"dispute:{dispute.id}" for dispute in disputes]:
        what = f"to decide the dispute over {disputed}; nothing is refunded meanwhile"
        yield Wait(name=name, on=owed.policy.roles.payments or "", what=what, until=until)


def _for_cause(owed: _Owed, entitlement: Entitlement, left: list[Balance]) -> Iterator[Obligation]:
    """One cause's open amount: credit in the house where the buyer wants that, else the payments in the terms' order."""
    fact = owed.fact(entitlement.cause)
    if isinstance(fact.body, Return) and (paid_out := payout_unheard(owed.record, fact.body)):
        yield _payout_awaited(owed, fact, fact.body, paid_out)
        return
    if leaving := still_leaving(owed.standing, owed.record, entitlement.cause):
        yield from _kept_from(owed, entitlement, fact, left, leaving)
        return
    yield from _given(owed, entitlement, fact, left)


def _kept_from(
    owed: _Owed, entitlement: Entitlement, fact: Fact, left: list[Balance], leaving: int
) -> Iterator[Obligation]:
    """Nothing goes back for new goods before the warehouse has said that they stay: what it has picked, it sends."""
    for each in list(_given(owed, entitlement, fact, left)):
        if isinstance(each, Act) and each.priority == Priority.MONEY:
            what = f"to say that {leaving} of the new goods for {_reason(entitlement.cause, fact)} will not leave"
            until = due(fact.changed_at, owed.policy.deadlines.refund_minutes)
            yield Wait(name=each.name, on=owed.policy.roles.warehouse or fact.connection, what=what, until=until)


def _given(owed: _Owed, entitlement: Entitlement, fact: Fact, left: list[Balance]) -> Iterator[Obligation]:
    if isinstance(fact.body, Return) and _stays_in_the_house(fact.body, owed.terms(entitlement.cause)):
        yield from _store_credit(owed, entitlement, fact)
        return
    start = entitlement.settled
    for balance, part in spread(entitlement.open, left, owed.terms(entitlement.cause).tenders):
        left[left.index(balance)] = _after(balance, part)
        yield from _on_payment(owed, entitlement, balance, start, part)
        start += part
    missing = entitlement.settled + entitlement.open - start
    if missing > 0:
        yield _nowhere_to_go(owed, entitlement, missing)


def _stays_in_the_house(body: Return, terms: ReturnTerms) -> bool:
    """As the customer wants it; an exchange for nothing in particular is for whatever they buy next."""
    if body.settle_by == "exchange":
        return not body.replacements or terms.exchange_rest == "store_credit"
    return body.settle_by == "store_credit"


def _payout_awaited(owed: _Owed, fact: Fact, body: Return, paid_out: int) -> Wait:
    """Nothing goes back for a return before it is known on what its place paid out: it may have been all of it."""
    return Wait(
        name=f"payout:{fact.id}",
        on=fact.connection,
        what=f"to tell of {owed.money(paid_out)} that were paid out for return {body.number or body.id}",
        until=due(fact.changed_at, owed.policy.deadlines.refund_minutes),
    )


def _after(balance: Balance, part: int) -> Balance:
    return replace(balance, refunded=balance.refunded + part)


def _on_payment(owed: _Owed, entitlement: Entitlement, balance: Balance, start: int, part: int) -> Iterator[Obligation]:
    """One refund on one payment, when whoever has to has allowed it."""
    payment, fact = balance.payment, owed.fact(entitlement.cause)
    if payment.connection != owed.policy.roles.payments:
        yield Wait(
            name=f"pay_back:{entitlement.cause}|{payment.body.id}",
            on=payment.connection,
            what=f"to give back {owed.money(part)} in {payment.body.tender.replace('_', ' ')}",
            until=due(fact.changed_at, owed.policy.deadlines.refund_minutes),
        )
        return
    name = _next_slot(owed, "refund", entitlement.cause, payment.body.id)
    amount, payee = owed.money(part), payment.body.label or f"{payment.body.tender} {payment.body.id}"
    terms, cap = owed.terms(entitlement.cause), None
    limit = terms.limit(terms.daily_refunds_max, owed.record.currency)
    above = limit if limit is not None and part > limit.minor else None
    permission = _permission(owed, entitlement, name, amount, payee, above)
    if not isinstance(permission, datetime):
        yield from permission
        return
    if (
        limit is not None and above is None
    ):  # what no day has room for is a person's alone, and takes no room from others
        day = owed.standing.as_of.astimezone(UTC)
        cap = Within(f"refunds/{owed.record.currency}/{day:%Y-%m-%d}", part, limit.minor)
        # What doesn't fit into today's limit is looked at again when there is a new one.
        yield Wait(name=f"{NEXT_DAY}{name}", on="clock", what="the next day's limit", until=_midnight_after(day))
    taken = Within(f"captured/{payment.fact}", part, balance.limit)
    body = PaymentRefund(
        payment=payment.body.id,
        tender=payment.body.tender,
        amount=amount,
        reason=_reason(entitlement.cause, fact),
        allocations=allocated(entitlement.amounts, start, start + part, owed.record.currency),
    )
    yield Act(
        name=name,
        to=payment.connection,
        body=body,
        cause=fact,
        by=due(fact.changed_at, owed.policy.deadlines.refund_minutes),
        priority=Priority.MONEY,
        document=f"payment:{payment.body.id}",
        within=(taken,) if cap is None else (taken, cap),
        valid_until=permission if permission != _ALWAYS else None,
        since=latest(
            owed.since(entitlement.cause),
            since_paid(owed.standing, {payment.body.id}),
            since_freed(owed.standing, payment.body.id),
        ),
        among=slots("refund", entitlement.cause),
    )


def _midnight_after(day: datetime) -> datetime:
    return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _reason(cause: str, fact: Fact) -> str:
    if isinstance(fact.body, Return):
        return f"return {fact.body.number or fact.body.id}"
    reasons = {ORDER: "the order was cancelled or lowered", SURPLUS: "paid more than is owed"}
    return reasons.get(cause, getattr(fact.body, "reason", ""))


def _store_credit(owed: _Owed, entitlement: Entitlement, fact: Fact) -> Iterator[Obligation]:
    name = _next_slot(owed, "store_credit", entitlement.cause, "")
    amount = owed.money(entitlement.open)
    permission = _permission(owed, entitlement, name, amount, "store credit")
    if not isinstance(permission, datetime):
        yield from permission
        return
    start = entitlement.settled
    yield Act(
        name=name,
        to=owed.standing.source,
        body=StoreCredit(
            order=owed.record.order.id,
            customer=owed.record.order.customer,
            amount=amount,
            reason=_reason(entitlement.cause, fact),
            allocations=allocated(entitlement.amounts, start, start + entitlement.open, owed.record.currency),
        ),
        cause=fact,
        by=due(fact.changed_at, owed.policy.deadlines.refund_minutes),
        priority=Priority.MONEY,
        valid_until=permission if permission != _ALWAYS else None,
        since=owed.since(entitlement.cause),
    )


def _next_slot(owed: _Owed, kind: str, cause: str, payment: str) -> str:
    """The first that was never sealed, as far as is known; an ordinal, for neither an amount nor a body can name a promise."""
    forgotten, begins = forgotten_refunds(owed.standing), f"{slots(kind, cause)}{payment}"
    names = (f"{begins}:{nth}" for nth in owed.standing.free(begins))
    return next(name for name in names if name not in forgotten)


# --- permission --------------------------------------------------------------------------------------------------------

_ALWAYS = datetime.max.replace(tzinfo=UTC)


def _permission(
    owed: _Owed, entitlement: Entitlement, name: str, amount: AnyMoney, payee: str, above: AnyMoney | None = None
) -> datetime | list[Obligation]:
    """Until when this may be sealed; or what is waited for, while somebody has yet to allow it.

    `above`: what may leave in a day, where this alone is more.
    """
    terms = owed.terms(entitlement.cause)
    people = max(_people_needed(owed, entitlement, terms), 0 if above is None else 1)
    if people == 0:
        return _ALWAYS
    digest = digest_of(amount, payee, name)
    if (until := approved(owed.standing, digest, people, terms.approver)) is not None:
        return until
    fact = owed.fact(entitlement.cause)
    needed = ApprovalNeeded(
        name=name,
        role=terms.approver,
        people=people,
        digest=digest,
        what=f"refund {amount} to {payee}, {_reason(entitlement.cause, fact)}{_past(above)}",
        amount=amount,
        payee=payee,
        cause=entitlement.cause,
        until=due(fact.changed_at, terms.approve_within_minutes),
        hours=terms.approval_hours,
    )
    if (refusal := rejected(owed.standing, digest)) is None:
        return [needed]
    refused = Trouble(
        cause=f"refund_rejected:{owed.standing.entity}:{name}",
        title="A refund that was rejected",
        remedy="Correct the return or allowance it was for, or have whoever rejected it approve it.",
        detail=f"{amount} to {payee} for {_reason(entitlement.cause, fact)}: {refusal.by} said no. {refusal.note}",
    )
    return [refused, needed]


def _past(limit: AnyMoney | None) -> str:
    return "" if limit is None else f", past the limit of {limit} a day"


def _people_needed(owed: _Owed, entitlement: Entitlement, terms: ReturnTerms) -> int:
    """By the cause's whole amount, so that nobody stays under a limit by asking in parts."""
    second = terms.limit(terms.second_approver_over, owed.record.currency)
    first = terms.limit(terms.approve_over, owed.record.currency)
    if second is not None and entitlement.entitled > second.minor:
        return 2
    again = any(name.startswith(f"refund:{entitlement.cause}|") for name in failed(owed.record))
    over = first is not None and entitlement.entitled > first.minor
    return 1 if over or again or entitlement.cause == SURPLUS else 0


# --- what only people can settle ---------------------------------------------------------------------------------------


def _given_too_much(owed: _Owed, found: Entitlements) -> Iterator[Obligation]:
    number, overpaid, lost = owed.record.order.number, found.overpaid, found.lost
    by_others = given_away_by_others(owed.record) if overpaid else 0
    if by_others > 0:
        yield Trouble(
            cause=f"over_refunded:{owed.standing.entity}",
            title="Others gave back more than anybody was entitled to",
            remedy="Find out who refunded by hand or twice. Ask for the money, or grant an allowance for it; "
            "nothing more is refunded on this order meanwhile.",
            detail=f"order {number}: {owed.money(by_others)} more was given back than is owed",
        )
    if overpaid > by_others:
        yield Trouble(
            cause=f"owed_again:{owed.standing.entity}",
            title="Given back, and owed by the buyer again",
            remedy="What it was for was withdrawn since: ask the buyer to pay it, or grant an allowance for it.",
            detail=f"order {number}: {owed.money(overpaid - by_others)} was refunded for what is bought after all",
        )
    if lost > 0:
        yield Trouble(
            cause=f"lost_dispute:{owed.standing.entity}",
            title="A dispute was lost over what the buyer keeps",
            remedy="Write it off by an allowance for the amount, or claim it from the buyer.",
            detail=f"order {number}: {owed.money(lost)} was lost",
        )


def _unpaid(owed: _Owed, unpaid: int) -> Iterator[Obligation]:
    """The channel collects what an order costs; nobody is refunded what they never paid."""
    if unpaid > 0:
        yield Wait(
            name="payment",
            on=owed.standing.source,
            what=f"to collect {owed.money(unpaid)}",
            until=due(owed.order_fact.changed_at, owed.policy.deadlines.payment_minutes),
        )


def _nowhere_to_go(owed: _Owed, entitlement: Entitlement, missing: int) -> Trouble:
    return Trouble(
        cause=f"refund_uncovered:{owed.standing.entity}",
        title="Owed to a buyer, with no payment left to give it back on",
        remedy="Pay it by other means and record that, or settle the return by store credit.",
        detail=f"order {owed.record.order.number}: {owed.money(missing)} of "
        f"{owed.money(entitlement.entitled)} for {_reason(entitlement.cause, owed.fact(entitlement.cause))}",
    )
