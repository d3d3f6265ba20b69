"""Shopify's webhooks as they come, with the fields we read of their 200; every other field is skipped undecoded.

Amounts outside a `*_set` are in the shop's currency (Shopify's REST reference), which is the one we book in.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from crossdock.connectors.shopify.refunded import Restock
from crossdock.connectors.shopify.terms import Amount, CurrencyCode, Id, Moment, Units

FinancialStatus = Literal[
    "pending", "authorized", "partially_paid", "paid", "partially_refunded", "refunded", "voided", "expired"
]


class WireAddress(msgspec.Struct, gc=False):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    phone: str | None = None


class WireCustomer(msgspec.Struct, kw_only=True, gc=False):
    """A customer, alone or inside an order; inside, Shopify's own example has no `updated_at`."""

    id: Id
    updated_at: Moment | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    default_address: WireAddress | None = None


class WireTax(msgspec.Struct, kw_only=True, gc=False):
    title: str
    price: Amount
    rate: float | None = None


class WireDiscount(msgspec.Struct, gc=False):
    amount: Amount


class WireLine(msgspec.Struct, kw_only=True, gc=False):
    id: Id
    name: str
    sku: str | None = None
    quantity: Units
    current_quantity: Units
    price: Amount
    requires_shipping: bool
    fulfillable_quantity: Units = 0
    discount_allocations: list[WireDiscount] = []
    tax_lines: list[WireTax] = []


class WireShipping(msgspec.Struct, kw_only=True, gc=False):
    title: str
    discounted_price: Amount
    is_removed: bool = False
    tax_lines: list[WireTax] = []


class WireShopMoney(msgspec.Struct, gc=False):
    amount: Amount


class WireBag(msgspec.Struct, gc=False):
    shop_money: WireShopMoney


class WireRefundLine(msgspec.Struct, kw_only=True, gc=False):
    line_item_id: Id
    quantity: Units
    restock_type: Restock


class WireRefundShipping(msgspec.Struct, kw_only=True, gc=False):
    subtotal_amount_set: WireBag
    tax_amount_set: WireBag


class WireRefund(msgspec.Struct, kw_only=True, gc=False):
    note: str | None = None
    refund_line_items: list[WireRefundLine]
    refund_shipping_lines: list[WireRefundShipping] = []


class WireFulfilledLine(msgspec.Struct, gc=False):
    id: Id
    quantity: Units


class WireParcel(msgspec.Struct, kw_only=True, gc=False):
    """A fulfilment inside an order, read only where it matters."""

    status: str | None
    line_items: list[WireFulfilledLine]


class WireOrder(msgspec.Struct, kw_only=True, gc=False):
    id: Id
    name: str
    order_number: int
    confirmation_number: str | None = None
    created_at: Moment
    processed_at: Moment | None = None
    updated_at: Moment
    cancelled_at: Moment | None = None
    currency: CurrencyCode
    current_total_price: Amount
    total_price: Amount | None = None
    taxes_included: bool
    financial_status: FinancialStatus | None = None
    email: str | None = None
    customer: WireCustomer | None = None
    billing_address: WireAddress | None = None
    shipping_address: WireAddress | None = None
    line_items: list[WireLine]
    shipping_lines: list[WireShipping]
    total_tip_received: Amount = "0"
    refunds: list[WireRefund] = []
    fulfillments: msgspec.Raw = msgspec.Raw(b"[]")


class WireGone(msgspec.Struct, kw_only=True, gc=False):
    """A deletion: an id, and nothing a snapshot has."""

    id: Id
    created_at: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class WireEdit(msgspec.Struct, gc=False):
    order_id: Id


class WireOrderEdited(msgspec.Struct, gc=False):
    """What was edited, as differences: no snapshot."""

    order_edit: WireEdit


class WireFulfilment(msgspec.Struct, kw_only=True, gc=False):
    id: Id
    order_id: Id
    name: str = ""
    status: str | None
    updated_at: Moment
    location_id: Id | None = None
    tracking_company: str | None = None
    tracking_numbers: list[str] = []
    tracking_urls: list[str] = []
    line_items: list[WireFulfilledLine]


class WireOfOrder(msgspec.Struct, kw_only=True, gc=False):
    """A refund or a transaction: what it says of money is read with its order."""

    id: Id
    order_id: Id


class WireOrderNamed(msgspec.Struct, gc=False):
    id: Id


class WireReturn(msgspec.Struct, kw_only=True, gc=False):
    """A return as far as its webhooks tell: which it is, and of which order, said in one of two ways."""

    id: Id
    status: Literal["requested", "open", "closed", "canceled", "declined"]
    order_id: Id | None = None
    order: WireOrderNamed | None = None
