"""What an edit leaves behind that only people can settle: goods nobody pays for, and delivery that delivers nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from crossdock.books.amounts import gross_of
from crossdock.books.pricing import charges_worth
from crossdock.books.record import Record
from crossdock.books.tenders import captured, given_back
from crossdock.books.units import came_back, owed_units, shipped_units
from crossdock.books.worth import worth_as_sold
from crossdock.kernel.money import Money
from crossdock.promises.changes import units_wanted
from crossdock.promises.obligations import Obligation, Trouble
from crossdock.promises.picked import is_fetched
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Standing


def owed_for_unordered(standing: Standing, record: Record, policy: Policy) -> Iterator[Obligation]:
    """Nothing of it holds up the rest: what left is billed and credited, what was paid for goods is given back."""
    if policy.left_unordered == "case" and not is_fetched(standing, record.order):
        yield from _left_unordered(standing, record)
    if policy.emptied == "case":
        yield from _emptied(record)


def _left_unordered(standing: Standing, record: Record) -> Iterator[Obligation]:
    """The buyer has it for nothing, unless it came back or was said to be theirs by a return that settles nothing."""
    if not record.shipments:
        return
    owed, left = owed_units(record), shipped_units(record)
    asked, returned = units_wanted(standing, record), _returned_for_nothing(record)
    units = Counter({line: min(left[line], asked[line]) - owed[line] - returned[line] for line in owed})
    units = +units
    if not units:
        return
    amount = worth_as_sold(record, owed + units) - worth_as_sold(record, owed)
    yield Trouble(
        cause=f"left_unordered:{record.entity}",
        title="Left though it was not ordered any more",
        remedy="Have it put on the order again, to be paid; or take it back, or let the buyer keep it, by a return that "
        "is settled by nothing. It was billed with its parcel and credited.",
        detail=f"order {record.order.number}: {_named(record, units)} worth {Money(amount, record.currency)}",
    )


def _returned_for_nothing(record: Record) -> Counter[str]:
    back = (each.units for each in came_back(record) if each.returned.body.settle_by == "nothing")
    return sum(back, Counter[str]())


def _named(record: Record, units: Counter[str]) -> str:
    skus = {line.id: line.sku for line in record.order.lines}
    return ", ".join(f"{count} {skus[line]}" for line, count in sorted(units.items()))


def _emptied(record: Record) -> Iterator[Obligation]:
    """Whoever removed the last line knows whether the buyer is still to pay for the way there."""
    order = record.order
    if order.cancelled_at is not None or any(owed_units(record).values()) or any(shipped_units(record).values()):
        return
    held = min(gross_of(charges_worth(order)), captured(record) - given_back(record))
    if held > 0:
        yield Trouble(
            cause=f"emptied:{record.entity}",
            title="Delivery was paid for, and nothing is left to deliver",
            remedy="Cancel the order in its shop: the rest is given back then. Or put something on it again.",
            detail=f"order {order.number}: {Money(held, record.currency)} is held for it",
        )
