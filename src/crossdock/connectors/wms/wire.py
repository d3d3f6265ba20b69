"""The warehouse's JSON, field by field as `api.md` has it; unknown fields are let pass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

# Names become keys and search terms, and PostgreSQL text can't hold NUL: no control characters.
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\A[^\x00-\x1f\x7f]+\Z")]
Units = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """`street` from the outside in; `country` is ISO 3166-1 alpha-2."""

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    line: Name
    sku: Name
    units: Units


class LineUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Units of a line that are to leave in all; none where it is cancelled."""

    line: Name
    sku: Name
    units: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class NewLines(msgspec.Struct, frozen=True):
    lines: tuple[LineUnits, ...]


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of a SKU at one location; reserved units are still there."""

    sku: Name
    location: Name
    on_hand: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
    reserved: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class StockOf(msgspec.Struct, frozen=True):
    items: tuple[Stock, ...]


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment order as it is sent."""

    reference: str
    order_number: str
    ship_to: Address
    lines: tuple[Line, ...]


class NewOrders(msgspec.Struct, frozen=True):
    items: tuple[NewOrder, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was refused; `line` and `sku` say which order line is meant."""

    code: str
    message: str = ""
    field: str | None = None
    line: str | None = None
    sku: str | None = None


class HeldOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment order as the warehouse holds it."""

    id: Name
    reference: str
    status: Literal["received", "accepted", "picking", "shipped", "cancelled", "rejected"]
    ship_to: Address
    lines: tuple[LineUnits, ...] = ()
    problem: Problem | None = None


class HeldOrders(msgspec.Struct, frozen=True):
    items: tuple[HeldOrder, ...]


class ItemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one item of a bulk request; `status` is what the single request would have answered."""

    index: int
    reference: str
    status: int
    shipment_order: HeldOrder | None = None
    problem: Problem | None = None


class BulkAnswer(msgspec.Struct, frozen=True):
    items: tuple[ItemAnswer, ...]


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    carrier: Name
    number: Name
    url: str = ""


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """One parcel that left; `reference` is empty when nobody gave one."""

    id: Name
    location: Name
    sequence: Sequence
    shipped_at: Moment
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1)]
    reference: str | None = None
    shipment_order: Name | None = None
    tracking: Tracking | None = None
    delivered_at: Moment | None = None


class ShipmentTold(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook's envelope; the body's type is signed, the topic header is not."""

    type: Literal["shipment.shipped", "shipment.delivered"]
    data: Shipment


class ShipmentOrderTold(msgspec.Struct, frozen=True, kw_only=True):
    type: Literal[
        "shipment_order.accepted",
        "shipment_order.rejected",
        "shipment_order.ship_to_changed",
        "shipment_order.lines_changed",
    ]
    data: HeldOrder


class ShipmentPage(msgspec.Struct, frozen=True, kw_only=True):
    """Raw items: each goes to the inbox in the warehouse's own bytes."""

    items: tuple[msgspec.Raw, ...]
    cursor: str
    more: bool


class Named(msgspec.Struct, frozen=True):
    id: Name
