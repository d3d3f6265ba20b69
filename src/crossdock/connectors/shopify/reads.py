"""Reading orders and customers: one by id, and pages of what changed since a cursor."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.shopify.all_lines import parcel_with_all_lines, refund_with_all_lines
from crossdock.connectors.shopify.graphql import ask
from crossdock.connectors.shopify.graphql_wire import PageInfo
from crossdock.connectors.shopify.listing import Nodes, asked_for, page_of, place_of
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import gid
from crossdock.kernel.faults import Rejected

# Shopify refuses a query reckoned above 1,000 points: 2 a connection, 1 an object, times `first`.
_ONE_ORDER = {"lines": 40, "charges": 15, "transactions": 30}
_MANY_ORDERS = {"orders": 5, "lines": 12, "charges": 2, "transactions": 3}
_REFUNDS = {"refunds": 20, "lines": 10}
_PARCELS = {"fulfillments": 20, "lines": 18}
_MANY_CUSTOMERS = {"customers": 100}


class _Stub(msgspec.Struct, rename="camel"):
    """What a listing must know of a node without reading it."""

    legacy_resource_id: str
    updated_at: str
    line_items: _Connection | None = None
    shipping_lines: _Connection | None = None
    refunds: list[msgspec.Raw] = []
    transactions: list[msgspec.Raw] = []

    @property
    def whole(self) -> bool:
        """Of an order: everything there is of it was on the page."""
        pages = [part.page_info for part in (self.line_items, self.shipping_lines) if part]
        cut = len(self.transactions) >= _MANY_ORDERS["transactions"] or bool(self.refunds)
        return not cut and not any(page.has_next_page for page in pages)


class _Connection(msgspec.Struct, rename="camel"):
    page_info: PageInfo


class _Orders(msgspec.Struct):
    orders: Nodes


class _Customers(msgspec.Struct):
    customers: Nodes


class _Counted(msgspec.Struct):
    count: int
    precision: str


class _OrdersCount(msgspec.Struct, rename="camel"):
    orders_count: _Counted | None


class _CustomersCount(msgspec.Struct, rename="camel"):
    customers_count: _Counted | None


class _OneOrder(msgspec.Struct):
    order: dict[str, Any] | None


class _OneCustomer(msgspec.Struct):
    customer: msgspec.Raw


async def read_order(number: str, link: Link[Settings]) -> Reading | None:
    """The whole order, with as many pages of lines as it has; None when the shop has none of that id."""
    order = await _page_of_order(number, None, link)
    if order is None:
        return None
    last = order["lineItems"]["pageInfo"]
    while last["hasNextPage"]:
        more = await _page_of_order(number, last["endCursor"], link)
        if more is None or more["updatedAt"] != order["updatedAt"]:
            return await read_order(number, link)  # it changed between two pages, which must not be pasted together
        order["lineItems"]["nodes"] += more["lineItems"]["nodes"]
        last = order["lineItems"]["pageInfo"] = more["lineItems"]["pageInfo"]
    if order["refunds"] and not await _read_refunds(order, number, link):
        return await read_order(number, link)
    return Reading(topic="graphql/order", id=number, body=msgspec.json.encode(order))


async def _page_of_order(number: str, after: str | None, link: Link[Settings]) -> dict[str, Any] | None:
    answer = await ask("Order", {"id": gid("Order", number), "linesAfter": after, **_ONE_ORDER}, _OneOrder, link)
    if answer.order and answer.order["shippingLines"]["pageInfo"]["hasNextPage"]:
        raise Rejected(f"order {number} has more than {_ONE_ORDER['charges']} shipping charges", field="shippingLines")
    if answer.order:
        _all_of(answer.order["transactions"], _ONE_ORDER["transactions"], "transactions", number)
    return answer.order


async def _read_refunds(order: dict[str, Any], number: str, link: Link[Settings]) -> bool:
    """Put the order's refunds into it, and its parcels where they matter; False when it changed meanwhile."""
    asked = {"id": gid("Order", number), "linesAfter": None}
    answer = await ask("OrderRefunds", asked | _REFUNDS, _OneOrder, link)
    if answer.order is None or answer.order["updatedAt"] != order["updatedAt"]:
        return False
    order["refunds"] = [
        await refund_with_all_lines(refund, link)
        for refund in _all_of(answer.order["refunds"], _REFUNDS["refunds"], "refunds", number)
    ]
    lines = [line for refund in order["refunds"] for line in refund["refundLineItems"]["nodes"]]
    if all(line["restockType"] in ("RETURN", "CANCEL") for line in lines):
        return True
    answer = await ask("OrderParcels", asked | _PARCELS, _OneOrder, link)
    if answer.order is None or answer.order["updatedAt"] != order["updatedAt"]:
        return False
    order["fulfillments"] = [
        await parcel_with_all_lines(parcel, link)
        for parcel in _all_of(answer.order["fulfillments"], _PARCELS["fulfillments"], "fulfillments", number)
    ]
    return True


def _all_of(found: list[dict[str, Any]], asked: int, what: str, number: str) -> list[dict[str, Any]]:
    """A list that has no pages, and so has to fit into one."""
    if len(found) >= asked:
        raise Rejected(f"order {number} has {asked} {what} or more", field=what)
    return found


async def list_orders(cursor: str, link: Link[Settings]) -> Page:
    """Orders by their last change, the oldest first; one with more lines than the page shows is read by itself."""
    at = place_of(cursor)
    answer = await ask("Orders", {**asked_for(at, link), **_MANY_ORDERS}, _Orders, link)
    stubs = [msgspec.json.decode(node, type=_Stub) for node in answer.orders.nodes]
    readings = [
        Reading(topic="graphql/order", id=stub.legacy_resource_id, body=bytes(node))
        if stub.whole
        else await read_order(stub.legacy_resource_id, link)
        for stub, node in zip(stubs, answer.orders.nodes, strict=True)
    ]
    readings = [reading for reading in readings if reading]
    return page_of(readings, stubs, answer.orders.page_info, at, _MANY_ORDERS["orders"])


async def read_customer(number: str, link: Link[Settings]) -> Reading | None:
    answer = await ask("Customer", {"id": gid("Customer", number)}, _OneCustomer, link)
    if bytes(answer.customer) == b"null":
        return None
    return Reading(topic="graphql/customer", id=number, body=bytes(answer.customer))


async def list_customers(cursor: str, link: Link[Settings]) -> Page:
    at = place_of(cursor)
    answer = await ask("Customers", {**asked_for(at, link), **_MANY_CUSTOMERS}, _Customers, link)
    stubs = [msgspec.json.decode(node, type=_Stub) for node in answer.customers.nodes]
    readings = [
        Reading(topic="graphql/customer", id=stub.legacy_resource_id, body=bytes(node))
        for stub, node in zip(stubs, answer.customers.nodes, strict=True)
    ]
    return page_of(readings, stubs, answer.customers.page_info, at, _MANY_CUSTOMERS["customers"])


async def count_orders(link: Link[Settings]) -> int | None:
    """As many as the shop shows this app; without `limit: null` Shopify stops counting at 10,000."""
    return _exact((await ask("OrdersCount", {}, _OrdersCount, link)).orders_count)


async def count_customers(link: Link[Settings]) -> int | None:
    return _exact((await ask("CustomersCount", {}, _CustomersCount, link)).customers_count)


def _exact(counted: _Counted | None) -> int | None:
    return counted.count if counted and counted.precision == "EXACT" else None
