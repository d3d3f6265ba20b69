"""What an order is worth to both sides now: what was bought, and what each cause takes back from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from crossdock.books.amounts import Amounts, Position, Value, added, gross_of, less
from crossdock.books.pricing import charges_worth, goods_worth, in_shape_of, line_worth
from crossdock.books.record import Record
from crossdock.books.tenders import captured, under_way_of
from crossdock.books.units import (
    Back,
    Units,
    awaiting_release,
    billed_units,
    came_back,
    left_units,
    owed_units,
    shipped_units,
)


@dataclass(frozen=True, slots=True)
class Given:
    """What one cause gives back to the buyer, and what is kept back of it."""

    cause: str
    amounts: Amounts
    fee: int = 0

    @property
    def fee_amounts(self) -> Amounts:
        return {Position("", "fee", ()): Value(self.fee)} if self.fee else {}

    @property
    def worth(self) -> int:
        """Minor units for the buyer."""
        return sum(value.gross for value in self.amounts.values()) - self.fee


@dataclass(frozen=True, slots=True)
class Worth:
    """An order's worth: all that is to be paid, what of it has left, and what every cause gives back."""

    bought: Amounts
    left: Amounts
    """What has left so far, delivery and tip with the first of it."""
    recognised: Amounts
    """What counts as sold: all of it, what has left, or what has arrived, delivery and tip with the first of that."""
    given: tuple[Given, ...]

    @property
    def given_amounts(self) -> Amounts:
        """Everything that is given back, less what is kept."""
        return less(added(*(each.amounts for each in self.given)), added(*(each.fee_amounts for each in self.given)))


def worth_of(record: Record) -> Worth:
    """Work it out; pure."""
    owed, left = owed_units(record), left_units(record)
    charges = charges_worth(record.order) if _is_delivered(record, owed, left) else {}
    bought = added(goods_worth(record.order, owed), charges)
    # A parcel was delivered even when what was in it has since been taken off the order.
    has_left = added(goods_worth(record.order, left), charges if any(shipped_units(record).values()) else {})
    recognised = {"ordered": bought, "shipped": has_left}.get(record.recognised)
    if recognised is None:
        there = billed_units(record)
        arrived = Counter({line.id: min(line.ordered, there[line.id]) for line in record.order.lines})
        recognised = added(goods_worth(record.order, arrived), charges if any(there.values()) else {})
    returned = tuple(_returns(record, owed, charges))
    kept = gross_of(bought) - sum(each.worth for each in returned)
    return Worth(bought, has_left, recognised, (*returned, *_allowances(record, kept)))


def _is_delivered(record: Record, owed: Units, left: Units) -> bool:
    """Something is to be delivered, or was: of a cancelled order what left and stayed ordered."""
    if record.order.cancelled_at is not None:
        return any(left.values())
    return not record.emptied_gives_back or any(owed.values()) or any(shipped_units(record).values())


def worth_as_sold(record: Record, units: Units) -> int:
    """Minor units that the first units of each line were sold for, whatever was taken off the order since.

    By the price alone for units that no sale holds.
    """
    left, worth = Counter(units), 0
    for order in record.sold:
        held = {line.id: min(line.ordered, left[line.id]) for line in order.lines}
        worth += gross_of(goods_worth(order, held))
        left.subtract(held)
    return worth + sum(line.unit_price.minor * max(left[line.id], 0) for line in record.order.lines)


def to_capture(record: Record, settled: int) -> int:
    """Minor units that have left, are kept, and were not taken yet, where the hub takes the money.

    `settled`: what of that was given back already, in minor units.
    """
    worth = worth_of(record)
    return _untaken(record, worth, worth.left, settled)


def to_cover(record: Record, settled: int) -> int:
    """The same for when all that is ordered has left."""
    worth = worth_of(record)
    return _untaken(record, worth, worth.bought, settled)


def _untaken(record: Record, worth: Worth, amounts: Amounts, settled: int) -> int:
    due = gross_of(amounts) - sum(each.worth for each in worth.given)
    return max(due + settled - captured(record) - sum(under_way_of(record).values()), 0)


def _returns(record: Record, owed: Counter[str], charges: Amounts) -> Iterator[Given]:
    """Each return takes the last units of its lines, so that what was given back never changes when more ships."""
    kept = Counter(owed)
    awaits_new_goods = awaiting_release(record)
    for back in came_back(record):
        if not back.for_money:
            continue
        amounts = added(*_taken_off(record, back, kept))
        if amounts and not any(kept.values()) and not awaits_new_goods and back.returned.delivery_too:
            amounts = added(amounts, {p: v for p, v in charges.items() if p.component == "shipping"})
        gross = sum(value.gross for value in amounts.values())
        if amounts:
            yield Given(back.returned.cause, amounts, min(back.returned.fee, max(gross, 0)))


def _taken_off(record: Record, back: Back, kept: Counter[str]) -> Iterator[Amounts]:
    """Lowers `kept` by what came back."""
    lines = {line.id: line for line in record.order.lines}
    for line, units in back.units.items():
        before, after = kept[line], max(kept[line] - units, 0)
        kept[line] = after
        included = record.order.tax_included
        yield less(
            line_worth(lines[line], before, tax_included=included),
            line_worth(lines[line], after, tax_included=included),
        )


def _allowances(record: Record, kept: int) -> Iterator[Given]:
    """Money given without goods: in the shape of its line's taxes, or untaxed on the order as a whole.

    Never more than the order still costs: what a cancellation or return gives back whole isn't given back twice.
    """
    lines = {line.id: line for line in record.order.lines}
    for cause, allowance in sorted(record.allowances, key=lambda each: (each[1].granted_at, each[0])):
        amount = min(record.money(allowance.amount), max(kept, 0))
        kept -= amount
        line = lines.get(allowance.line)
        shapes = line_worth(line, line.ordered, tax_included=record.order.tax_included) if line else {}
        if not amount:
            continue
        for position, shape in shapes.items():
            yield Given(cause, {position._replace(component="discount"): in_shape_of(amount, shape)})
        if not shapes:
            yield Given(cause, {Position("", "discount", ()): Value(amount)})
