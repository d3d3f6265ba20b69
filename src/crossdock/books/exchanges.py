"""What new goods that are sent in exchange are set against: what came back for them, or is still expected to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from msgspec.structs import replace as but

from crossdock.books.amounts import added, gross_of
from crossdock.books.pricing import line_worth
from crossdock.books.record import Exchanged, Record, Returned
from crossdock.books.tenders import given_by_others, given_by_us
from crossdock.books.units import Units, came_back, left_units
from crossdock.books.worth import Worth, worth_of
from crossdock.canonical.order import OrderLine
from crossdock.canonical.returns import ReturnLine


@dataclass(frozen=True, slots=True)
class SetOff:
    """One exchange in minor units: what its new goods come to, and what of that the return pays for."""

    cause: str
    price: int
    taken: int
    """Paid for by what came back, or is expected to."""
    advanced: int
    """Of that, for goods that have not come back yet."""

    @property
    def returned(self) -> int:
        """Paid for by goods that are back and count."""
        return self.taken - self.advanced


def set_off(record: Record, worth: Worth) -> tuple[SetOff, ...]:
    """What was given back for a return already can't pay for new goods as well."""
    if not record.exchanges:
        return ()
    given = given_by_us(record) + given_by_others(record)[0]
    there, expected = _by_cause(worth), _by_cause(worth_of(_as_if_all_came(record)))
    return tuple(_one(record, each, there, expected, given) for each in record.exchanges)


def counting(record: Record) -> frozenset[str]:
    """The returns of which something came back and counts, or may still do."""
    return counted(_as_if_all_came(record))


def counted(record: Record) -> frozenset[str]:
    """The returns of which something came back and counts."""
    return frozenset(each.returned.cause for each in came_back(record) if each.for_money and any(each.units.values()))


def _one(
    record: Record, exchange: Exchanged, there: Counter[str], expected: Counter[str], given: Counter[str]
) -> SetOff:
    cause, price = exchange.cause, price_of(record, exchange.lines)
    taken = min(price, max(expected[cause] - given[cause], 0))
    return SetOff(cause, price, taken, taken - min(taken, max(there[cause] - given[cause], 0)))


def _by_cause(worth: Worth) -> Counter[str]:
    found: Counter[str] = Counter()
    for each in worth.given:
        found[each.cause] += each.worth
    return found


def _as_if_all_came(record: Record) -> Record:
    mine = {each.cause for each in record.exchanges}
    returns = tuple(_all_in(each) if each.open and each.cause in mine else each for each in record.returns)
    return replace(record, returns=returns)


def _all_in(returned: Returned) -> Returned:
    """Everything that may still come has come, and somebody has looked at it."""
    lines: list[ReturnLine] = []
    for line in returned.body.lines:
        received = max(line.units, line.received) if returned.awaited else line.received
        came = but(line, received=received, disposition=line.disposition or "sellable")
        lines.append(came if received and not line.keeps_goods else line)
    return replace(returned, body=but(returned.body, lines=tuple(lines)))


def price_of(record: Record, lines: Iterable[OrderLine], units: Units | None = None) -> int:
    """What new goods come to with their taxes, or so many units of each."""
    included = record.order.tax_included
    worths = (line_worth(e, e.ordered if units is None else units[e.id], tax_included=included) for e in lines)
    return gross_of(added(*worths))


def not_in(record: Record) -> int:
    """What exchanges come to beyond what the order's own worth holds of them: not released, or not left where that counts."""
    return sum(price_of(record, each.lines) - _held_of(record, each) for each in record.exchanges)


def _held_of(record: Record, exchange: Exchanged) -> int:
    if not exchange.released:
        return 0
    return price_of(record, exchange.lines, None if record.capture_when == "channel" else left_units(record))


def given_up(record: Record) -> int:
    """What of the new goods that were agreed on will not be sent, as they were priced."""
    return sum(price_of(record, each.agreed) - price_of(record, each.lines) for each in record.exchanges)


def lent(record: Record, *, left: bool) -> int:
    """What new goods were let go for goods that are not back yet; with `left` only of those that have left."""
    if not record.exchanges:
        return 0
    units = left_units(record) if left else None
    gone = {e.cause: price_of(record, e.lines, units) if e.released else 0 for e in record.exchanges}
    return sum(min(each.advanced, gone[each.cause]) for each in set_off(record, worth_of(record)))


def replacing(record: Record) -> frozenset[str]:
    """The lines that were sent in exchange, which the order's channel knows nothing of."""
    return frozenset(line.id for each in record.exchanges for line in each.agreed)
