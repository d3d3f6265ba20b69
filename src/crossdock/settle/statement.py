"""An order's money stated: what every cause entitles to and what came of it, what is billed, and every posting. Pure.

All amounts are minor units of the statement's currency.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from crossdock.books.amounts import Position, Value, gross_of, zero
from crossdock.books.billing import billed, to_be_billed
from crossdock.books.entitlements import ORDER, SURPLUS, Entitlement, Entitlements, entitlements, to_be_paid
from crossdock.books.postings import RECEIVABLE, customer_balance, entries, trial_balance
from crossdock.books.record import Asked, Record
from crossdock.books.tenders import (
    Balance,
    balances,
    captured,
    failed,
    given_back,
    lost_in_disputes,
    on_its_way,
    unheard,
)
from crossdock.books.worth import worth_of
from crossdock.canonical.order import Order
from crossdock.canonical.payment import PaymentRefund
from crossdock.canonical.returns import Approval, Return
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.approvals import approved, digest_of, rejected
from crossdock.promises.changes import order_record
from crossdock.promises.money import SALE
from crossdock.promises.obligations import ApprovalNeeded, Obligation
from crossdock.promises.picked import as_fetched
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms, terms_at


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """One payment, and what of it can still be given back."""

    id: str
    connection: str
    label: str
    captured: int
    refunded: int
    disputed: int
    left: int


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """The word of people that money going back takes; `until` is how long a yes holds."""

    role: str
    people: int
    over: int | None
    """The limit that made it necessary; None where something else did."""
    approved_by: tuple[str, ...]
    rejected_by: str
    until: datetime | None
    given: bool
    """They said yes and it held when it was needed, or holds now."""


class MoneyBack(msgspec.Struct, frozen=True, kw_only=True):
    """One refund or credit: asked for already, or waiting for somebody's word."""

    name: str
    amount: int
    payee: str
    standing: Literal["waits for approval", "asked for", "failed"]
    permission: Permission | None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What one cause entitles the buyer to have back. `policy` is the version of the terms in force at `at`."""

    id: str
    kind: str
    number: str
    at: datetime
    policy: str
    policy_since: datetime | None
    brought: tuple[tuple[str, int, str], ...]
    """(SKU, units, what became of them)"""
    entitled: int
    exchanged: int
    """What more it came to, and new goods are had for."""
    paid: int
    in_flight: int
    open: int
    money_back: tuple[MoneyBack, ...]


class Billing(msgspec.Struct, frozen=True, kw_only=True):
    """One position: what should be billed for it and what is; net, and the tax at each of the rates."""

    line: str
    sku: str
    component: str
    rates: tuple[str, ...]
    due_net: int
    due_tax: tuple[int, ...]
    billed_net: int
    billed_tax: tuple[int, ...]

    @property
    def missing(self) -> int:
        """To be billed; below zero what is to be credited."""
        return self.due_net + sum(self.due_tax) - self.billed_net - sum(self.billed_tax)


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """One double entry; debits positive."""

    what: str
    currency: str
    postings: dict[str, int]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    currency: str
    name: str
    balance: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the customer's balance, and why it is there."""

    why: str
    amount: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The money of one order."""

    entity: str
    number: str
    currency: str
    as_of: datetime
    payments: tuple[Payment, ...]
    disputes: tuple[str, ...]
    """The ids of the open ones, which freeze refunds."""
    causes: tuple[Cause, ...]
    billing: tuple[Billing, ...]
    entries: tuple[Posted, ...]
    trial_balance: tuple[Account, ...]
    customer_balance: int
    """What the buyer owes; below zero what we hold for them."""
    shares: tuple[Share, ...]
    """What explains it; empty where no ERP bills the order."""


def stated(standing: Standing, policy: Policy, owed: Sequence[Obligation] = ()) -> Statement | None:
    """The statement of an order that is known; `owed` is what its rules owe now, to tell what waits for approval."""
    fact = standing.one("order")
    if fact is None:
        return None
    standing, fact = as_fetched(standing, fact)
    order: Order = fact.body
    record = order_record(standing, order, policy)
    found, posted, sold = entitlements(record), _posted(standing, record), SALE in standing.sealed
    return Statement(
        entity=standing.entity,
        number=order.number,
        currency=record.currency,
        as_of=standing.as_of,
        payments=tuple(_payment(each) for each in balances(record)),
        disputes=tuple(each.id for each in record.disputes if each.status == "open"),
        causes=tuple(_causes(standing, fact, record, found, policy, owed)),
        billing=tuple(_billing(record)) if sold else (),
        entries=tuple(Posted(what=e.what, currency=e.currency, postings=dict(e.postings)) for e in entries(posted)),
        trial_balance=tuple(
            Account(currency=currency, name=name, balance=balance)
            for (currency, name), balance in trial_balance(entries(posted)).items()
        ),
        customer_balance=customer_balance(posted),
        shares=tuple(Share(why=why, amount=amount) for why, amount in shares(record, found) if amount and sold),
    )


def _posted(standing: Standing, record: Record) -> Record:
    """What is in the ledger: nothing is billed of what no ERP has sold."""
    return record if SALE in standing.sealed else replace(record, sold=())


_PREPAID = {
    "ordered": "billed before it is due",
    "shipped": "paid for what has yet to leave",
    "delivered": "paid for what has yet to arrive",
}


def shares(record: Record, found: Entitlements) -> Iterator[tuple[str, int]]:
    """What the customer's balance is made of, worked out from entitlements and not from postings."""
    worth = worth_of(record)
    due, paid = to_be_paid(record), captured(record)
    taken, back = sum(each.taken for each in found.exchanges), sum(each.returned for each in found.exchanges)
    wanted = sum(each.worth for each in worth.given) - back + max(paid - due + taken, 0)
    settled = given_back(record) + lost_in_disputes(record) - found.lost
    yield _PREPAID[record.recognised], gross_of(worth.recognised) - due
    yield "to be paid by the buyer", found.unpaid
    yield "new goods for what has yet to come back", taken - back
    yield "to be given back", min(settled - wanted, 0) + (wanted - found.entitled)
    yield "given back beyond what was owed", max(settled - wanted, 0)
    yield "asked to go back, and not heard of yet", -unheard(record)
    yield "lost in disputes", found.lost


# --- entitlements ------------------------------------------------------------------------------------------------------


def _causes(
    standing: Standing,
    order_fact: Fact,
    record: Record,
    found: Entitlements,
    policy: Policy,
    owed: Sequence[Obligation],
) -> Iterator[Cause]:
    """Every entitlement, and every return that entitles to nothing yet."""
    going = on_its_way(record)
    told = {each.cause for each in found.of}
    nothing = [Entitlement(fact.id, 0, 0, 0, {}) for fact in standing.of("return") if fact.id not in told]
    for each in (*found.of, *nothing):
        fact = next((fact for fact in standing.facts if fact.id == each.cause), order_fact)
        at = fact.body.returned_at if isinstance(fact.body, Return) else fact.changed_at
        terms = terms_at(policy.returns, at)
        yield Cause(
            id=each.cause,
            kind=each.cause if each.cause in (ORDER, SURPLUS) else fact.kind,
            number=_number(fact),
            at=at,
            policy=terms.version if policy.returns else "",
            policy_since=terms.since if policy.returns else None,
            brought=tuple(_brought(record, fact)),
            entitled=each.entitled,
            exchanged=each.exchanged,
            paid=each.settled - going[each.cause],
            in_flight=going[each.cause],
            open=each.open,
            money_back=tuple(_money_back(standing, record, each, terms, owed)),
        )


def _number(fact: Fact) -> str:
    return getattr(fact.body, "number", "") or str(getattr(fact.body, "id", ""))


def _brought(record: Record, fact: Fact) -> Iterator[tuple[str, int, str]]:
    if not isinstance(fact.body, Return):
        return
    skus = {line.id: line.sku for line in record.order.lines}
    for line in fact.body.lines:
        became = "kept" if line.keeps_goods else line.disposition or ("to be looked at" if line.received else "awaited")
        yield skus.get(line.line, line.sku) or line.line, line.units, became


def _money_back(
    standing: Standing, record: Record, entitlement: Entitlement, terms: ReturnTerms, owed: Sequence[Obligation]
) -> Iterator[MoneyBack]:
    """What was asked for, and what waits for somebody's word."""
    came_to_nothing = failed(record)
    for asked in record.asked:
        if asked.cause == entitlement.cause:
            payee = _payee(standing, record, asked)
            digest = digest_of(Money(asked.amount, record.currency), payee, asked.name)
            yield MoneyBack(
                name=asked.name,
                amount=asked.amount,
                payee=payee,
                standing="failed" if asked.name in came_to_nothing else "asked for",
                permission=_permission(standing, record, entitlement, terms, digest, sealed=True),
            )
    for needed in owed:
        if isinstance(needed, ApprovalNeeded) and needed.cause == entitlement.cause:
            yield MoneyBack(
                name=needed.name,
                amount=needed.amount.minor,
                payee=needed.payee,
                standing="waits for approval",
                permission=_permission(standing, record, entitlement, terms, needed.digest, sealed=False),
            )


def _payee(standing: Standing, record: Record, asked: Asked) -> str:
    """As it was when it was asked for approval."""
    body = standing.sealed[asked.name].body
    if not isinstance(body, PaymentRefund):
        return "store credit"
    payment = next((each.body for each in record.payments if each.body.id == body.payment), None)
    return (payment.label if payment else "") or f"{body.tender} {body.payment}"


def _permission(
    standing: Standing, record: Record, entitlement: Entitlement, terms: ReturnTerms, digest: str, *, sealed: bool
) -> Permission | None:
    """What people said about it; None where nobody was asked and nobody needs to be."""
    words: list[Approval] = [fact.body for fact in standing.of("approval") if fact.body.digest == digest]
    second = terms.limit(terms.second_approver_over, record.currency)
    first = terms.limit(terms.approve_over, record.currency)
    two = second is not None and entitlement.entitled > second.minor
    over = second if two else first
    if sealed and not words:
        return None
    people = 2 if two else 1
    refusal = rejected(standing, digest)
    yes = [word for word in words if word.verdict == "approved"]
    return Permission(
        role=terms.approver,
        people=people,
        over=over.minor if over is not None and entitlement.entitled > over.minor else None,
        approved_by=tuple(dict.fromkeys(word.by for word in yes)),
        rejected_by=refusal.by if refusal is not None else "",
        until=max((word.expires_at for word in yes), default=None),
        given=sealed or approved(standing, digest, people, terms.approver) is not None,
    )


# --- payments and billing ----------------------------------------------------------------------------------------------


def _payment(balance: Balance) -> Payment:
    body = balance.payment.body
    return Payment(
        id=body.id,
        connection=balance.payment.connection,
        label=body.label or f"{body.tender.replace('_', ' ')} {body.id}",
        captured=balance.captured,
        refunded=balance.refunded,
        disputed=balance.disputed,
        left=balance.refundable,
    )


def _billing(record: Record) -> Iterator[Billing]:
    due, done = to_be_billed(record), billed(record)
    skus = {line.id: line.sku for line in record.order.lines}
    for position in sorted(due.keys() | done.keys()):
        should, is_ = due.get(position, zero(position)), done.get(position, zero(position))
        if not (should.nothing and is_.nothing):
            yield _position(position, skus.get(position.line, ""), should, is_)


def _position(position: Position, sku: str, should: Value, is_: Value) -> Billing:
    return Billing(
        line=position.line,
        sku=sku,
        component=position.component,
        rates=position.rates,
        due_net=should.net,
        due_tax=should.taxes,
        billed_net=is_.net,
        billed_tax=is_.taxes,
    )


# --- what must hold at rest --------------------------------------------------------------------------------------------

QUESTIONS = {
    "Q1": "at rest, billed is what left and was kept, by line, component and rate",
    "Q2": "at rest, every cent of the customer's balance is explained",
    "Q3": "at rest, what is owed back is settled, or held for somebody awaited",
}


class Wrong(NamedTuple):
    """What an order's money does not answer to; `minor` is how much that is, in minor units."""

    question: str
    words: str
    minor: int


def unexplained(standing: Standing, policy: Policy, *, expects: bool) -> Iterator[tuple[str, str]]:
    """(question, what is wrong) of an order at rest; `expects` says that somebody is waited for, or has a case of it."""
    for each in wrongs(standing, policy, expects=expects):
        yield each.question, each.words


def wrongs(standing: Standing, policy: Policy, *, expects: bool) -> Iterator[Wrong]:
    """The same with how much it is."""
    fact = standing.one("order")
    if fact is None or (policy.orders_from is not None and fact.body.placed_at < policy.orders_from):
        return
    standing, fact = as_fetched(standing, fact)
    record = order_record(standing, fact.body, policy)
    found = entitlements(record)
    if SALE in standing.sealed:
        missing = [each for each in _billing(record) if each.missing]
        off = sum(abs(each.missing) for each in missing)
        if off > policy.tolerance_minor:
            yield Wrong("Q1", "; ".join(_told(each, record.currency) for each in missing), off)
        balance = customer_balance(record) + sum(each.missing for each in missing)
        if (left := balance - sum(amount for _, amount in shares(record, found))) != 0:
            yield Wrong("Q2", f"{Money(left, record.currency)} of the {RECEIVABLE} is unexplained", abs(left))
    if found.open and not expects and record.captures and policy.roles.payments is not None:
        owed_back = f"{Money(found.open, record.currency)} is owed back, and nobody is waited for"
        yield Wrong("Q3", owed_back, found.open)


def _told(billing: Billing, currency: str) -> str:
    what = f"{billing.sku or billing.line or 'the order'} {billing.component}".strip()
    amount: AnyMoney = Money(abs(billing.missing), currency)
    return f"{what}: {amount} {'not billed' if billing.missing > 0 else 'not credited'}"
