"""The terms of returns and refunds, each version dated by business time: a return is judged by those it was made under."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import msgspec

from crossdock.canonical.payment import Tender
from crossdock.canonical.returns import Disposition
from crossdock.kernel.money import AnyMoney, Money, from_decimal

Amounts = dict[Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")], str]
"""Decimal amounts by currency: {"USD" = "25.00"}. A currency that isn't named has no such limit or fee."""

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class Recognition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """`[[policy.recognition]]`: when what was sold counts as sold and is billed, for orders placed from a moment on."""

    since: datetime = ALWAYS
    """The first moment an order may be placed under these terms. One whose sale is in the ERP already stays as it is."""
    when: Literal["ordered", "shipped", "delivered"] = "shipped"
    """Billed whole as soon as its sale is in the ERP; parcel by parcel as they leave; or as they arrive. What is taken off an
    order, or comes back, before that is never billed; what was billed is credited."""
    transit_days: int = 10
    """With `delivered`: a parcel of which nobody says that it arrived has done so after this long."""


class ReturnTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """`[[policy.returns]]`: what was promised to buyers from a day on."""

    since: datetime = ALWAYS
    """The first moment a return may be handed in under these terms."""
    version: str = "1"
    """What people call them."""
    window_days: int = 30
    """Returns later than this after the last parcel left are a case; nothing is refunded by itself."""
    inspect: bool = True
    """Refunded when somebody has said what became of the goods; otherwise as soon as they were handed in."""
    fee: Amounts = {}
    """Kept back from each return."""
    delivery: Literal["never", "when_all_returned"] = "when_all_returned"
    """When what the buyer paid for delivery is refunded, too."""
    approve_over: Amounts = {}
    """A refund above this waits for a person."""
    approver: str = "finance"
    """The role of the people who are asked."""
    second_approver_over: Amounts = {}
    """A refund above this waits for two."""
    approval_hours: int = 24
    """How long an approval holds."""
    approve_within_minutes: int = 8 * 60
    """Until when somebody should have decided."""
    daily_refunds_max: Amounts = {}
    """No more than this leaves by refunds in one day (UTC), whatever causes it; the rest waits for the next. One that is more by
    itself waits for a person, who may let it go past the limit."""
    tenders: tuple[Tender, ...] = ("gift_card", "store_credit", "other", "card", "cash")
    """Where an order was paid in several ways, what is refunded first."""
    exchange_ships: Literal["received", "announced"] = "received"
    """When the new goods of an exchange leave: when what comes back is there and counts, or as soon as the return is agreed."""
    exchange_dearer: Literal["paid", "owed"] = "paid"
    """New goods that cost more than what comes back leave when the difference is paid, or while it is still owed."""
    exchange_rest: Literal["refund", "store_credit"] = "refund"
    """How what is left over is given back, where the new goods cost less, or are not sent after all."""
    exchange_days: int = 30
    """New goods that have not left this long after the return was made are given up; what they cost goes back."""
    locations: dict[Disposition, str] = {}
    """Which location goods go to, by what became of them; where they were handed in, unless said otherwise."""

    def limit(self, amounts: Amounts, currency: str) -> AnyMoney | None:
        """One of these terms' amounts in a currency."""
        return from_decimal(amounts[currency], currency) if currency in amounts else None

    def kept_back(self, currency: str) -> AnyMoney:
        return self.limit(self.fee, currency) or Money(0, currency)


T = TypeVar("T", Recognition, ReturnTerms)


def in_force(versions: Sequence[T], moment: datetime) -> T | None:
    """The latest that had begun then; the oldest for what was before all of them."""
    ordered = sorted(versions, key=lambda terms: terms.since)
    begun = [terms for terms in ordered if terms.since <= moment]
    return begun[-1] if begun else next(iter(ordered), None)


def terms_at(versions: Sequence[ReturnTerms], moment: datetime) -> ReturnTerms:
    """The terms of returns in force then."""
    return in_force(versions, moment) or ReturnTerms()
