"""What a shop keeps ready for buyers who come for it. Pure.

We place it as an order of our own: `reference_id` is the order's entity key, a line's uid the channel's line id, and its SKU is
in the line's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from crossdock.canonical.pickup import Pickup, PickupUnits
from crossdock.connect.documents import Document, Origin
from crossdock.connectors.square import wire
from crossdock.connectors.square.amounts import units, utc
from crossdock.connectors.square.sales import Skus

State = Literal["requested", "reserved", "prepared", "handed_over", "cancelled"]

PICKUP = "PICKUP"
_OURS = re.compile(r"order:[!-9;-~]{1,60}:[!-~]{1,120}")
_STATES: Mapping[str, State] = {
    "PROPOSED": "requested",
    "RESERVED": "reserved",
    "PREPARED": "prepared",
    "COMPLETED": "handed_over",
    "CANCELED": "cancelled",
    "FAILED": "cancelled",
}


def is_ours(order: wire.Order) -> bool:
    """A pickup order that we placed, not a sale of the shop's own."""
    return pickup_of(order) is not None and _OURS.fullmatch(order.reference_id or "") is not None


def pickup_of(order: wire.Order) -> wire.Fulfilment | None:
    return next((each for each in order.fulfillments if each.type == PICKUP), None)


def pickup_fact(order: wire.Order, skus: Skus, origin: Origin) -> Document:
    """How far the shop has got, with the units that really lie ready or were handed over."""
    pickup = pickup_of(order)
    assert pickup is not None
    return Document(
        kind="pickup",
        id=order.id,
        entity=order.reference_id,
        body=Pickup(
            id=order.id,
            reference=order.reference_id or "",
            location=origin.location(order.location_id),
            state=_STATES[pickup.state],
            lines=tuple(_line(line, pickup, skus) for line in order.line_items),
            changed_at=utc(order.updated_at),
        ),
        token=order.version,
        aliases=(order.id,),
    )


def _line(line: wire.LineItem, pickup: wire.Fulfilment, skus: Skus) -> PickupUnits:
    picked = _picked(line, pickup)
    return PickupUnits(
        line=line.uid,
        sku=line.metadata.get("sku") or skus.get(line.catalog_object_id or "", ""),
        asked=units(line.quantity),
        ready=picked if pickup.state in ("PREPARED", "COMPLETED") else 0,
        handed_over=picked if pickup.state == "COMPLETED" else 0,
    )


def _picked(line: wire.LineItem, pickup: wire.Fulfilment) -> int:
    """A short pick lists what it has; a line that is not listed has nothing."""
    if pickup.line_item_application == "ALL":
        return units(line.quantity)
    return sum(units(entry.quantity) for entry in pickup.entries if entry.line_item_uid == line.uid)
