"""Square's JSON, field by field as its API reference has it; unknown fields are let pass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

# Names become keys and search terms, and PostgreSQL text can't hold NUL: no control characters.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Text = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"\A[^\x00]*\Z")]
Quantity = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,9}(\.[0-9]{1,5})?\Z")]
Percentage = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{1,3}(\.[0-9]{1,5})?\Z")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Version = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """In the currency's smallest unit."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    currency: Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]


class AppliedTax(msgspec.Struct, frozen=True, kw_only=True):
    tax_uid: Name
    applied_money: Money


class OrderTax(msgspec.Struct, frozen=True, kw_only=True):
    """A tax of the order, which its lines point to; `percentage` "7.25" is seven and a quarter."""

    uid: Name
    name: Text = ""
    percentage: Percentage = "0"
    type: str = "ADDITIVE"


class LineItem(msgspec.Struct, frozen=True, kw_only=True):
    uid: Name
    quantity: Quantity
    name: Text = ""
    variation_name: Text = ""
    catalog_object_id: Name | None = None
    gross_sales_money: Money | None = None
    base_price_money: Money | None = None
    total_discount_money: Money | None = None
    applied_taxes: tuple[AppliedTax, ...] = ()
    metadata: dict[str, str | None] = {}


class ServiceCharge(msgspec.Struct, frozen=True, kw_only=True):
    name: Text | None = None
    applied_money: Money | None = None
    applied_taxes: tuple[AppliedTax, ...] = ()


class ReturnLineItem(msgspec.Struct, frozen=True, kw_only=True):
    """Goods handed back; `source_line_item_uid` is a line of the source order, where the till knew that order."""

    uid: Name
    quantity: Quantity
    source_line_item_uid: Name | None = None
    catalog_object_id: Name | None = None
    note: Text | None = None


class OrderReturn(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back of one sale; without `source_order_id` the till found no sale of its own."""

    uid: Name
    source_order_id: Name | None = None
    return_line_items: tuple[ReturnLineItem, ...] = ()


class FulfilmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    line_item_uid: Name
    quantity: Quantity


class Fulfilment(msgspec.Struct, frozen=True, kw_only=True):
    """How an order leaves the shop; without entries it is for all units of all lines."""

    uid: Name
    type: str
    state: Literal["PROPOSED", "RESERVED", "PREPARED", "COMPLETED", "CANCELED", "FAILED"]
    line_item_application: Literal["ALL", "ENTRY_LIST"] = "ALL"
    entries: tuple[FulfilmentEntry, ...] = ()


class OrderRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Money paid out, as the order of its return lists it."""

    id: Name
    amount_money: Money
    status: Literal["PENDING", "APPROVED", "COMPLETED", "REJECTED", "FAILED"]
    tender_id: Name | None = None
    created_at: Moment | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A sale, a return, or both in one: an exchange."""

    id: Name
    location_id: Name
    created_at: Moment
    updated_at: Moment
    state: Literal["DRAFT", "OPEN", "COMPLETED", "CANCELED"]
    version: Version = 0
    reference_id: Name | None = None
    ticket_name: Text | None = None
    line_items: tuple[LineItem, ...] = ()
    returns: tuple[OrderReturn, ...] = ()
    refunds: tuple[OrderRefund, ...] = ()
    fulfillments: tuple[Fulfilment, ...] = ()
    taxes: tuple[OrderTax, ...] = ()
    service_charges: tuple[ServiceCharge, ...] = ()
    total_money: Money | None = None
    total_tip_money: Money | None = None
    net_amount_due_money: Money | None = None
    closed_at: Moment | None = None
    metadata: dict[str, str | None] = {}


class VariationData(msgspec.Struct, frozen=True, kw_only=True):
    sku: Annotated[str, msgspec.Meta(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\Z")] = ""


class Variation(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog object; only item variations have a SKU."""

    id: Name
    item_variation_data: VariationData | None = None


class OrderRead(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a read puts it together: Square's order, and the catalog objects its lines point to."""

    order: Order
    variations: tuple[Variation, ...] = ()


class Card(msgspec.Struct, frozen=True, kw_only=True):
    card_brand: Text = ""
    last_4: Text = ""


class CardTimeline(msgspec.Struct, frozen=True, kw_only=True):
    captured_at: Moment | None = None


class CardDetails(msgspec.Struct, frozen=True, kw_only=True):
    card: Card | None = None
    card_payment_timeline: CardTimeline | None = None


class ExternalDetails(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "OTHER"
    source: Text = ""


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    id: Name
    created_at: Moment
    updated_at: Moment
    status: Literal["PENDING", "APPROVED", "COMPLETED", "CANCELED", "FAILED"]
    total_money: Money
    source_type: str
    order_id: Name | None = None
    reference_id: Name | None = None
    approved_money: Money | None = None
    delayed_until: Moment | None = None
    card_details: CardDetails | None = None
    external_details: ExternalDetails | None = None


class PaymentRead(msgspec.Struct, frozen=True, kw_only=True):
    payment: Payment


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Money paid out; `order_id` is the order of the return it was paid for, not of the sale."""

    id: Name
    amount_money: Money
    created_at: Moment
    updated_at: Moment
    status: Literal["PENDING", "APPROVED", "COMPLETED", "REJECTED", "FAILED"]
    destination_type: str = ""
    payment_id: Name | None = None
    order_id: Name | None = None


class RefundRead(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as a read puts it together: Square's refund, and the order of its return, which says what was scanned."""

    refund: Refund
    order: Order | None = None


class PaymentHolder(msgspec.Struct, frozen=True, kw_only=True):
    payment: Payment


class RefundHolder(msgspec.Struct, frozen=True, kw_only=True):
    refund: Refund


class OrderTold(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an order says its id and version, and nothing of what is in it."""

    id: Name


class PaymentTold(msgspec.Struct, frozen=True, kw_only=True):
    object: PaymentHolder


class RefundTold(msgspec.Struct, frozen=True, kw_only=True):
    object: RefundHolder


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["order.created", "order.updated", "order.fulfillment.updated"]
    data: OrderTold


class PaymentEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["payment.created", "payment.updated"]
    data: PaymentTold


class RefundEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal["refund.created", "refund.updated"]
    data: RefundTold
