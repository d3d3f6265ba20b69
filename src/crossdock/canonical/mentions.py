"""Which of our keys a command mentions that its target may call by other names."""

from __future__ import annotations

import msgspec

from crossdock.canonical.order import SalesOrder
from crossdock.canonical.shipment import GoodsIssue, ShipmentOrder


def mentions(body: msgspec.Struct) -> set[tuple[str, str]]:
    """(kind, key) pairs: products by SKU, locations by code."""
    match body:
        case SalesOrder():
            return {("product", line.sku) for line in body.order.lines}
        case ShipmentOrder():
            return {("product", line.sku) for line in body.lines}
        case GoodsIssue():
            products = {("product", line.sku) for line in body.shipment.lines}
            return products | {("location", body.shipment.location)}
        case _:
            return set()
