"""Orders that their buyers fetch in a shop: what is to be kept ready there, and how far that has got."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class PickupLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one order line to be kept ready; `line` is the channel's line id."""

    line: str
    sku: str
    title: str
    units: int


class PickupOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that asks a shop to keep goods ready; known there by `reference`, the order's entity key."""

    reference: str
    number: str
    location: str
    """The shop, by our code."""
    name: str
    """Who comes for it."""
    currency: str
    lines: tuple[PickupLine, ...]
    pick_by: datetime
    hold_until: datetime
    """When it goes back to the shelf if nobody has come."""


class PickupRelease(msgspec.Struct, frozen=True, kw_only=True):
    """State: nothing is kept ready any more for the order; its pickup order comes as reference `pickup_order`.

    What was handed over stays handed over: it is too late then, and a person's matter.
    """

    reference: str
    reason: str


class PickupNotice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that tells the buyer once that goods lie ready: where, until when, which, and what wasn't there."""

    to: str
    name: str
    order_number: str
    place: str
    hold_until: datetime
    lines: tuple[tuple[str, int], ...]
    """(title, units)"""
    missing: tuple[tuple[str, int], ...] = ()
    """(title, units) that the shop didn't have, and that the buyer doesn't pay for."""


class PickupUnits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units of one line: asked for, really lying ready (a short pick has fewer), and handed over."""

    line: str
    sku: str
    asked: int
    ready: int = 0
    handed_over: int = 0


class Pickup(msgspec.Struct, frozen=True, kw_only=True):
    """A pickup order as the shop states it."""

    id: str
    reference: str
    location: str
    state: Literal["requested", "reserved", "prepared", "handed_over", "cancelled"]
    lines: tuple[PickupUnits, ...]
    changed_at: datetime
