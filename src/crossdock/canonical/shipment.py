"""What is to leave, what left, and what everyone is told about it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from crossdock.canonical.party import Address
from crossdock.kernel.money import AnyMoney


class ShipmentLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one order line; `line` is the channel's line id."""

    line: str
    sku: str
    units: int


class Tracking(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    carrier: str
    number: str
    url: str = ""


class ShipmentOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The command that asks a warehouse to ship (X12 940); known there by `reference`, the order's entity key."""

    reference: str
    number: str
    ship_to: Address
    lines: tuple[ShipmentLine, ...]


class ShipTo(msgspec.Struct, frozen=True, kw_only=True):
    """State: where the parcels of a shipment order that are not picked yet go."""

    reference: str
    address: Address


class Shipment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parcel that left (X12 945): from which location, with what, and how to follow it."""

    id: str
    reference: str
    location: str
    lines: tuple[ShipmentLine, ...]
    shipped_at: datetime
    tracking: Tracking | None = None
    delivered_at: datetime | None = None
    """When it arrived, where somebody says so."""


class GoodsIssue(msgspec.Struct, frozen=True, kw_only=True):
    """The command that makes the ERP ship exactly one parcel of a sale, which comes as reference `sale`."""

    shipment: Shipment


class InvoicePosting(msgspec.Struct, frozen=True, kw_only=True):
    """The command that posts the invoice of one parcel; its goods issue comes as reference `issue`, its sale as `sale`.

    Without a parcel it is for the whole of the sale, which was made to be invoiced as it was ordered.
    """

    shipment: str
    invoice_date: datetime


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as the ERP posted it."""

    number: str
    net: AnyMoney
    tax: AnyMoney
    total: AnyMoney


class FulfilmentLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    line: str
    units: int


class Fulfilment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that shows one parcel on the order in its channel; found there again by its tracking number."""

    order: str
    shipment: str
    lines: tuple[FulfilmentLine, ...]
    location: str = ""
    tracking: Tracking | None = None


class ParcelNotice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that tells the customer about one parcel, once."""

    to: str
    name: str
    order_number: str
    lines: tuple[tuple[str, int], ...]
    """(title, units) for each line in the parcel."""
    tracking: Tracking | None = None


class ShipmentLines(msgspec.Struct, frozen=True, kw_only=True):
    """State: the units of a shipment order that are to leave in all, those that have left included."""

    reference: str
    lines: tuple[ShipmentLine, ...]
