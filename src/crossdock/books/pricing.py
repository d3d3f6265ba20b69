"""What an order's lines and charges are worth, unit by unit, with cumulative rounding: the last unit takes the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from crossdock.books.amounts import Position, Value, added
from crossdock.canonical.order import Order, OrderLine, Tax
from crossdock.kernel.money import AnyMoney, Money, portion


def line_worth(line: OrderLine, units: int, *, tax_included: bool) -> dict[Position, Value]:
    """The first `units` of a line, at most as many as are ordered; nothing for none."""
    units = min(units, line.ordered)
    if units <= 0:
        return {}
    charged = line.unit_price.minor * line.ordered - (line.discount.minor if line.discount else 0)
    return _worth(line.id, "goods", charged, line.taxes, units, line.ordered, tax_included=tax_included)


def _worth(
    line: str, component: str, charged: int, taxes: Sequence[Tax], units: int, of: int, *, tax_included: bool
) -> dict[Position, Value]:
    """A share of what was charged; with prices that include tax it is the net that takes the rounding."""
    ordered = sorted((tax.rate, tax.amount.minor) for tax in taxes)
    shares = tuple(portion(amount, units, of) for _, amount in ordered)
    part = portion(charged, units, of)
    net = part - sum(shares) if tax_included else part
    position = Position(line, component, tuple(rate for rate, _ in ordered))  # pyright: ignore[reportArgumentType]
    return {position: Value(net, shares)}


def goods_worth(order: Order, units: Mapping[str, int]) -> dict[Position, Value]:
    """So many units of each line, by line id."""
    return added(*(line_worth(line, units.get(line.id, 0), tax_included=order.tax_included) for line in order.lines))


def charges_worth(order: Order) -> dict[Position, Value]:
    """Delivery and tip: what is charged once, for the order as a whole."""
    charges = [
        _worth("", "shipping", charge.price.minor, charge.taxes, 1, 1, tax_included=order.tax_included)
        for charge in order.shipping
    ]
    tip = {Position("", "tip", ()): Value(order.tip.minor)} if order.tip and order.tip.minor else {}
    return {position: value for position, value in added(*charges, tip).items() if not value.nothing}


def share_of(line: OrderLine, units: int) -> OrderLine:
    """The line with so many units, and their share of its discount and taxes."""

    def part(amount: AnyMoney) -> AnyMoney:
        of = line.ordered or 1  # a line nothing is ordered of any more has no discount and no tax either
        return Money(portion(amount.minor, units, of), amount.currency)

    return msgspec.structs.replace(
        line,
        ordered=units,
        discount=part(line.discount) if line.discount else None,
        taxes=tuple(Tax(title=tax.title, rate=tax.rate, amount=part(tax.amount)) for tax in line.taxes),
    )


def in_shape_of(amount: int, shape: Value) -> Value:
    """A gross amount split into net and taxes in the proportion of a value; all net where that is worth nothing."""
    whole = shape.gross
    if whole <= 0:
        return Value(amount, (0,) * len(shape.taxes))
    taxes = tuple(portion(amount * tax, 1, whole) for tax in shape.taxes)
    return Value(amount - sum(taxes), taxes)
