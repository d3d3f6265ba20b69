"""What was ordered: the buyer's side of the trade, as the channel that took it states it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from crossdock.canonical.party import Address
from crossdock.kernel.money import AnyMoney


class Tax(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tax on one line; `rate` is a decimal string, "0.1" for ten percent."""

    title: str
    rate: str
    amount: AnyMoney


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One line; `ordered` counts units as last edited, `unit_price` is before discount, `discount` is for the whole line.

    Units that were returned still count as ordered: an edit or a cancellation lowers the count, a return is a fact of its own.
    """

    id: str
    sku: str
    title: str
    ordered: int
    unit_price: AnyMoney
    discount: AnyMoney | None = None
    taxes: tuple[Tax, ...] = ()
    ships: bool = True
    replaces: str = ""
    """The return it is sent in exchange for, by id; such a line is the hub's own, and its channel knows nothing of it."""


class ShippingCharge(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the buyer pays for delivery, with its taxes."""

    title: str
    price: AnyMoney
    taxes: tuple[Tax, ...] = ()


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as its channel knows it now; `customer` is the entity key of the buyer, none for a guest."""

    id: str
    number: str
    placed_at: datetime
    currency: str
    lines: tuple[OrderLine, ...]
    total: AnyMoney
    tax_included: bool = False
    customer: str | None = None
    email: str = ""
    bill_to: Address | None = None
    ship_to: Address | None = None
    shipping: tuple[ShippingCharge, ...] = ()
    tip: AnyMoney | None = None
    payment: Literal["pending", "authorised", "paid", "refunded", "voided"] = "pending"
    cancelled_at: datetime | None = None
    ever_ordered: AnyMoney | None = None
    """What it would come to had nothing been taken off it, where the channel remembers that: why less is asked now."""
    pickup_at: str = ""
    """Where its buyer comes for it, by our code of the location; empty for an order that is shipped."""


class SalesOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that makes an ERP hold the order as one sale; its sale is named by the command's key.

    The buyer's account at the ERP comes as reference `party`, mapped products as `product/<sku>`.
    """

    order: Order
    sold_by: str
    """The connection that took the order."""
    part: int = 1
    """The first sale of an order, or a later one with what was added to it since; `order` holds only that part then."""
    invoice: Literal["parcels", "order"] = "parcels"
    """What the ERP is to invoice: each parcel, or all of it as it was ordered."""


class OrderReference(msgspec.Struct, frozen=True, kw_only=True):
    """State: the ERP's number of the sale, shown on the order in its channel.

    `order` is the channel's order id; the number comes as reference `sale.number`.
    """

    order: str


class OrderCancellation(msgspec.Struct, frozen=True, kw_only=True):
    """The command that makes the order's channel cancel it whole and tell the buyer; nothing of it has left.

    `order` is the channel's order id.
    """

    order: str
    reason: str
    refund: bool
    """The channel gives back what it took itself; false where somebody else holds the money."""


class ErpAddress(msgspec.Struct, frozen=True, kw_only=True):
    """State: where the ERP's shipments that have not left yet go; the sale comes as reference `sale`."""

    ship_to: Address


class OpenUnits(msgspec.Struct, frozen=True, kw_only=True):
    """State: how many units of each line the ERP's sales (references `sale`, `sale:2`…) are still to ship or have shipped.

    Units above it that have not left are cancelled there; it never adds any.
    """

    lines: tuple[OpenLine, ...]
    parts: int = 1
    """How many of the order's sales the units speak of: the first, and those with what was added since."""
    by_sale: tuple[tuple[OpenLine, ...], ...] = ()
    """The same units sale by sale. Units are cancelled in the latest sale first, for the first ones ship first."""


class OpenLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    line: str
    sku: str
    units: int


class PartyAccount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State: the buyer's account at an ERP; found or made by `code`, which is ours and unique."""

    code: str
    name: str
    email: str = ""
    phone: str = ""
    address: Address | None = None
