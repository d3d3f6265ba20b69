"""What an ERP holds of what it was told, as it states it itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from crossdock.kernel.money import AnyMoney


class ErpSale(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sale of an order. `net`, `tax` and `total` are as it was confirmed, `lines_net` is what its lines come to now."""

    id: str
    number: str
    part: int
    """1: the order's first sale; a later one holds what was added since."""
    state: Literal["open", "done", "cancelled"]
    net: AnyMoney
    tax: AnyMoney
    total: AnyMoney
    lines_net: AnyMoney
    stopped: bool = False
    """Goods that were to leave are not planned any more, and nobody has said what becomes of them."""


class ErpShipmentLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one product, by the code the ERP has for it."""

    sku: str
    units: int


class ErpShipment(msgspec.Struct, frozen=True, kw_only=True):
    """Goods of an order that left by the ERP's books; `reference` is the parcel's id, empty where nobody named one."""

    id: str
    number: str
    reference: str
    lines: tuple[ErpShipmentLine, ...]
