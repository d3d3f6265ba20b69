"""How Shopify writes money, moments and ids in webhooks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from crossdock.kernel.money import Money, to_decimal
from crossdock.simulators.shop_state import Line, Order, TaxLine

_SHOP_ZONE = timezone(timedelta(hours=-5))
"""Webhooks carry the shop's own offset, GraphQL answers UTC."""

Json = dict[str, Any]


def moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(_SHOP_ZONE).isoformat(timespec="seconds")


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


class Prices:
    """An order's amounts as Shopify writes them: decimal strings in the shop's and the buyer's currency."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def shop(self, minor: int) -> str:
        return str(to_decimal(Money(minor, self._order.currency)))

    def buyer(self, minor: int) -> str:
        return str(to_decimal(Money(round(minor * self._order.presentment_rate), self._order.presentment_currency)))

    def both(self, minor: int) -> Json:
        return {
            "shop_money": {"amount": self.shop(minor), "currency_code": self._order.currency},
            "presentment_money": {"amount": self.buyer(minor), "currency_code": self._order.presentment_currency},
        }

    def named(self, **minors: int) -> Json:
        """Each amount twice, as `x` and `x_set`."""
        rendered: Json = {}
        for name, minor in minors.items():
            rendered[name] = self.shop(minor)
            rendered[f"{name}_set"] = self.both(minor)
        return rendered

    def sets(self, **minors: int) -> Json:
        return {f"{name}_set": self.both(minor) for name, minor in minors.items()}


def taxes_on(taxed: int, rate: str, title: str, included: bool) -> list[TaxLine]:
    """The tax on an amount, on top of it or contained in it."""
    share = Fraction(rate)
    if not share:
        return []
    return [TaxLine(title, float(rate), round(taxed * share / (1 + share) if included else taxed * share))]


def tax_again(line: Line, *, included: bool) -> None:
    """State a line's taxes anew after its discount changed, at the rates they had."""
    taxed = line.price * line.quantity - sum(line.discounts)
    line.taxes = [each for tax in line.taxes for each in taxes_on(taxed, str(tax.rate), tax.title, included)]
