"""The nouns documents carry, by the name they are stored and published under (contract version 1)."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from crossdock.canonical.answers import Availability, PriceQuote
from crossdock.canonical.correction import Correction
from crossdock.canonical.erp import ErpSale, ErpShipment
from crossdock.canonical.lookup import Lookup
from crossdock.canonical.order import (
    ErpAddress,
    OpenUnits,
    Order,
    OrderCancellation,
    OrderReference,
    PartyAccount,
    SalesOrder,
)
from crossdock.canonical.party import Customer
from crossdock.canonical.payment import (
    Capture,
    Dispute,
    PaymentAuthorization,
    PaymentCapture,
    PaymentRefund,
    PaymentVoid,
    Refund,
    StoreCredit,
)
from crossdock.canonical.pickup import Pickup, PickupNotice, PickupOrder, PickupRelease
from crossdock.canonical.returns import (
    Allowance,
    Approval,
    CreditMemo,
    GoodsReturn,
    RefundNotice,
    Return,
    ReturnRecord,
    SupplementaryInvoice,
)
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    Invoice,
    InvoicePosting,
    ParcelNotice,
    Shipment,
    ShipmentLines,
    ShipmentOrder,
    ShipTo,
)
from crossdock.canonical.stock import Product, StockLevel
from crossdock.canonical.waiver import Waiver

VERSION = 1

FACTS: dict[str, type[msgspec.Struct]] = {
    "customer": Customer,
    "order": Order,
    "shipment": Shipment,
    "fulfilment": Fulfilment,
    "sale": ErpSale,
    "erp_shipment": ErpShipment,
    "invoice": Invoice,
    "party_account": PartyAccount,
    "product": Product,
    "stock_level": StockLevel,
    "payment": PaymentAuthorization,
    "capture": Capture,
    "refund": Refund,
    "dispute": Dispute,
    "return": Return,
    "allowance": Allowance,
    "approval": Approval,
    "pickup": Pickup,
    "waiver": Waiver,
    "correction": Correction,
}
"""What systems tell us."""

PAYMENTS_OF_ORDER = "order_payments"
"""Every payment that names the order of an id."""
SEARCHES = frozenset({PAYMENTS_OF_ORDER})
"""What can be read beside facts: all that names one thing."""

COMMANDS: dict[str, type[msgspec.Struct]] = {
    "party_account": PartyAccount,
    "sales_order": SalesOrder,
    "order_reference": OrderReference,
    "erp_address": ErpAddress,
    "shipment_order": ShipmentOrder,
    "ship_to": ShipTo,
    "goods_issue": GoodsIssue,
    "invoice_posting": InvoicePosting,
    "fulfilment": Fulfilment,
    "parcel_notice": ParcelNotice,
    "open_units": OpenUnits,
    "shipment_lines": ShipmentLines,
    "goods_return": GoodsReturn,
    "credit_memo": CreditMemo,
    "supplementary_invoice": SupplementaryInvoice,
    "pickup_order": PickupOrder,
    "pickup_release": PickupRelease,
    "pickup_notice": PickupNotice,
    "order_cancellation": OrderCancellation,
    "payment_capture": PaymentCapture,
    "payment_void": PaymentVoid,
    "payment_refund": PaymentRefund,
    "store_credit": StoreCredit,
    "return_record": ReturnRecord,
    "refund_notice": RefundNotice,
    "lookup": Lookup,
}
"""What we ask of systems."""

ANSWERS: dict[str, type[msgspec.Struct]] = {"availability": Availability, "price": PriceQuote}
"""What systems answer at once, when they are asked."""

NAMES: dict[type[msgspec.Struct], str] = {noun: name for name, noun in (FACTS | COMMANDS | ANSWERS).items()}


@cache
def decoder(noun: str) -> msgspec.json.Decoder[Any]:
    """The decoder of a stored body, command and fact alike."""
    return msgspec.json.Decoder(COMMANDS.get(noun) or FACTS[noun])
