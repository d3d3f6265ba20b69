"""Where a listing stands, and the page it comes to. Everything is listed by orders or customers and their last change.

Shopify publishes no list of all fulfilments or returns: `QueryRoot` has each by its id only (schema 2026-07), and an order
has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.shopify.graphql_wire import PageInfo
from crossdock.connectors.shopify.settings import Settings
from crossdock.kernel.moments import parse


class Nodes(msgspec.Struct, rename="camel"):
    nodes: list[msgspec.Raw]
    page_info: PageInfo


class Place(msgspec.Struct):
    """Where a listing stands: `since` what it asks, `after` which page, `latest` the last change it saw."""

    since: str = ""
    after: str | None = None
    latest: str = ""


class Changed(Protocol):
    """What a listing must know of a node without reading it."""

    legacy_resource_id: str
    updated_at: str


def place_of(cursor: str) -> Place:
    return msgspec.json.decode(cursor, type=Place) if cursor else Place()


def asked_for(at: Place, link: Link[Settings], *, besides: str = "") -> dict[str, object]:
    """Since the last change seen and some time before it; the filter stays the same through all pages.

    `besides`: what else is listed, however long ago it changed.
    """
    if not at.since:
        return {"since": None, "after": at.after}
    since: datetime = parse(at.since) - timedelta(seconds=link.settings.overlap_seconds)
    changed = f"updated_at:>='{since.isoformat()}'"
    return {"since": f"{changed} OR {besides}" if besides else changed, "after": at.after}


def page_of(
    readings: list[Reading],
    nodes: Sequence[Changed],
    info: PageInfo,
    at: Place,
    asked: int,
    *,
    bare: tuple[str, ...] = (),
) -> Page:
    """The page, and the cursor to go on from; `nodes` are what was paged, `bare` are those that have none of the readings."""
    # What is listed besides may have changed before the rest did.
    latest = max([at.since, at.latest, *(each.updated_at for each in nodes)])
    behind = _cursor(Place(at.since, info.end_cursor, latest)) if info.end_cursor is not None else ""
    if info.has_next_page and behind:
        return Page(items=readings, cursor=behind, more=True, bare=bare)
    # What has changed up to the end is known; the next pass begins there.
    return Page(items=readings, cursor=_cursor(Place(since=latest)), more=False, asked=asked, bare=bare, beyond=behind)


def _cursor(at: Place) -> str:
    return msgspec.json.encode(at).decode()
