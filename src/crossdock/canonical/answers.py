"""What a system answers at once when it is asked about a product."""

from __future__ import annotations

import msgspec

from crossdock.canonical.stock import StockLevel
from crossdock.kernel.money import AnyMoney


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of one SKU, location by location."""

    sku: str
    levels: tuple[StockLevel, ...]

    @property
    def available(self) -> int:
        """Units that nothing is promised from, at all locations."""
        return sum(level.available for level in self.levels)


class PriceQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of a SKU is sold for by its list, before discounts."""

    sku: str
    unit_price: AnyMoney
    includes_tax: bool
