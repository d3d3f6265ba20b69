"""An order's prices as a Tryton sale states them: net unit prices after discount, taxes by rate. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import AnyMoney, minor_digits, to_decimal, total

_CENTS_PER_TERM = 1
"""A shop rounds line by line, Tryton by document: each line and each tax may move the sum by a cent, not by more."""


@dataclass(frozen=True)
class PricedLine:
    """One line of a sale; `field` says where it came from in the order."""

    field: str
    quantity: int
    unit_price: Decimal
    rates: tuple[Decimal, ...]
    sku: str = ""
    line: str = ""
    title: str = ""


def priced(order: Order, price_digits: int) -> list[PricedLine]:
    """The lines that are sold, and delivery where it costs something."""
    return [*_goods(order, price_digits), *_delivery(order, price_digits)]


def rounding_allowed(lines: Sequence[PricedLine], currency: str, price_digits: int) -> Decimal:
    """How far a sale's total may be from its order's for no other reason than rounding, in major units."""
    terms = sum(1 + len(line.rates) for line in lines) + 1
    cents = Decimal(_CENTS_PER_TERM * terms).scaleb(-minor_digits(currency))
    return cents + sum(line.quantity for line in lines) * Decimal(1).scaleb(-price_digits)


def _goods(order: Order, price_digits: int) -> Iterator[PricedLine]:
    for n, line in enumerate(order.lines):
        if line.ordered > 0:
            yield PricedLine(
                field=f"lines[{n}]",
                quantity=line.ordered,
                unit_price=_each(_net(_charged(line), line.taxes, order), line.ordered, price_digits),
                rates=_rates(line.taxes, f"lines[{n}]"),
                sku=line.sku,
                line=line.id,
                title=line.title,
            )


def _delivery(order: Order, price_digits: int) -> Iterator[PricedLine]:
    for n, charge in enumerate(order.shipping):
        if charge.price.minor:
            yield _charge(charge, order, f"shipping[{n}]", price_digits)


def _charge(charge: ShippingCharge, order: Order, field: str, price_digits: int) -> PricedLine:
    net = _net(charge.price, charge.taxes, order)
    title = charge.title or "Delivery"
    return PricedLine(field, 1, _each(net, 1, price_digits), _rates(charge.taxes, field), title=title)


def _charged(line: OrderLine) -> AnyMoney:
    """What the buyer pays for the line, as the shop states it: with or without tax."""
    full = line.unit_price * line.ordered
    return full - line.discount if line.discount else full


def _net(charged: AnyMoney, taxes: Sequence[Tax], order: Order) -> AnyMoney:
    return charged - total((tax.amount for tax in taxes), order.currency) if order.tax_included else charged


def _each(net: AnyMoney, quantity: int, price_digits: int) -> Decimal:
    digits = max(price_digits, minor_digits(net.currency))
    each = (to_decimal(net) / quantity).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    return each.quantize(Decimal(1).scaleb(-minor_digits(net.currency))) if _is_whole(each, net) else each


def _is_whole(each: Decimal, net: AnyMoney) -> bool:
    """No more decimals than the currency has: written so, as people write prices."""
    return each == round(each, minor_digits(net.currency))


def _rates(taxes: Sequence[Tax], field: str) -> tuple[Decimal, ...]:
    """The taxes that were charged; one of nothing (an exempt buyer, a zero rate) is not put on the sale."""
    return tuple(rate_of(tax, f"{field}.taxes[{n}].rate") for n, tax in enumerate(taxes) if tax.amount.minor)


def rate_of(tax: Tax, field: str) -> Decimal:
    try:
        rate = Decimal(tax.rate)
    except InvalidOperation as error:
        raise Rejected(f"{tax.rate!r} is no tax rate", field=field) from error
    return rate.normalize()
