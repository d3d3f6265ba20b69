"""Reading returns: one by its id, and all of the orders that changed or have one under way."""

from __future__ import annotations

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.shopify.by_order import ByOrder
from crossdock.connectors.shopify.graphql import ask
from crossdock.connectors.shopify.graphql_wire import GraphId, PageInfo
from crossdock.connectors.shopify.listing import Nodes, asked_for, place_of
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import gid

# Shopify refuses a query reckoned above 1,000 points: 2 a connection, 1 an object, times `first`.
_ONE = {"lines": 40, "places": 4, "goods": 20}
_OF_ORDERS = {"orders": 20, "returns": 1, "lines": 4, "places": 1, "goods": 4}
_OF_ONE_ORDER = 100
# A return has no time of its last change and can't be searched by one; nobody publishes that each change of it is one of its
# order. So those under way are looked at every time; what has ended is found by the list of everything.
_UNDER_WAY = "return_status:return_requested OR return_status:in_progress OR return_status:inspection_complete"


class _One(msgspec.Struct):
    of_return: msgspec.Raw = msgspec.field(name="return")


class _Lines(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class _Place(msgspec.Struct, rename="camel"):
    line_items: _Lines


class _Places(msgspec.Struct, rename="camel"):
    nodes: list[_Place]
    page_info: PageInfo


class _Stub(msgspec.Struct, rename="camel"):
    """What a listing must know of a return without reading it."""

    id: str
    return_line_items: _Lines
    reverse_fulfillment_orders: _Places

    @property
    def whole(self) -> bool:
        places = self.reverse_fulfillment_orders
        pages = [self.return_line_items.page_info, places.page_info]
        pages += [place.line_items.page_info for place in places.nodes]
        return not any(page.has_next_page for page in pages)


class _OfOrder(msgspec.Struct, rename="camel"):
    legacy_resource_id: str
    updated_at: str
    returns: Nodes

    @property
    def shown(self) -> list[msgspec.Raw]:
        return self.returns.nodes

    @property
    def shows_all(self) -> bool:
        return not self.returns.page_info.has_next_page


class _OfOrders(msgspec.Struct):
    orders: Nodes


class _Ids(msgspec.Struct, rename="camel"):
    nodes: list[GraphId]
    page_info: PageInfo


class _Returns(msgspec.Struct):
    returns: _Ids


class _IdsOfOrder(msgspec.Struct):
    order: _Returns | None


async def read_return(number: str, link: Link[Settings]) -> Reading | None:
    return await _read(number, "", link)


async def list_returns(cursor: str, link: Link[Settings]) -> Page:
    """All returns of the orders that changed, and of those that have one under way."""
    at = place_of(cursor)
    asked = {**asked_for(at, link, besides=_UNDER_WAY), **_OF_ORDERS}
    answer = await ask("ReturnsOfOrders", asked, _OfOrders, link)
    orders = [msgspec.json.decode(node, type=_OfOrder) for node in answer.orders.nodes]
    return await _RETURNS.page(orders, answer.orders.page_info, at, _OF_ORDERS["orders"], link)


async def _ids(number: str, link: Link[Settings]) -> list[str]:
    found, after = list[str](), None
    while True:
        asked = {"id": gid("Order", number), "returns": _OF_ONE_ORDER, "after": after}
        answer = await ask("OrderReturns", asked, _IdsOfOrder, link)
        if answer.order is None:
            return found
        found += [each.id for each in answer.order.returns.nodes]
        page = answer.order.returns.page_info
        if not page.has_next_page:
            return found
        after = page.end_cursor


async def _read(number: str, under: str, link: Link[Settings]) -> Reading | None:
    answer = await ask("Return", {"id": gid("Return", number), **_ONE}, _One, link)
    body = bytes(answer.of_return)
    return None if body == b"null" else _RETURNS.reading(number, body, under)


_RETURNS = ByOrder("graphql/return", _Stub, _read, _ids)
