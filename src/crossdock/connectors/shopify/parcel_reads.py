"""Reading fulfilments: one by its id, and all of the orders that changed."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.shopify.all_lines import parcel_with_all_lines
from crossdock.connectors.shopify.by_order import ByOrder
from crossdock.connectors.shopify.graphql import ask
from crossdock.connectors.shopify.graphql_wire import GraphId, PageInfo
from crossdock.connectors.shopify.listing import Nodes, asked_for, place_of
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import gid
from crossdock.kernel.faults import Rejected

# Shopify refuses a query reckoned above 1,000 points: 2 a connection, 1 an object, times `first`.
_ONE = {"lines": 100}
_OF_ORDERS = {"orders": 15, "fulfillments": 2, "lines": 6}
_OF_ONE_ORDER = 250


class _One(msgspec.Struct):
    fulfillment: dict[str, Any] | None


class _Lines(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class _Stub(msgspec.Struct, rename="camel"):
    """What a listing must know of a fulfilment without reading it."""

    id: str
    fulfillment_line_items: _Lines

    @property
    def whole(self) -> bool:
        return not self.fulfillment_line_items.page_info.has_next_page


class _OfOrder(msgspec.Struct, rename="camel"):
    legacy_resource_id: str
    updated_at: str
    fulfillments: list[msgspec.Raw]

    @property
    def shown(self) -> list[msgspec.Raw]:
        return self.fulfillments

    @property
    def shows_all(self) -> bool:
        return len(self.fulfillments) < _OF_ORDERS["fulfillments"]


class _OfOrders(msgspec.Struct):
    orders: Nodes


class _Ids(msgspec.Struct):
    fulfillments: list[GraphId]


class _IdsOfOrder(msgspec.Struct):
    order: _Ids | None


async def read_fulfilment(number: str, link: Link[Settings]) -> Reading | None:
    return await _read(number, "", link)


async def list_fulfilments(cursor: str, link: Link[Settings]) -> Page:
    """All fulfilments of the orders that changed: packing, tracking and cancelling change their order."""
    at = place_of(cursor)
    answer = await ask("FulfillmentsOfOrders", {**asked_for(at, link), **_OF_ORDERS}, _OfOrders, link)
    orders = [msgspec.json.decode(node, type=_OfOrder) for node in answer.orders.nodes]
    return await _FULFILMENTS.page(orders, answer.orders.page_info, at, _OF_ORDERS["orders"], link)


async def _ids(number: str, link: Link[Settings]) -> list[str]:
    """All of an order's fulfilments: a list that has no pages, and so has to fit into one."""
    asked = {"id": gid("Order", number), "fulfillments": _OF_ONE_ORDER}
    answer = await ask("OrderFulfillmentIds", asked, _IdsOfOrder, link)
    ids = [each.id for each in answer.order.fulfillments] if answer.order else []
    if len(ids) >= _OF_ONE_ORDER:
        raise Rejected(f"order {number} has {_OF_ONE_ORDER} fulfilments or more", field="fulfillments")
    return ids


async def _read(number: str, under: str, link: Link[Settings]) -> Reading | None:
    answer = await ask("Fulfillment", {"id": gid("Fulfillment", number), **_ONE}, _One, link)
    if answer.fulfillment is None:
        return None
    return _FULFILMENTS.reading(
        number, msgspec.json.encode(await parcel_with_all_lines(answer.fulfillment, link)), under
    )


_FULFILMENTS = ByOrder("graphql/fulfillment", _Stub, _read, _ids)
