"""Everything the books know of one order: the facts about its goods and money, and what was asked of other systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.payment import Capture, Dispute, PaymentAuthorization, PaymentCapture, Refund
from crossdock.canonical.returns import Allowance, CreditMemo, Return, SupplementaryInvoice
from crossdock.canonical.shipment import Shipment
from crossdock.kernel.money import AnyMoney

Recognised = Literal["ordered", "shipped", "delivered"]


@dataclass(frozen=True, slots=True)
class Returned:
    """One return and the terms that apply to it; `cause` is the identity of its fact."""

    cause: str
    body: Return
    inspect: bool = True
    """It counts once somebody has said what became of the goods."""
    fee: int = 0
    """Minor units kept back."""
    delivery_too: bool = True
    """What was paid for delivery is given back with the last of the goods."""
    counts: bool = True
    """False while it is outside the window and nobody has allowed it."""
    awaited: bool = False
    """It is open, and what was announced and has not come may still be expected."""
    open: bool = False
    """What was handed in and nobody has looked at yet may still count."""


@dataclass(frozen=True, slots=True)
class Tendered:
    """One payment: who holds it, and by which identity its fact is known."""

    fact: str
    connection: str
    body: PaymentAuthorization


@dataclass(frozen=True, slots=True)
class Asked:
    """Money that was asked to go back, sealed by us: the promise's name, for which cause, on which payment."""

    name: str
    cause: str
    amount: int
    payment: str | None = None
    """The payment's id; None for credit that stays in the house."""
    forgotten: bool = False
    """Asked for in a time that the database was set back over: nothing was taken for it from what may be asked for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A capture sealed by us; `fact_id` is the provider's id of it, once it has answered."""

    body: PaymentCapture
    fact_id: str | None = None


@dataclass(frozen=True, slots=True)
class Exchanged:
    """The new goods of one return; `cause` is the identity of its fact."""

    cause: str
    agreed: tuple[OrderLine, ...]
    lines: tuple[OrderLine, ...]
    """The same, in as many units as are to leave or have left."""
    released: bool = False
    """They may leave, and stand among the order's lines."""


@dataclass(frozen=True, slots=True)
class Record:
    """One order. Everything in a tuple is sorted by its identity, so that equal facts make equal records."""

    entity: str
    order: Order
    shipments: tuple[Shipment, ...] = ()
    returns: tuple[Returned, ...] = ()
    allowances: tuple[tuple[str, Allowance], ...] = ()
    """(cause, body)"""
    payments: tuple[Tendered, ...] = ()
    captures: tuple[Capture, ...] = ()
    refunds: tuple[tuple[str, Refund], ...] = ()
    """(identity, body)"""
    disputes: tuple[Dispute, ...] = ()
    sold: tuple[Order, ...] = ()
    """What the ERP's sales of this order were sealed with, the first sale first."""
    held: tuple[Mapping[str, int], ...] = ()
    """Units by line that each of these sales still holds; where none is named, as many as it was sealed with."""
    corrections: tuple[CreditMemo | SupplementaryInvoice, ...] = ()
    """Sealed, whatever became of them since."""
    exchanges: tuple[Exchanged, ...] = ()
    asked: tuple[Asked, ...] = ()
    taken: tuple[Taken, ...] = ()
    capture_when: Literal["channel", "shipped"] = "channel"
    recognised: Recognised = "shipped"
    """When what was sold is billed."""
    transit_days: int = 0
    """Where it is billed as it arrives: a parcel of which nobody says so has arrived after so long."""
    arrived: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """When the parcels arrived that count as arrived, where they are billed then."""
    emptied_gives_back: bool = False
    """Delivery is not to be paid of an order that is ordered no more, though nobody cancelled it."""

    @property
    def currency(self) -> str:
        return self.order.currency

    def money(self, amount: AnyMoney | None) -> int:
        """Minor units of an amount that must be in the order's currency; others are `foreign` and counted nowhere."""
        return amount.minor if amount is not None and amount.currency == self.currency else 0
