"""What a document is worth, and how much of that is at stake where two versions of it differ. Pure."""

from __future__ import annotations

from typing import Any, cast

from crossdock.kernel.money import AnyMoney, Money

_AMOUNTS = ("total", "amount", "authorised")


def worth(noun: Any) -> AnyMoney | None:
    """The amount a document states of itself: an order's or an invoice's total, a refund's amount."""
    for name in _AMOUNTS:
        amount = getattr(noun, name, None)
        if isinstance(amount, Money):
            return cast(AnyMoney, amount)
    return None


def at_stake(stated: Any, held: Any) -> AnyMoney | None:
    """All of it where only one side knows it; else by how much the two differ, None where they agree."""
    there, here = worth(stated), worth(held)
    if there is None or here is None or there.currency != here.currency:
        return there or here
    minor = abs(there.minor - here.minor)
    return Money(minor, there.currency) if minor else None
