"""What the buyer is entitled to have back, cause by cause, what of it was settled, and what is still owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossdock.books.amounts import Amounts, added, gross_of, less
from crossdock.books.exchanges import SetOff, given_up, not_in, replacing, set_off
from crossdock.books.pricing import charges_worth, goods_worth
from crossdock.books.record import Record
from crossdock.books.tenders import captured, given_back, given_by_others, given_by_us, lost_in_disputes
from crossdock.books.worth import Given, Worth, worth_of

ORDER = "order"
"""The cause of what is given back because the order was cancelled, or is worth less than it was sold for."""
SURPLUS = "surplus"
"""The cause of money that nothing known explains: an edit we have yet to hear of, or a payment made twice. A person decides."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one cause entitles the buyer to, in minor units; `open` is neither settled nor under way."""

    cause: str
    entitled: int
    settled: int
    open: int
    amounts: Amounts
    """What it is for, by position; sums to `entitled` unless the buyer had not paid for all of it."""
    exchanged: int = 0
    """What of it new goods were sent for, and which is not in `entitled`."""


@dataclass(frozen=True, slots=True)
class Entitlements:
    """An order's entitlements together."""

    of: tuple[Entitlement, ...]
    overpaid: int
    """Minor units given back beyond what anybody was entitled to."""
    unpaid: int
    """Minor units the buyer has yet to pay, less what is set off against what they are entitled to."""
    lost: int
    """Minor units lost in disputes that nobody was entitled to."""
    to_collect: int = 0
    """Of what is unpaid, what new goods cost more than what comes back for them."""
    exchanges: tuple[SetOff, ...] = ()

    @property
    def entitled(self) -> int:
        return sum(each.entitled for each in self.of)

    @property
    def open(self) -> int:
        return sum(each.open for each in self.of)


def to_be_paid(record: Record) -> int:
    """What the buyer owes for the order as it is and for new goods in exchange, before anything is given back; minor units."""
    worth = worth_of(record)
    return gross_of(worth.bought if record.capture_when == "channel" else worth.left) + not_in(record)


def entitlements(record: Record) -> Entitlements:
    """Each cause's entitlement; what others gave back settles the oldest first.

    What was never paid can't be given back: it is taken off the latest causes. What new goods are had for isn't either.
    """
    worth = worth_of(record)
    exchanges = set_off(record, worth)
    paid, due = captured(record), to_be_paid(record) - sum(each.taken for each in exchanges)
    wanted = _wanted(worth.given, exchanges)
    if paid > due:
        wanted[ORDER] = min(paid - due, _shrunk_by(record, worth))
        wanted[SURPLUS] = paid - due - wanted[ORDER]
    unpaid = max(due - paid, 0)
    settled, lost = _settled(record, wanted)
    entitled = _cut(wanted, settled, unpaid)
    budget = max(sum(entitled.values()) - sum(settled.values()), 0)
    found: list[Entitlement] = []
    exchanged = {each.cause: each.returned for each in exchanges}
    for cause, amount in entitled.items():
        new_goods = exchanged.get(cause, 0)
        if not amount and not settled[cause] and not new_goods:
            continue
        open_ = min(max(amount - settled[cause], 0), budget)
        budget -= open_
        found.append(Entitlement(cause, amount, settled[cause], open_, _amounts(record, worth, cause), new_goods))
    unpaid -= sum(wanted.values()) - sum(entitled.values())
    overpaid = max(sum(settled.values()) - sum(wanted.values()), 0)
    to_collect = min(unpaid, sum(each.price - each.taken for each in exchanges))
    return Entitlements(tuple(found), overpaid, unpaid, lost, to_collect, exchanges)


def given_away_by_others(record: Record) -> int:
    """Minor units that others gave back beyond what anybody was entitled to: a person's to settle, and not taken once more."""
    return _by_others(record, entitlements(record))


def _by_others(record: Record, found: Entitlements) -> int:
    attributed, unasked = given_by_others(record)
    return min(found.overpaid, unasked + sum(attributed.values()))


def settled_in_all(record: Record) -> int:
    """Minor units that went back for what was owed: refunds and credits, what a lost dispute settled, and no more than that."""
    found = entitlements(record)
    return given_back(record) + lost_in_disputes(record) - found.lost - _by_others(record, found)


def _shrunk_by(record: Record, worth: Worth) -> int:
    """How much less the order is worth than what it was sold as, or than it ever was; all of it, when it is cancelled."""
    if record.order.cancelled_at is not None:
        return captured(record)
    new = replacing(record)
    before = max(gross_of(_sold(record, but=new)), record.money(record.order.ever_ordered))
    now = gross_of({p: v for p, v in worth.bought.items() if p.line not in new})
    return max(before - now, 0) + given_up(record)


def _sold(record: Record, but: frozenset[str] = frozenset()) -> Amounts:
    goods = (
        goods_worth(each, {line.id: line.ordered for line in each.lines if line.id not in but}) for each in record.sold
    )
    return added(*goods, charges_worth(record.sold[0]) if record.sold else {})


def _wanted(given: Sequence[Given], exchanges: Sequence[SetOff]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for each in given:
        wanted[each.cause] = wanted.get(each.cause, 0) + each.worth
    for each in exchanges:
        if each.returned:
            wanted[each.cause] -= each.returned
    return wanted


def _cut(wanted: Mapping[str, int], settled: Mapping[str, int], unpaid: int) -> dict[str, int]:
    """Entitlements less what was never paid, which the latest lose first; what was given back already was owed then."""
    entitled = dict(wanted)
    for cause in reversed(list(wanted)):
        off = min(unpaid, max(entitled[cause] - settled.get(cause, 0), 0))
        entitled[cause] -= off
        unpaid -= off
    return entitled


def _settled(record: Record, entitled: Mapping[str, int]) -> tuple[Counter[str], int]:
    """By cause: what we gave for it, what a till paid out for it, then everything else, the oldest cause first.

    Answers also what was lost in disputes beyond all that anybody was entitled to: a loss, and no refund.
    """
    settled = given_by_us(record)
    attributed, unasked = given_by_others(record)
    settled.update(attributed)
    beyond = _used_up(
        settled, entitled, unasked
    )  # apart: `settled[ORDER] += …` would read it before, and lose what this adds
    settled[ORDER] += beyond
    return settled, _used_up(settled, entitled, lost_in_disputes(record))


def _used_up(settled: Counter[str], entitled: Mapping[str, int], amount: int) -> int:
    """Settle what is open with an amount; answers what is left over."""
    for cause, whole in entitled.items():
        taken = min(amount, max(whole - settled[cause], 0))
        settled[cause] += taken
        amount -= taken
    return amount


def _amounts(record: Record, worth: Worth, cause: str) -> Amounts:
    """What a cause's money is for; an order that shrank gives back what it was sold with and no longer holds."""
    if cause == ORDER:
        return {p: v.above_zero() for p, v in less(_sold(record), worth.bought).items()}
    return added(*(each.amounts for each in worth.given if each.cause == cause))
