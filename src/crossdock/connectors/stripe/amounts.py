"""Stripe's amounts and ours: both whole numbers, yet not of the same unit in every currency.

Source: Stripe's page on currencies, "Zero-decimal currencies" and "Special cases", against ISO 4217's minor units.
"""

from __future__ import annotations

from crossdock.connect.documents import Untranslatable
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import AnyMoney, Money

# Kept by Stripe with two decimals for old integrations' sake, though ISO 4217 gives them none.
_TIMES_HUNDRED = frozenset({"ISK", "UGX"})
# Zero-decimal at Stripe; ISO 4217 gives it two.
_WHOLE_ONLY = frozenset({"MGA"})


def money(amount: int, currency: str) -> AnyMoney:
    """Stripe's amount as money; `Untranslatable` where it is no whole number of minor units."""
    code = currency.upper()
    if code in _WHOLE_ONLY:
        return Money(amount * 100, code)
    if code not in _TIMES_HUNDRED:
        return Money(amount, code)
    if amount % 100:
        raise Untranslatable(f"{amount} {code} at Stripe is no whole number of {code}")
    return Money(amount // 100, code)


def amount_of(given: AnyMoney) -> int:
    """Money as Stripe's amount; `Rejected` where Stripe can't say it."""
    if given.currency in _TIMES_HUNDRED:
        return given.minor * 100
    if given.currency not in _WHOLE_ONLY:
        return given.minor
    if given.minor % 100:
        raise Rejected(f"Stripe has no fractions of {given.currency}", field="amount")
    return given.minor // 100
