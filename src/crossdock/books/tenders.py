"""What came in and went out on each payment, whoever did it, and what of it can still be given back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crossdock.books.record import Record, Tendered
from crossdock.canonical.payment import Refund, Tender
from crossdock.canonical.returns import Return


@dataclass(frozen=True, slots=True)
class Balance:
    """One payment in minor units."""

    payment: Tendered
    captured: int
    refunded: int
    """Ours and others', those still under way included."""
    refunded_by_others: int
    disputed: int
    """Taken back by the provider: open disputes and lost ones."""
    came_back: int
    """Of what we asked for ourselves, what did not go; below zero where more went. It was taken from what may be asked for."""

    @property
    def limit(self) -> int:
        """What our own refunds on it may come to in all."""
        return max(self.captured - self.refunded_by_others - self.disputed + self.came_back, 0)

    @property
    def refundable(self) -> int:
        return max(self.captured - self.refunded - self.disputed, 0)


def captured(record: Record) -> int:
    """Minor units taken in all, in the order's currency."""
    return sum(record.money(each.amount) for each in record.captures)


def balances(record: Record) -> list[Balance]:
    """Each payment of the order."""
    ours, others, back = _by_payment(record)
    return [_balance(record, payment, ours, others, back) for payment in record.payments]


def _balance(
    record: Record, payment: Tendered, ours: Counter[str], others: Counter[str], back: Counter[str]
) -> Balance:
    id_ = payment.body.id
    taken = sum(record.money(each.amount) for each in record.captures if each.payment == id_)
    disputed = sum(
        record.money(each.amount) for each in record.disputes if each.payment == id_ and each.status != "won"
    )
    return Balance(payment, taken, ours[id_] + others[id_], others[id_], disputed, back[id_])


def _by_payment(record: Record) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Given back on each payment by us and by others, and what came back of ours.

    What we asked for counts until its fact says how it ended.
    """
    ours, others, back = Counter[str](), Counter[str](), Counter[str]()
    for asked in record.asked:
        if asked.payment is not None:
            went = _came_to(record, asked.name, asked.amount)
            ours[asked.payment] += went
            back[asked.payment] += 0 if asked.forgotten else asked.amount - went
    for _, refund in record.refunds:
        if refund.status != "failed" and not is_ours(record, refund):
            others[refund.payment] += record.money(refund.amount)
    return ours, others, back


def _came_to(record: Record, name: str, amount: int) -> int:
    """What a refund we asked for came to: what its fact says, or else all of it."""
    facts = [refund for _, refund in record.refunds if _answers(record, refund, name)]
    return sum(record.money(each.amount) for each in facts if each.status != "failed") if facts else amount


def _answers(record: Record, refund: Refund, name: str) -> bool:
    return refund.reference.startswith(f"{record.entity}/{name}/")


def is_ours(record: Record, refund: Refund) -> bool:
    """A refund that names one of the promises we sealed."""
    return any(_answers(record, refund, asked.name) for asked in record.asked)


def failed(record: Record) -> list[str]:
    """The promised refunds whose provider took the money back: nothing is sent again by itself."""
    return [
        asked.name
        for asked in record.asked
        if any(_answers(record, refund, asked.name) and refund.status == "failed" for _, refund in record.refunds)
    ]


def given_by_us(record: Record) -> Counter[str]:
    """By cause, what we asked to go back and what did not fail."""
    given: Counter[str] = Counter()
    for asked in record.asked:
        given[asked.cause] += _came_to(record, asked.name, asked.amount)
    return given


def on_its_way(record: Record) -> Counter[str]:
    """By cause, what we asked to go back on a payment and whose fact doesn't say yet that it has gone."""
    going: Counter[str] = Counter()
    for asked in record.asked:
        if asked.payment is not None:
            facts = [refund for _, refund in record.refunds if _answers(record, refund, asked.name)]
            open_ = sum(record.money(each.amount) for each in facts if each.status == "pending")
            going[asked.cause] += open_ if facts else asked.amount
    return going


def unheard(record: Record) -> int:
    """Minor units we asked to go back on payments, of which no fact has come yet; no entry posts them."""
    asked = (each for each in record.asked if each.payment is not None)
    return sum(
        each.amount for each in asked if not any(_answers(record, refund, each.name) for _, refund in record.refunds)
    )


def given_by_others(record: Record) -> tuple[Counter[str], int]:
    """By cause where the payer named the return; and the sum of what nobody can attribute."""
    by_return = {each.body.id: each.cause for each in record.returns}
    given, unasked = Counter[str](), 0
    for _, refund in record.refunds:
        if refund.status == "failed" or is_ours(record, refund):
            continue
        if refund.for_return in by_return:
            given[by_return[refund.for_return]] += record.money(refund.amount)
        else:
            unasked += record.money(refund.amount)
    return given, unasked


def payout_unheard(record: Record, of: Return) -> int:
    """Minor units that the place of a return says it paid out for it, and of which no fact has come."""
    heard = (each for _, each in record.refunds if each.for_return == of.id and each.status != "failed")
    return max(record.money(of.paid_out) - sum(record.money(each.amount) for each in heard), 0)


def given_back(record: Record) -> int:
    """Minor units that went back in all, or are on their way, on whatever tender."""
    attributed, unasked = given_by_others(record)
    return sum(given_by_us(record).values()) + sum(attributed.values()) + unasked


def lost_in_disputes(record: Record) -> int:
    return sum(record.money(each.amount) for each in record.disputes if each.status == "lost")


def spread(amount: int, over: Sequence[Balance], order: Sequence[Tender]) -> list[tuple[Balance, int]]:
    """An amount on the payments it can go back on, in the order of tenders the terms name."""
    rank = {tender: n for n, tender in enumerate(order)}
    found: list[tuple[Balance, int]] = []
    for balance in sorted(over, key=lambda each: (rank.get(each.payment.body.tender, len(rank)), each.payment.fact)):
        part = min(amount, balance.refundable)
        if part > 0:
            found.append((balance, part))
            amount -= part
    return found


def capturable(record: Record, payment: Tendered) -> int:
    """What its authorisation still covers, less what we have asked for already."""
    if payment.body.status != "open":
        return 0
    taken = sum(record.money(each.amount) for each in record.captures if each.payment == payment.body.id)
    return max(record.money(payment.body.authorised) - taken - under_way_of(record)[payment.body.id], 0)


def under_way_of(record: Record) -> Counter[str]:
    """By payment, captures we asked for whose fact has not come yet.

    A fact may come before the answer that names it, and an answer that had to be looked for names none: then its amount tells.
    """
    known, named = {each.id for each in record.captures}, {each.fact_id for each in record.taken}
    unnamed = Counter((c.payment, record.money(c.amount)) for c in record.captures if c.id not in named)
    asked: Counter[str] = Counter()
    for each in record.taken:
        taken = (each.body.payment, record.money(each.body.amount))
        if each.fact_id in known:
            continue
        if unnamed[taken]:
            unnamed[taken] -= 1
        else:
            asked[each.body.payment] += taken[1]
    return asked
