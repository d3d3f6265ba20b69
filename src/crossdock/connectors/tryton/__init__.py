"""Tryton, over its JSON-RPC: customers, sales in lists, parcels, invoices, products and stock."""

from __future__ import annotations

from crossdock.connectors.tryton import (
    answers,
    corrections,
    delivery_address,
    goods_issue,
    goods_return,
    held,
    held_shipments,
    invoices,
    open_units,
    parties,
    reads,
    sales,
    translate,
)
from crossdock.connectors.tryton.system import Settings, connector

__all__ = [
    "Settings",
    "answers",
    "connector",
    "corrections",
    "delivery_address",
    "goods_issue",
    "goods_return",
    "held",
    "held_shipments",
    "invoices",
    "open_units",
    "parties",
    "reads",
    "sales",
    "translate",
]
