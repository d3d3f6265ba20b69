"""Money as whole minor units of one currency; currencies never mix."""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

# ISO 4217 minor units where they are not 2. Source: ISO 4217 list one, amendment 176.
_MINOR_DIGITS = {
    **dict.fromkeys(("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF").split(), 0),
    **dict.fromkeys(("BHD IQD JOD KWD LYD OMR TND").split(), 3),
    **dict.fromkeys(("CLF UYW").split(), 4),
}

# Raises where the default context would round to 28 digits in silence.
_EXACTLY = decimal.Context(prec=60, traps=[decimal.InvalidOperation, decimal.Inexact, decimal.Overflow])
_WRITTEN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MINOR_MIN, _MINOR_MAX = -(2**63), 2**63 - 1
"""What a bigint column and every ERP's ledger hold."""


class Currency:
    """The type of a currency; `Money[EUR]` and `Money[USD]` do not add, neither for the type checker nor at run time."""


class EUR(Currency): ...


class GBP(Currency): ...


class USD(Currency): ...


C = TypeVar("C", bound=Currency)


class MixedCurrencies(TypeError):
    """Two currencies met in one sum; convert one of them first, with a dated rate."""


class Money(msgspec.Struct, Generic[C], frozen=True, gc=False):
    """An amount in minor units (cents) of an ISO 4217 currency."""

    minor: int
    currency: str

    def __add__(self, other: Money[C]) -> Money[C]:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money[C]) -> Money[C]:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money[C]:
        return Money(-self.minor, self.currency)

    def __mul__(self, count: int) -> Money[C]:
        return Money(self.minor * count, self.currency)

    def __lt__(self, other: Money[C]) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money[C]) -> bool:
        return self.minor <= self._same(other)

    def __str__(self) -> str:
        return f"{to_decimal(self)} {self.currency}"

    def _same(self, other: Money[C]) -> int:
        if other.currency != self.currency:
            raise MixedCurrencies(f"{self.currency} and {other.currency} do not mix; convert one of them first")
        return other.minor


AnyMoney = Money[Any]
"""Money whose currency is known only at run time, as it comes in from outside."""


def usd(minor: int) -> Money[USD]:
    return Money(minor, "USD")


def eur(minor: int) -> Money[EUR]:
    return Money(minor, "EUR")


def minor_digits(currency: str) -> int:
    """How many decimals the currency has (ISO 4217): 2 for most, 0 for JPY, 3 for KWD."""
    return _MINOR_DIGITS.get(currency, 2)


def from_decimal(amount: str | decimal.Decimal, currency: str) -> AnyMoney:
    """Money from a vendor's decimal string; `ValueError` if it is no number, has more digits than the currency, or
    more minor units than 64 bits hold."""
    try:
        minor = _EXACTLY.to_integral_exact(_EXACTLY.scaleb(decimal.Decimal(amount), minor_digits(currency)))
    except decimal.DecimalException as error:
        raise ValueError(f"{str(amount)[:40]!r} is not an amount in whole minor units of {currency[:3]}") from error
    if not minor.is_finite() or not _MINOR_MIN <= minor <= _MINOR_MAX:
        raise ValueError(f"{str(amount)[:40]!r} is not an amount that can be booked")
    return Money(int(minor), currency)


def from_written(amount: str, currency: str) -> AnyMoney:
    """Money as people write it, in digits and a point; `ValueError` also for what only programs take, such as 1e2 or 1_0."""
    if not _WRITTEN.fullmatch(amount):
        raise ValueError(f"{amount[:40]!r} is no amount")
    return from_decimal(amount, currency)


def to_decimal(money: AnyMoney) -> decimal.Decimal:
    """The amount in major units, with exactly the currency's decimals."""
    return decimal.Decimal(money.minor).scaleb(-minor_digits(money.currency))


def total(amounts: Iterable[Money[C]], currency: str) -> Money[C]:
    """The sum; zero in `currency` when there is nothing to add."""
    result: Money[C] = Money(0, currency)
    for amount in amounts:
        result += amount
    return result


def allocate(amount: Money[C], weights: Sequence[int]) -> list[Money[C]]:
    """Split by weight with cumulative rounding: parts sum to the amount, and the first n parts never drift by a cent.

    Weights are whole numbers of zero or more with a positive sum; otherwise `ValueError`. The third of three thirds
    takes the cent, and a part already given out never changes when a later one is.
    """
    if not weights or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights must be zero or more, with a positive sum")
    whole, seen, given, parts = sum(weights), 0, 0, list[Money[C]]()
    for weight in weights:
        seen += weight
        upto = _divided(amount.minor * seen, whole)
        parts.append(Money(upto - given, amount.currency))
        given = upto
    return parts


def portion(minor: int, part: int, whole: int) -> int:
    """`part` of `whole` shares of an amount in minor units, rounded half away from zero; portions are cumulative.

    The difference of two portions is what the shares between them are worth, so that all shares sum to the amount.
    """
    return _divided(minor * part, whole)


def _divided(numerator: int, denominator: int) -> int:
    """Rounded half away from zero, symmetric in sign so that a refund mirrors its charge."""
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))
