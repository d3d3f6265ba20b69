"""What was authorised, captured, given back and disputed, as the provider that holds the money states it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from crossdock.kernel.money import AnyMoney

Tender = Literal["card", "gift_card", "store_credit", "cash", "other"]
Component = Literal["goods", "tax", "shipping", "tip", "fee", "discount"]


class Allocation(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One part of an amount: for which line (none: the order itself), of which component and, for tax, at which rate."""

    component: Component
    amount: AnyMoney
    line: str = ""
    rate: str = ""


class PaymentAuthorization(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tender of an order: how much its provider holds for us, and until when it may be captured."""

    id: str
    tender: Tender
    authorised: AnyMoney
    status: Literal["pending", "open", "captured", "voided", "failed"]
    authorised_at: datetime
    expires_at: datetime | None = None
    label: str = ""
    """What the customer calls it: "Visa 4242"."""


class Capture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that came in on a tender; `settled` is what it came to in the retailer's own currency."""

    id: str
    payment: str
    tender: Tender
    amount: AnyMoney
    captured_at: datetime
    settled: AnyMoney | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money that went back on a tender; `reference` is the command key where we asked for it, else empty."""

    id: str
    payment: str
    tender: Tender
    amount: AnyMoney
    status: Literal["pending", "succeeded", "failed"]
    refunded_at: datetime
    reference: str = ""
    for_return: str = ""
    """The return it was paid out for, where the payer says so: the till that pays over the counter."""
    settled: AnyMoney | None = None


class Dispute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A chargeback: the provider took the amount back while it is open, keeps it when lost, returns it when won."""

    id: str
    payment: str
    amount: AnyMoney
    status: Literal["open", "won", "lost"]
    opened_at: datetime
    reason: str = ""
    fee: AnyMoney | None = None


class PaymentCapture(msgspec.Struct, frozen=True, kw_only=True):
    """The command that takes an authorised amount; `final` releases what is left of the authorisation."""

    payment: str
    amount: AnyMoney
    final: bool


class PaymentVoid(msgspec.Struct, frozen=True, kw_only=True):
    """The command that gives up what is authorised and not captured: all of it, or what captures have left of it."""

    payment: str


class PaymentRefund(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that gives money back on one tender.

    The allocations sum to the amount and say what it is for; there are none where nothing was sold yet, or nobody knows.
    """

    payment: str
    tender: Tender
    amount: AnyMoney
    reason: str
    allocations: tuple[Allocation, ...] = ()


class StoreCredit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that credits the customer's balance at the channel, where the refund is to stay in the house."""

    order: str
    customer: str | None
    amount: AnyMoney
    reason: str
    allocations: tuple[Allocation, ...] = ()
