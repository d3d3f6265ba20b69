"""What our GraphQL queries answer, in the shape `queries/*.graphql` asks for."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossdock.connectors.shopify.terms import Amount, CurrencyCode, Moment, Units

DisplayFinancialStatus = Literal[
    "PENDING", "AUTHORIZED", "PARTIALLY_PAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED", "EXPIRED"
]
LegacyId = str
"""`UnsignedInt64`: a whole number as a string."""


class ShopMoney(msgspec.Struct, gc=False):
    amount: Amount


class Bag(msgspec.Struct, rename="camel", gc=False):
    """A price in the shop's currency; the buyer's own currency isn't asked for."""

    shop_money: ShopMoney


class GraphAddress(
    msgspec.Struct, kw_only=True, rename={"province_code": "provinceCode", "country_code": "countryCodeV2"}, gc=False
):
    name: str | None
    company: str | None
    address1: str | None
    address2: str | None
    city: str | None
    province: str | None
    province_code: str | None
    zip: str | None
    country: str | None
    country_code: str | None
    phone: str | None


class GraphEmail(msgspec.Struct, rename="camel", gc=False):
    email_address: str


class GraphPhone(msgspec.Struct, rename="camel", gc=False):
    phone_number: str


class GraphCustomer(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    legacy_resource_id: LegacyId
    updated_at: Moment
    first_name: str | None
    last_name: str | None
    default_email_address: GraphEmail | None
    default_phone_number: GraphPhone | None
    default_address: GraphAddress | None


class GraphTax(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    title: str
    rate: float | None
    price_set: Bag


class GraphDiscount(msgspec.Struct, rename="camel", gc=False):
    allocated_amount_set: Bag


class GraphLine(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    id: str
    name: str
    sku: str | None
    quantity: Units
    current_quantity: Units
    unfulfilled_quantity: Units
    requires_shipping: bool
    original_unit_price_set: Bag
    discount_allocations: list[GraphDiscount]
    tax_lines: list[GraphTax]


class GraphShipping(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    title: str
    discounted_price_set: Bag
    tax_lines: list[GraphTax]


class PageInfo(msgspec.Struct, rename="camel", gc=False):
    has_next_page: bool
    end_cursor: str | None = None


class GraphLines(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphLine]
    page_info: PageInfo


class GraphCharges(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphShipping]
    page_info: PageInfo


class GraphId(msgspec.Struct, gc=False):
    id: str


class GraphIds(msgspec.Struct, gc=False):
    nodes: list[GraphId]


class GraphRefundLine(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    quantity: Units
    restock_type: Literal["RETURN", "NO_RESTOCK", "CANCEL", "LEGACY_RESTOCK"]
    line_item: GraphId


class GraphRefundLines(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphRefundLine]
    page_info: PageInfo


class GraphRefundShipping(msgspec.Struct, rename="camel", gc=False):
    subtotal_amount_set: Bag
    tax_amount_set: Bag


class GraphRefundShippings(msgspec.Struct, gc=False):
    nodes: list[GraphRefundShipping]


class GraphRefund(
    msgspec.Struct,
    kw_only=True,
    rename={
        "of_return": "return",
        "refund_shipping_lines": "refundShippingLines",
        "refund_line_items": "refundLineItems",
    },
    gc=False,
):
    id: str
    note: str | None
    of_return: GraphId | None
    transactions: GraphIds
    refund_shipping_lines: GraphRefundShippings
    refund_line_items: GraphRefundLines


class GraphParcelLine(msgspec.Struct, rename="camel", gc=False):
    quantity: Units | None
    line_item: GraphId


class GraphParcelLines(msgspec.Struct, rename="camel", gc=False):
    nodes: list[GraphParcelLine]
    page_info: PageInfo


class GraphParcel(msgspec.Struct, rename="camel", gc=False):
    status: str
    fulfillment_line_items: GraphParcelLines


class GraphCard(msgspec.Struct, gc=False):
    company: str | None = None


class GraphTransaction(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    id: str
    kind: Literal[
        "AUTHORIZATION", "CAPTURE", "CHANGE", "EMV_AUTHORIZATION", "REFUND", "SALE", "SUGGESTED_REFUND", "VOID"
    ]
    status: Literal["AWAITING_RESPONSE", "ERROR", "FAILURE", "PENDING", "SUCCESS", "UNKNOWN"]
    gateway: str | None
    manual_payment_gateway: bool
    account_number: str | None
    created_at: Moment | None
    amount_set: Bag
    parent_transaction: GraphId | None
    payment_details: GraphCard | None


class GraphMethod(msgspec.Struct, rename="camel", gc=False):
    method_type: Literal["LOCAL", "NONE", "PICKUP_POINT", "PICK_UP", "RETAIL", "SHIPPING"]


class GraphLocation(msgspec.Struct, rename="camel", gc=False):
    legacy_resource_id: LegacyId


class GraphAssigned(msgspec.Struct, gc=False):
    name: str
    location: GraphLocation | None


class GraphWay(msgspec.Struct, rename="camel", gc=False):
    """How some of an order gets to its buyer: a fulfilment order."""

    delivery_method: GraphMethod | None
    assigned_location: GraphAssigned


class GraphWays(msgspec.Struct, gc=False):
    nodes: list[GraphWay]


class GraphOrder(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    legacy_resource_id: LegacyId
    name: str
    number: int
    confirmation_number: str | None
    created_at: Moment
    processed_at: Moment
    updated_at: Moment
    cancelled_at: Moment | None
    currency_code: CurrencyCode
    taxes_included: bool
    display_financial_status: DisplayFinancialStatus | None
    email: str | None
    current_total_price_set: Bag
    customer: GraphCustomer | None
    billing_address: GraphAddress | None
    shipping_address: GraphAddress | None
    shipping_lines: GraphCharges
    line_items: GraphLines
    total_tip_received_set: Bag
    refunds: list[GraphRefund]
    transactions: list[GraphTransaction]
    fulfillment_orders: GraphWays = msgspec.field(default_factory=lambda: GraphWays([]))
    """Missing in what was read before it was asked for, as is the total."""
    total_price_set: Bag | None = None
    fulfillments: list[GraphParcel] = []
    """Read only where a refund doesn't say whether its units had left."""
