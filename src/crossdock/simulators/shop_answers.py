"""The shop's things as GraphQL nodes: every field a connector may ask for, rendered only when it is."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import TypeVar

from crossdock.kernel.moments import parse
from crossdock.simulators.listing import HONEST, ListMischief
from crossdock.simulators.shop_connections import Arguments, first, pages, plain_id, utc_moment
from crossdock.simulators.shop_graphql import Node, RequestError
from crossdock.simulators.shop_price_nodes import GraphPrices
from crossdock.simulators.shop_prices import gid
from crossdock.simulators.shop_records import Return
from crossdock.simulators.shop_refund_nodes import refund_node, return_node, transaction_node
from crossdock.simulators.shop_state import (
    Address,
    Customer,
    FulfilledLine,
    Fulfilment,
    FulfilmentOrder,
    Line,
    Metafield,
    Order,
    ShippingLine,
    ToFulfil,
    World,
    by_last_change,
    totals,
)

_SINCE = re.compile(r"updated_at:>='([^']+)'((?: OR return_status:[a-z_]+)*)")


def _id_place(thing: Line | ShippingLine | FulfilmentOrder | FulfilledLine | ToFulfil | Return) -> str:
    return f"{thing.id:020d}"


L = TypeVar("L", Order, Customer)


def _place_in(page: Node) -> str:
    """The place of a page's last thing."""
    cursor = page["pageInfo"]["endCursor"]
    return base64.b64decode(cursor).decode() if cursor else ""


def _change_place(thing: Order | Customer) -> str:
    return f"{utc_moment(thing.updated_at)} {thing.id:020d}"


class Answers:
    """Nodes of one shop as it is now."""

    def __init__(self, world: World, lists: ListMischief = HONEST) -> None:
        self._world = world
        self._lists = lists

    @property
    def roots(self) -> Mapping[str, Callable[[Arguments], Node | None]]:
        """What a query may begin with."""
        return {
            "order": self.order,
            "orders": self.orders,
            "ordersCount": self.orders_count,
            "customer": self.customer,
            "customers": self.customers,
            "customersCount": self.customers_count,
            "fulfillment": self.fulfilment,
            "fulfillmentOrder": self.fulfilment_order,
            "refund": self.refund,
            "return": self.returned,
            "job": self.job,
        }

    def order(self, arguments: Arguments) -> Node | None:
        found = self._world.orders.get(plain_id(arguments["id"], "Order") or 0)
        return None if found is None else self.order_node(found)

    def orders(self, arguments: Arguments) -> Node:
        since, statuses = _searched(arguments)
        chosen = by_last_change(
            self._world.orders.values(), since, lambda order: order.return_status.lower() in statuses
        )
        return self._listed("orders", chosen, self.order_node, arguments)

    def orders_count(self, _: Arguments) -> Node:
        return {"count": self._lists.counted("orders", len(self._world.orders)), "precision": "EXACT"}

    def customer(self, arguments: Arguments) -> Node | None:
        found = self._world.customers.get(plain_id(arguments["id"], "Customer") or 0)
        return None if found is None else _customer_node(found)

    def customers(self, arguments: Arguments) -> Node:
        chosen = by_last_change(self._world.customers.values(), _searched(arguments)[0])
        return self._listed("customers", chosen, _customer_node, arguments)

    def customers_count(self, _: Arguments) -> Node:
        return {"count": self._lists.counted("customers", len(self._world.customers)), "precision": "EXACT"}

    def _listed(self, name: str, chosen: Sequence[L], node: Callable[[L], Node], arguments: Arguments) -> Node:
        """A page of what changed, as the shop shows it now."""
        page = arguments.get("first", 50)
        shown = self._lists.shown(name, chosen, page, lambda thing: str(thing.id))
        found = pages(shown, node, _change_place)(arguments)
        upto = sum(_change_place(thing) <= _place_in(found) for thing in shown)
        if not self._lists.ends(name, upto):
            return found
        return {**found, "pageInfo": {**found["pageInfo"], "hasNextPage": False}}

    def refund(self, arguments: Arguments) -> Node | None:
        number = plain_id(arguments["id"], "Refund")
        for order in self._world.orders.values():
            for each in order.refunds:
                if each.id == number:
                    return refund_node(each, order, GraphPrices(order.currency))
        return None

    def returned(self, arguments: Arguments) -> Node | None:
        number = plain_id(arguments["id"], "Return")
        for order in self._world.orders.values():
            for each in order.returns:
                if each.id == number:
                    return return_node(each, order, self._world)
        return None

    def job(self, arguments: Arguments) -> Node | None:
        """Jobs here are over as soon as they were asked for."""
        return {"id": arguments["id"], "done": True}

    def fulfilment(self, arguments: Arguments) -> Node | None:
        number = plain_id(arguments["id"], "Fulfillment")
        for order in self._world.orders.values():
            for each in order.fulfilments:
                if each.id == number:
                    return fulfilment_node(each, self._world)
        return None

    def fulfilment_order(self, arguments: Arguments) -> Node | None:
        found = self._world.fulfilment_orders.get(plain_id(arguments["id"], "FulfillmentOrder") or 0)
        return None if found is None else self._fulfilment_order_node(found)

    def order_node(self, order: Order) -> Node:
        buyer = self._world.customers.get(order.customer) if order.customer else None
        prices = GraphPrices(order.currency)
        return {
            "__typename": "Order",
            "id": gid("Order", order.id),
            "legacyResourceId": str(order.id),
            "name": order.name,
            "number": order.number,
            "confirmationNumber": order.confirmation_number,
            "createdAt": utc_moment(order.created_at),
            "processedAt": utc_moment(order.created_at),
            "updatedAt": utc_moment(order.updated_at),
            "cancelledAt": utc_moment(order.cancelled_at),
            "currencyCode": order.currency,
            "presentmentCurrencyCode": order.presentment_currency,
            "taxesIncluded": order.taxes_included,
            "displayFinancialStatus": order.financial_status.upper(),
            "email": order.email,
            "currentTotalPriceSet": prices.bag(totals(order, current=True).total),
            "totalPriceSet": prices.bag(totals(order, current=False).total),
            "totalTipReceivedSet": prices.bag(order.tip),
            "totalRefundedSet": prices.bag(order.given_back),
            "customer": buyer and _customer_node(buyer),
            "billingAddress": _address_node(order.billing_address),
            "shippingAddress": _address_node(order.shipping_address),
            "shippingLines": pages(order.shipping_lines, prices.shipping_node, _id_place),
            "lineItems": pages(order.lines, lambda line: prices.line_node(line, order.to_ship(line.id)), _id_place),
            "refunds": first(lambda: [refund_node(each, order, prices) for each in order.refunds]),
            "transactions": first(lambda: [transaction_node(each, prices) for each in order.transactions]),
            "fulfillments": first(lambda: [fulfilment_node(each, self._world) for each in order.fulfilments]),
            "fulfillmentsCount": {"count": len(order.fulfilments), "precision": "EXACT"},
            "returnStatus": order.return_status,
            "returns": pages(order.returns, lambda each: return_node(each, order, self._world), _id_place),
            "cancellation": order.cancelled_at and {"staffNote": order.staff_note},
            "fulfillmentOrders": pages(order.fulfilment_orders, self._fulfilment_order_node, _id_place),
        }

    def _fulfilment_order_node(self, wanted: FulfilmentOrder) -> Node:
        location = self._world.locations[wanted.location]
        return {
            "id": gid("FulfillmentOrder", wanted.id),
            "status": wanted.status,
            "deliveryMethod": {"id": gid("DeliveryMethod", wanted.id), "methodType": wanted.method},
            "assignedLocation": {
                "name": location.name,
                "location": {"id": gid("Location", location.id), "legacyResourceId": str(location.id)},
            },
            "lineItems": pages(wanted.lines, _to_fulfil_node, _id_place),
        }

    def metafield_node(self, metafield: Metafield, order: Order) -> Node:
        return {
            "id": gid("Metafield", metafield.id),
            "namespace": metafield.namespace,
            "key": metafield.key,
            "type": metafield.type,
            "value": metafield.value,
            "owner": self.order_node(order),
        }


def _searched(arguments: Arguments) -> tuple[datetime | None, frozenset[str]]:
    """What was changed since when, and orders with returns of which status besides."""
    wanted = arguments.get("query")
    if wanted is None:
        return None, frozenset()
    match = _SINCE.fullmatch(wanted)
    if match is None:
        raise RequestError(f"the simulator can't search by {wanted!r}", "BAD_REQUEST")
    return parse(match[1]), frozenset(match[2].replace(" OR return_status:", " ").split())


def _customer_node(customer: Customer) -> Node:
    return {
        "__typename": "Customer",
        "id": gid("Customer", customer.id),
        "legacyResourceId": str(customer.id),
        "createdAt": utc_moment(customer.created_at),
        "updatedAt": utc_moment(customer.updated_at),
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "defaultEmailAddress": customer.email and {"emailAddress": customer.email},
        "defaultPhoneNumber": customer.phone and {"phoneNumber": customer.phone},
        "defaultAddress": _address_node(customer.address),
    }


def _address_node(address: Address | None) -> Node | None:
    if address is None:
        return None
    return {
        "name": address.name,
        "firstName": address.first_name,
        "lastName": address.last_name,
        "company": address.company,
        "address1": address.address1,
        "address2": address.address2,
        "city": address.city,
        "province": address.province,
        "provinceCode": address.province_code,
        "country": address.country,
        "countryCodeV2": address.country_code,
        "zip": address.zip,
        "phone": address.phone,
    }


def _to_fulfil_node(part: ToFulfil) -> Node:
    return {
        "id": gid("FulfillmentOrderLineItem", part.id),
        "totalQuantity": part.total,
        "remainingQuantity": part.remaining,
        "lineItem": {"id": gid("LineItem", part.line)},
    }


def fulfilment_node(fulfilment: Fulfilment, world: World) -> Node:
    place = world.locations[fulfilment.location]
    tracked = list(zip_longest(fulfilment.numbers, fulfilment.urls[: len(fulfilment.numbers)]))
    return {
        "id": gid("Fulfillment", fulfilment.id),
        "legacyResourceId": str(fulfilment.id),
        "name": fulfilment.name,
        "status": fulfilment.status.upper(),
        "totalQuantity": sum(part.units for part in fulfilment.lines),
        "createdAt": utc_moment(fulfilment.created_at),
        "updatedAt": utc_moment(fulfilment.updated_at),
        "order": {"id": gid("Order", fulfilment.order), "legacyResourceId": str(fulfilment.order)},
        "location": {"id": gid("Location", place.id), "legacyResourceId": str(place.id), "name": place.name},
        "fulfillmentLineItems": pages(fulfilment.lines, _fulfilled_node, _id_place),
        "trackingInfo": first(lambda: [_tracking_node(fulfilment.company, *each) for each in tracked]),
    }


def _fulfilled_node(part: FulfilledLine) -> Node:
    return {
        "id": gid("FulfillmentLineItem", part.id),
        "quantity": part.units,
        "lineItem": {"id": gid("LineItem", part.line)},
    }


def _tracking_node(company: str | None, number: str, url: str | None) -> Node:
    return {"company": company, "number": number, "url": url}
