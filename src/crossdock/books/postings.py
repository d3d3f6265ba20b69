"""An order as a ledger: every event of its money as a balanced double entry, and the trial balance they sum to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crossdock.books.amounts import Amounts, gross_of
from crossdock.books.billing import corrected, with_parcels
from crossdock.books.record import Record
from crossdock.books.tenders import is_ours
from crossdock.canonical.payment import Tender
from crossdock.canonical.returns import CreditMemo
from crossdock.kernel.money import AnyMoney, Money, portion

RECEIVABLE = "receivable"
"""What the buyer owes us; below zero it is what we hold for the buyer: a deposit, or what is still to be given back."""
CHARGEBACKS = "chargebacks in dispute"
FX_DIFFERENCE = "exchange differences"
_LIABILITIES: Mapping[Tender, str] = {"gift_card": "gift cards", "store_credit": "store credit"}
"""Tenders that are a debt of our own: redeeming one pays that debt, it brings in no money."""
_REVENUE = {
    "goods": "revenue: goods",
    "shipping": "revenue: delivery",
    "tip": "tips to pay out",
    "fee": "revenue: fees",
    "discount": "allowances",
    "tax": "tax",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One event: what it is, in which currency, and its postings in minor units, debits positive; they sum to zero."""

    what: str
    currency: str
    postings: Mapping[str, int]

    def __post_init__(self) -> None:
        assert sum(self.postings.values()) == 0, f"{self.what} does not balance: {self.postings}"


def entries(record: Record) -> Iterator[Entry]:
    """Every entry of an order; money in another currency than the order's is in none of them."""
    currency = record.currency
    if bills := with_parcels(record):
        yield Entry("parcels billed", currency, _billed(bills))
    for correction in record.corrections:
        what = "credit memo" if isinstance(correction, CreditMemo) else "supplementary invoice"
        yield Entry(what, currency, _billed(corrected(correction)))
    for capture in record.captures:
        if amount := record.money(capture.amount):
            yield Entry(f"capture {capture.id}", currency, {_held(capture.tender): amount, RECEIVABLE: -amount})
    yield from _given_back(record)
    for dispute in record.disputes:
        amount = record.money(dispute.amount)
        if amount and dispute.status != "won":
            against = CHARGEBACKS if dispute.status == "open" else RECEIVABLE
            yield Entry(f"dispute {dispute.id}, {dispute.status}", currency, {against: amount, _held("card"): -amount})
    yield from _exchange_differences(record)


def trial_balance(all_of: Iterator[Entry]) -> dict[tuple[str, str], int]:
    """The balance of each (currency, account), those of zero included; every currency sums to zero."""
    balances: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in all_of:
        for account, amount in entry.postings.items():
            balances[entry.currency, account] += amount
    return dict(sorted(balances.items()))


def _billed(amounts: Amounts) -> dict[str, int]:
    """Dr receivable, Cr revenue and each rate of tax."""
    postings: defaultdict[str, int] = defaultdict(int)
    for position, value in amounts.items():
        postings[_REVENUE[position.component]] -= value.net
        for rate, tax in zip(position.rates, value.taxes, strict=True):
            postings[f"tax at {rate}"] -= tax
    postings[RECEIVABLE] = gross_of(amounts)
    return dict(postings)


def _held(tender: Tender) -> str:
    return _LIABILITIES.get(tender, f"clearing: {tender}")


def _given_back(record: Record) -> Iterator[Entry]:
    """Refunds that are facts, and credit that stays in the house, which is a fact once we have asked for it."""
    for _, refund in record.refunds:
        amount = record.money(refund.amount)
        if amount and refund.status != "failed":
            by = "" if is_ours(record, refund) else " by others"
            yield Entry(f"refund {refund.id}{by}", record.currency, {RECEIVABLE: amount, _held(refund.tender): -amount})
    for asked in record.asked:
        if asked.payment is None:
            postings = {RECEIVABLE: asked.amount, _LIABILITIES["store_credit"]: -asked.amount}
            yield Entry("store credit", record.currency, postings)


def _exchange_differences(record: Record) -> Iterator[Entry]:
    """Given back at another rate than it was taken at: the difference is ours, in our own currency.

    A payment's refunds are counted one after the other, so that their shares of what it brought sum to that to the cent.
    """
    given: Counter[str] = Counter()
    for _, refund in record.refunds:
        if refund.status == "failed" or not (amount := record.money(refund.amount)):
            continue
        before, given[refund.payment] = given[refund.payment], given[refund.payment] + amount
        brought = _brought(record, refund.payment, given[refund.payment]), _brought(record, refund.payment, before)
        if refund.settled is None or brought[0] is None or brought[1] is None:
            continue
        difference = refund.settled.minor - (brought[0].minor - brought[1].minor)
        if difference and refund.settled.currency == brought[0].currency:
            postings = {FX_DIFFERENCE: difference, _held(refund.tender): -difference}
            yield Entry(f"refund {refund.id}, rate", refund.settled.currency, postings)


def _brought(record: Record, payment: str, amount: int) -> AnyMoney | None:
    """What so much of a payment's captures came to in our own currency; None where no other one is involved."""
    taken = [each for each in record.captures if each.payment == payment]
    settled = [each.settled for each in taken if each.settled is not None and each.settled.currency != record.currency]
    whole = sum(record.money(each.amount) for each in taken)
    if not settled or len(settled) < len(taken) or not whole:
        return None
    return Money(portion(sum(each.minor for each in settled), amount, whole), settled[0].currency)


def customer_balance(record: Record) -> int:
    """What the buyer owes, or below zero what we hold for them, in minor units of the order's currency."""
    return trial_balance(entries(record)).get((record.currency, RECEIVABLE), 0)
