"""Amounts by position: an order line or the order itself, a component, and the tax rates it is charged at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from crossdock.canonical.payment import Allocation, Component
from crossdock.kernel.money import AnyMoney, Money


class Position(NamedTuple):
    """Where an amount belongs. Positions never net: −10 at 20 % and +15 at 5 % are two, and stay two."""

    line: str
    """The order line; empty for delivery, tips, fees and what is given on the order as a whole."""
    component: Component
    rates: tuple[str, ...]
    """The tax rates charged on it, sorted, as decimal strings."""


class Value(NamedTuple):
    """Minor units: net of tax, and the tax at each of the position's rates."""

    net: int
    taxes: tuple[int, ...] = ()

    @property
    def gross(self) -> int:
        return self.net + sum(self.taxes)

    def plus(self, other: Value) -> Value:
        return Value(self.net + other.net, tuple(a + b for a, b in zip(self.taxes, other.taxes, strict=True)))

    def minus(self, other: Value) -> Value:
        return Value(self.net - other.net, tuple(a - b for a, b in zip(self.taxes, other.taxes, strict=True)))

    @property
    def nothing(self) -> bool:
        return not self.net and not any(self.taxes)

    def above_zero(self) -> Value:
        """Only what is positive of it."""
        return Value(max(self.net, 0), tuple(max(tax, 0) for tax in self.taxes))

    def negated(self) -> Value:
        return Value(-self.net, tuple(-tax for tax in self.taxes))


Amounts = Mapping[Position, Value]


def zero(position: Position) -> Value:
    return Value(0, (0,) * len(position.rates))


def added(*all_of: Amounts) -> dict[Position, Value]:
    """The sum of several, position by position."""
    summed: dict[Position, Value] = {}
    for amounts in all_of:
        for position, value in amounts.items():
            held = summed.get(position)
            summed[position] = value if held is None else held.plus(value)
    return summed


def less(amounts: Amounts, taken: Amounts) -> dict[Position, Value]:
    """What is left of amounts, position by position; below zero where more was taken."""
    return added(amounts, {position: value.negated() for position, value in taken.items()})


def gross_of(amounts: Amounts) -> int:
    return sum(value.gross for value in amounts.values())


def allocations(amounts: Amounts, currency: str) -> tuple[Allocation, ...]:
    """The same as canonical allocations, the net and each tax apart; those of nothing are left out."""
    return tuple(_allocations(sorted(amounts.items()), currency))


def _allocations(amounts: Iterable[tuple[Position, Value]], currency: str) -> Iterable[Allocation]:
    for position, value in amounts:
        if value.net:
            net: AnyMoney = Money(value.net, currency)
            yield Allocation(
                component=position.component, amount=net, line=position.line, rate="+".join(position.rates)
            )
        for rate, tax in zip(position.rates, value.taxes, strict=True):
            if tax:
                yield Allocation(component="tax", amount=Money(tax, currency), line=position.line, rate=rate)


def between(amounts: Amounts, start: int, end: int) -> dict[Position, Value]:
    """The cents from `start` to `end` of amounts laid end to end, so that parts given out one by one never overlap."""
    found: dict[Position, Value] = {}
    for position, value in sorted(amounts.items()):
        cells: list[int] = []
        for cell in (value.net, *value.taxes):
            cells.append(max(min(cell, end) - max(start, 0), 0) if cell > 0 else 0)
            start, end = start - max(cell, 0), end - max(cell, 0)
        found[position] = Value(cells[0], tuple(cells[1:]))
    return {position: value for position, value in found.items() if not value.nothing}


def allocated(amounts: Amounts, start: int, end: int, currency: str) -> tuple[Allocation, ...]:
    """The cents from `start` to `end` as allocations that sum to them; what no position explains is the order's as a whole."""
    explained = allocations(between(amounts, start, end), currency)
    rest = end - start - sum(each.amount.minor for each in explained)
    return (*explained, Allocation(component="goods", amount=Money(rest, currency))) if rest else explained
