"""Connections, lists, ids and moments as Shopify's GraphQL writes them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from crossdock.simulators.shop_graphql import Node

T = TypeVar("T")
Arguments = dict[str, Any]


def plain_id(global_id: object, kind: str) -> int | None:
    """The number in a global id of that kind; None when it is none."""
    prefix, _, number = str(global_id).rpartition("/")
    return int(number) if prefix == f"gid://shopify/{kind}" and number.isdigit() else None


def utc_moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pages(things: Sequence[T], node: Callable[[T], Node], place: Callable[[T], str]) -> Callable[[Arguments], Node]:
    """A connection: pages of things sorted by their place, each after the cursor given."""

    def page(given: Arguments) -> Node:
        behind = base64.b64decode(given["after"]).decode() if given.get("after") else ""
        left = [thing for thing in things if place(thing) > behind]
        shown = left[: given.get("first", 50)]
        cursor = base64.b64encode(place(shown[-1]).encode()).decode() if shown else None
        return {
            "nodes": [node(thing) for thing in shown],
            "pageInfo": {"hasNextPage": len(left) > len(shown), "endCursor": cursor},
        }

    return page


def first(nodes: Callable[[], list[Node]]) -> Callable[[Arguments], list[Node]]:
    """A plain list that can be cut short."""

    def cut(given: Arguments) -> list[Node]:
        return nodes()[: given.get("first")]

    return cut
