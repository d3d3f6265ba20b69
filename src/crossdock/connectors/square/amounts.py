"""Square's amounts, quantities, rates and times in the retail language. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from crossdock.connect.documents import Untranslatable
from crossdock.connectors.square import wire
from crossdock.kernel.moments import to_micros
from crossdock.kernel.money import AnyMoney, Money


def money(held: wire.Money) -> AnyMoney:
    return Money(held.amount, held.currency)


def units(quantity: str) -> int:
    """Whole units; what is sold by weight or length has no place in an order of ours."""
    count = Decimal(quantity)
    if count != count.to_integral_value():
        raise Untranslatable(f"a quantity of {quantity} is no whole number of units")
    return int(count)


def rate(percentage: str) -> str:
    """ "7.25" percent as the plain decimal "0.0725"."""
    return format((Decimal(percentage) / 100).normalize(), "f")


def utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # an offset at either end of the calendar
        raise Untranslatable(f"{moment} is no time of any sale") from error


def token(moment: datetime) -> int:
    return max(0, to_micros(utc(moment)))
