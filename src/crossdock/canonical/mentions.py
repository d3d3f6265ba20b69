"""Which of our keys a command mentions that its target may call by other names."""

from __future__ import annotations

import msgspec

from crossdock.canonical.order import SalesOrder
from crossdock.canonical.pickup import PickupOrder
from crossdock.canonical.returns import CreditMemo, GoodsReturn, SupplementaryInvoice
from crossdock.canonical.shipment import GoodsIssue, ShipmentLines, ShipmentOrder


def mentions(body: msgspec.Struct) -> set[tuple[str, str]]:
    """(kind, key) pairs: products by SKU, locations by code."""
    match body:
        case SalesOrder():
            return {("product", line.sku) for line in body.order.lines}
        case ShipmentOrder() | ShipmentLines():
            return {("product", line.sku) for line in body.lines}
        case GoodsIssue():
            products = {("product", line.sku) for line in body.shipment.lines}
            return products | {("location", body.shipment.location)}
        case GoodsReturn():
            return {("product", line.sku) for line in body.lines} | {("location", line.location) for line in body.lines}
        case PickupOrder():
            return {("location", body.location)}
        case CreditMemo() | SupplementaryInvoice():
            return {("product", line.sku) for line in body.lines if line.sku}
        case _:
            return set()
