"""What the shop sells and how it counts: prices, discounts and taxes as a channel states them, all in minor units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from random import Random

from crossdock.canonical.order import OrderLine, ShippingCharge, Tax
from crossdock.kernel.money import Money

CURRENCIES = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "GBP": 2}
RATES = ("0.19", "0.07", "0.0625", "0.0825", "0.2", "0.055", "0.1")


def half_up(value: Fraction) -> int:
    """Rounded half away from zero."""
    above, below = value.numerator, value.denominator  # reckoned in whole numbers: lives round a great deal
    whole = (abs(above) * 2 + below) // (below * 2)
    return whole if above >= 0 else -whole


@dataclass(slots=True)
class Line:
    """One line as the shop keeps it; `discount` is for `units`."""

    id: str
    sku: str
    units: int
    price: int
    discount: int
    rates: tuple[str, ...]

    @property
    def charged(self) -> int:
        return self.price * self.units - self.discount

    def taxes(self, *, included: bool) -> list[int]:
        return taxes_on(self.charged, self.rates, included=included)

    def resize(self, units: int) -> None:
        """The shop keeps the discount in proportion when an edit changes the units."""
        self.discount = half_up(Fraction(self.discount * units, self.units)) if self.units else 0
        self.units = units


def taxes_on(charged: int, rates: tuple[str, ...], *, included: bool) -> list[int]:
    return [half_up(charged * share) for share in _shares(rates, included=included)]


@cache
def _shares(rates: tuple[str, ...], *, included: bool) -> list[Fraction]:
    """What each tax is of what is charged."""
    taxed = 1 + sum(map(Fraction, rates), Fraction(0)) if included else 1
    return [Fraction(rate) / taxed for rate in rates]


@dataclass(slots=True)
class NewGoods:
    """What is sent in exchange: agreed on for `agreed` units, of which `units` are to be had."""

    id: str
    sku: str
    units: int
    agreed: int
    price: int
    rates: tuple[str, ...]
    given_up: int = 0

    @property
    def charged(self) -> int:
        return self.price * self.units

    def taxes(self, *, included: bool) -> list[int]:
        whole = taxes_on(self.price * self.agreed, self.rates, included=included)
        return [half_up(Fraction(tax * self.units, self.agreed)) for tax in whole]


@dataclass(slots=True)
class Basket:
    """An order's amounts as the shop has them now."""

    currency: str
    included: bool
    lines: list[Line]
    delivery: int = 0
    delivery_rates: tuple[str, ...] = ()
    tip: int = 0
    added: int = field(default=0)

    def amount(self, minor: int) -> Money[object]:  # pyright: ignore
        return Money(minor, self.currency)

    @property
    def total(self) -> int:
        goods = sum(line.charged for line in self.lines) + self.delivery + self.tip
        if self.included:
            return goods
        taxes = sum(sum(line.taxes(included=False)) for line in self.lines)
        return goods + taxes + sum(taxes_on(self.delivery, self.delivery_rates, included=False))

    def order_lines(self) -> tuple[OrderLine, ...]:
        return tuple(
            self._order_line(line, self.amount(line.discount) if line.discount else None) for line in self.lines
        )

    def agreed(self, line: NewGoods) -> OrderLine:
        """New goods as they were agreed on."""
        return self._order_line(replace(line, units=line.agreed), None)

    def _order_line(self, line: Line | NewGoods, discount: Money[object] | None) -> OrderLine:  # pyright: ignore
        return OrderLine(
            id=line.id,
            sku=line.sku,
            title=line.sku.title(),
            ordered=line.units,
            unit_price=self.amount(line.price),
            discount=discount,
            taxes=self._taxes(line.rates, line.taxes(included=self.included)),
        )

    def charges(self) -> tuple[ShippingCharge, ...]:
        if not self.delivery:
            return ()
        taxes = taxes_on(self.delivery, self.delivery_rates, included=self.included)
        price = self.amount(self.delivery)
        return (ShippingCharge(title="Delivery", price=price, taxes=self._taxes(self.delivery_rates, taxes)),)

    def _taxes(self, rates: tuple[str, ...], amounts: list[int]) -> tuple[Tax, ...]:
        return tuple(
            Tax(title=f"tax {rate}", rate=rate, amount=self.amount(minor))
            for rate, minor in zip(rates, amounts, strict=True)
        )


def filled(luck: Random) -> Basket:
    """A basket of one to six lines in some currency, taxed and discounted in some way."""
    currency = luck.choice(("USD", "USD", "EUR", "JPY", "KWD", "GBP"))
    basket = Basket(currency, luck.random() < 0.4, [])
    for _ in range(luck.choice((1, 1, 2, 2, 3, 4, 6))):
        add_line(basket, luck)
    if luck.random() < 0.3:
        _spread(basket, luck.randint(1, max(1, sum(line.charged for line in basket.lines) // 3)))
    if luck.random() < 0.5:
        basket.delivery = luck.choice((499, 500, 1000, 333))
        basket.delivery_rates = luck.choice(((), ("0.19",), ("0.0625", "0.02")))
    if luck.random() < 0.15:
        basket.tip = luck.randint(1, 700)
    return basket


def add_line(basket: Basket, luck: Random) -> Line:
    basket.added += 1
    price = luck.choice((luck.randint(1, 99), luck.randint(100, 9999), 1000, 999, 3333))
    units = luck.choice((1, 1, 2, 3, 3, 5, 7))
    discount = luck.randint(0, price * units // 2) if luck.random() < 0.3 else 0
    rates: tuple[str, ...] = luck.choice(((), (luck.choice(RATES),), (luck.choice(RATES),), ("0.0625", "0.02", "0.01")))
    line = Line(f"L{basket.added}", f"SKU{basket.added}", units, price, discount, rates)
    basket.lines.append(line)
    return line


def _spread(basket: Basket, discount: int) -> None:
    """An order discount, spread over the lines by what they cost, the last taking what is left."""
    whole, left = sum(line.charged for line in basket.lines), discount
    for line in basket.lines:
        share = min(left, line.charged, -(-discount * line.charged // whole) if whole else 0)
        line.discount += share
        left -= share
