"""What is sold and what is there of it, as one system counts."""

from __future__ import annotations

import msgspec

from crossdock.kernel.money import AnyMoney


class StockLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one SKU at one location; reserved ones are promised but still there: on hand − reserved = available."""

    sku: str
    location: str
    on_hand: int
    reserved: int
    available: int


class Product(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product as its system lists it; the price is for one unit, before tax."""

    sku: str
    name: str
    list_price: AnyMoney
