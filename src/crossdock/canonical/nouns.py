"""The nouns documents carry, by the name they are stored and published under (contract version 1)."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from crossdock.canonical.lookup import Lookup
from crossdock.canonical.order import ErpAddress, Order, OrderReference, PartyAccount, SalesOrder
from crossdock.canonical.party import Customer
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    Invoice,
    InvoicePosting,
    ParcelNotice,
    Shipment,
    ShipmentOrder,
    ShipTo,
)
from crossdock.canonical.stock import Product, StockLevel

VERSION = 1

FACTS: dict[str, type[msgspec.Struct]] = {
    "customer": Customer,
    "order": Order,
    "shipment": Shipment,
    "fulfilment": Fulfilment,
    "invoice": Invoice,
    "party_account": PartyAccount,
    "product": Product,
    "stock_level": StockLevel,
}
"""What systems tell us."""

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
    "lookup": Lookup,
}
"""What we ask of systems."""

NAMES: dict[type[msgspec.Struct], str] = {noun: name for name, noun in (FACTS | COMMANDS).items()}


@cache
def decoder(noun: str) -> msgspec.json.Decoder[Any]:
    """The decoder of a stored body, command and fact alike."""
    return msgspec.json.Decoder(COMMANDS.get(noun) or FACTS[noun])
