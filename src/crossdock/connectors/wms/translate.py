"""The warehouse's messages in the retail language. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from crossdock.canonical import party, shipment
from crossdock.connect.documents import Document, Ignore, Origin, Translated, Untranslatable
from crossdock.connectors.wms import wire
from crossdock.connectors.wms.system import connector

T = TypeVar("T")

_OURS = re.compile(r"order:[!-9;-~]{1,60}:[!-~]{1,120}")
"""An order's entity key: kind, connection, id, in printable ASCII without blanks."""


@connector.translate("shipment.shipped", "shipment.delivered")
def shipped(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A parcel left, or its carrier says that it arrived: one shipment, belonging to the order its reference names."""
    yield _document(_read(body, wire.ShipmentTold).data)


@connector.translate("shipment.read")
def shipment_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A shipment as a read found it; the same document as its webhook's."""
    yield _document(_read(body, wire.Shipment))


@connector.translate(
    "shipment_order.accepted",
    "shipment_order.rejected",
    "shipment_order.ship_to_changed",
    "shipment_order.lines_changed",
)
def told_of_our_order(body: bytes, origin: Origin) -> Iterator[Translated]:
    """What the warehouse did with our own request: its answer, or our inquiry, has told us already."""
    told = _read(body, wire.ShipmentOrderTold)
    yield Ignore(f"answered_by_receipt:{told.type}")


def address_of(held: wire.Address) -> party.Address:
    return party.Address(**msgspec.structs.asdict(held))


def _document(parcel: wire.Shipment) -> Document:
    names = [parcel.id, parcel.shipment_order, parcel.tracking and parcel.tracking.number]
    return Document(
        kind="shipment",
        id=parcel.id,
        entity=_entity(parcel.reference),
        body=_shipment(parcel),
        token=parcel.sequence,
        aliases=tuple(name for name in names if name),
    )


def _entity(reference: str | None) -> str | None:
    return reference if reference and _OURS.fullmatch(reference) else None


def _shipment(parcel: wire.Shipment) -> shipment.Shipment:
    if len({line.line for line in parcel.lines}) < len(parcel.lines):
        raise Untranslatable(f"shipment {parcel.id} names one line twice")
    return shipment.Shipment(
        id=parcel.id,
        reference=parcel.reference or "",
        location=parcel.location,
        lines=tuple(shipment.ShipmentLine(line=line.line, sku=line.sku, units=line.units) for line in parcel.lines),
        shipped_at=_utc(parcel.shipped_at),
        delivered_at=None if parcel.delivered_at is None else _utc(parcel.delivered_at),
        tracking=parcel.tracking and _tracking(parcel.tracking),
    )


def _tracking(held: wire.Tracking) -> shipment.Tracking:
    return shipment.Tracking(carrier=held.carrier, number=held.number, url=held.url)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # an offset at either end of the calendar
        raise Untranslatable(f"{moment} is no time anything could have left") from error


def _read(body: bytes, shape: type[T]) -> T:
    """The body in its wire type. msgspec raises these two of Python's beside its own."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise Untranslatable("the body is not UTF-8") from error
    except RecursionError as error:
        raise Untranslatable("the body is nested too deeply") from error
