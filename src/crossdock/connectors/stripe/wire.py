"""Stripe's JSON as far as we read it; unknown fields are let pass. Times are whole seconds since 1970."""

from __future__ import annotations

from typing import Annotated

import msgspec

# Names become keys and search terms, and PostgreSQL text can't hold NUL: printable ASCII without blanks.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[!-~]+\Z")]
Amount = Annotated[int, msgspec.Meta(ge=0, le=10**14)]
Seconds = Annotated[int, msgspec.Meta(ge=0, lt=10_000_000_000)]
"""Up to the year 2286, so that versions fit 64 bits."""
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[a-z]{3}\Z")]


class Metadata(msgspec.Struct, frozen=True):
    """What we and the shop wrote on an object; all else in it is somebody else's."""

    order: str = ""
    crossdock_key: str = ""


class Multicapture(msgspec.Struct, frozen=True):
    status: str = "unavailable"


class Card(msgspec.Struct, frozen=True):
    brand: str | None = None
    last4: str | None = None
    capture_before: Seconds | None = None
    multicapture: Multicapture | None = None


class PaymentMethodDetails(msgspec.Struct, frozen=True):
    type: str = ""
    card: Card | None = None


class BalanceTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """What something did to the account's balance, in the currency it is paid out in; below zero for what went out."""

    amount: int
    fee: int
    currency: Currency
    created: Seconds


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a payment; `amount_captured` is all that was captured so far."""

    id: Id
    amount: Amount
    amount_captured: Amount
    captured: bool
    created: Seconds
    currency: Currency
    status: str
    balance_transaction: Id | BalanceTransaction | None = None
    """That of its first capture."""
    metadata: Metadata = Metadata()
    payment_intent: Id | None = None
    payment_method_details: PaymentMethodDetails | None = None


class Declined(msgspec.Struct, frozen=True):
    code: str | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    amount: Amount
    amount_capturable: Amount
    amount_received: Amount
    created: Seconds
    currency: Currency
    status: str
    metadata: Metadata = Metadata()
    latest_charge: Id | Charge | None = None
    last_payment_error: Declined | None = None


class HeldIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as our own acts need it: with all its metadata."""

    id: Id
    amount_capturable: Amount
    amount_received: Amount
    currency: Currency
    status: str
    latest_charge: Id | None = None
    metadata: dict[str, str] = {}


class OrderNamer(msgspec.Struct, frozen=True):
    """An expanded object, read for the order it names."""

    id: Id
    metadata: Metadata = Metadata()


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    amount: Amount
    created: Seconds
    currency: Currency
    status: str
    metadata: Metadata | None = None
    payment_intent: Id | OrderNamer | None = None
    charge: Id | OrderNamer | None = None
    balance_transaction: Id | BalanceTransaction | None = None
    failure_reason: str | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    id: Id
    amount: Amount
    created: Seconds
    currency: Currency
    reason: str
    status: str
    charge: Id | OrderNamer
    balance_transactions: tuple[BalanceTransaction, ...] = ()
    metadata: Metadata = Metadata()
    payment_intent: Id | OrderNamer | None = None


class Before(msgspec.Struct, frozen=True):
    """What some fields were before an update."""

    amount_captured: Amount | None = None


class ChargeTold(msgspec.Struct, frozen=True):
    object: Charge
    previous_attributes: Before = Before()


class IntentTold(msgspec.Struct, frozen=True):
    object: Intent


class RefundTold(msgspec.Struct, frozen=True):
    object: Refund


class DisputeTold(msgspec.Struct, frozen=True):
    object: Dispute


class ChargeEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    created: Seconds
    data: ChargeTold


class IntentEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    created: Seconds
    data: IntentTold


class RefundEvent(msgspec.Struct, frozen=True, kw_only=True):
    created: Seconds
    data: RefundTold


class DisputeEvent(msgspec.Struct, frozen=True, kw_only=True):
    created: Seconds
    data: DisputeTold


class AnyEvent(msgspec.Struct, frozen=True):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class IntentRead(msgspec.Struct, frozen=True, kw_only=True):
    """As our own read wraps it: with the time on Stripe's clock."""

    read_at: Seconds
    object: Intent


class IntentsFound(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a search."""

    read_at: Seconds
    objects: tuple[Intent, ...]


class RefundRead(msgspec.Struct, frozen=True, kw_only=True):
    read_at: Seconds
    object: Refund


class DisputeRead(msgspec.Struct, frozen=True, kw_only=True):
    read_at: Seconds
    object: Dispute


class EventHead(msgspec.Struct, frozen=True):
    id: Id
    type: str
    created: Seconds


class Named(msgspec.Struct, frozen=True):
    id: Id


class RawPage(msgspec.Struct, frozen=True):
    data: tuple[msgspec.Raw, ...]
    has_more: bool


class RefundPage(msgspec.Struct, frozen=True):
    data: tuple[Refund, ...]
    has_more: bool
