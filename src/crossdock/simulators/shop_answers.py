"""The shop's things as GraphQL nodes: every field a connector may ask for, rendered only when it is."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, TypeVar

from crossdock.kernel.moments import parse
from crossdock.kernel.money import Money, to_decimal
from crossdock.simulators.shop_graphql import Node, RequestError
from crossdock.simulators.shop_prices import gid
from crossdock.simulators.shop_state import (
    Address,
    Customer,
    Fulfilment,
    FulfilmentOrder,
    Line,
    Metafield,
    Order,
    ShippingLine,
    TaxLine,
    ToFulfil,
    World,
    by_last_change,
    totals,
)

T = TypeVar("T")
Arguments = dict[str, Any]
_SINCE = re.compile(r"updated_at:>='([^']+)'")


def plain_id(global_id: object, kind: str) -> int | None:
    """The number in a global id of that kind; None when it is none."""
    prefix, _, number = str(global_id).rpartition("/")
    return int(number) if prefix == f"gid://shopify/{kind}" and number.isdigit() else None


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pages(things: Sequence[T], node: Callable[[T], Node], place: Callable[[T], str]) -> Callable[[Arguments], Node]:
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


def _first(nodes: Callable[[], list[Node]]) -> Callable[[Arguments], list[Node]]:
    """A plain list that can be cut short."""

    def cut(given: Arguments) -> list[Node]:
        return nodes()[: given.get("first")]

    return cut


def _id_place(thing: Line | ShippingLine | FulfilmentOrder | ToFulfil) -> str:
    return f"{thing.id:020d}"


def _change_place(thing: Order | Customer) -> str:
    return f"{_moment(thing.updated_at)} {thing.id:020d}"


class Answers:
    """Nodes of one shop as it is now."""

    def __init__(self, world: World) -> None:
        self._world = world

    def order(self, arguments: Arguments) -> Node | None:
        found = self._world.orders.get(plain_id(arguments["id"], "Order") or 0)
        return None if found is None else self.order_node(found)

    def orders(self, arguments: Arguments) -> Node:
        chosen = by_last_change(self._world.orders.values(), _since(arguments))
        return _pages(chosen, self.order_node, _change_place)(arguments)

    def customer(self, arguments: Arguments) -> Node | None:
        found = self._world.customers.get(plain_id(arguments["id"], "Customer") or 0)
        return None if found is None else _customer_node(found)

    def customers(self, arguments: Arguments) -> Node:
        chosen = by_last_change(self._world.customers.values(), _since(arguments))
        return _pages(chosen, _customer_node, _change_place)(arguments)

    def fulfilment_order(self, arguments: Arguments) -> Node | None:
        found = self._world.fulfilment_orders.get(plain_id(arguments["id"], "FulfillmentOrder") or 0)
        return None if found is None else self._fulfilment_order_node(found)

    def order_node(self, order: Order) -> Node:
        buyer = self._world.customers.get(order.customer) if order.customer else None
        prices = _Prices(order.currency)
        return {
            "__typename": "Order",
            "id": gid("Order", order.id),
            "legacyResourceId": str(order.id),
            "name": order.name,
            "number": order.number,
            "confirmationNumber": order.confirmation_number,
            "createdAt": _moment(order.created_at),
            "processedAt": _moment(order.created_at),
            "updatedAt": _moment(order.updated_at),
            "cancelledAt": _moment(order.cancelled_at),
            "currencyCode": order.currency,
            "taxesIncluded": order.taxes_included,
            "displayFinancialStatus": order.financial_status.upper(),
            "email": order.email,
            "currentTotalPriceSet": prices.bag(totals(order, current=True).total),
            "customer": buyer and _customer_node(buyer),
            "billingAddress": _address_node(order.billing_address),
            "shippingAddress": _address_node(order.shipping_address),
            "shippingLines": _pages(order.shipping_lines, prices.shipping_node, _id_place),
            "lineItems": _pages(order.lines, prices.line_node, _id_place),
            "fulfillments": _first(lambda: [fulfilment_node(each) for each in order.fulfilments]),
            "fulfillmentOrders": _pages(order.fulfilment_orders, self._fulfilment_order_node, _id_place),
        }

    def _fulfilment_order_node(self, wanted: FulfilmentOrder) -> Node:
        location = self._world.locations[wanted.location]
        return {
            "id": gid("FulfillmentOrder", wanted.id),
            "status": wanted.status,
            "assignedLocation": {
                "name": location.name,
                "location": {"id": gid("Location", location.id), "legacyResourceId": str(location.id)},
            },
            "lineItems": _pages(wanted.lines, _to_fulfil_node, _id_place),
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


def _since(arguments: Arguments) -> datetime | None:
    wanted = arguments.get("query")
    if wanted is None:
        return None
    match = _SINCE.fullmatch(wanted)
    if match is None:
        raise RequestError(f"the simulator can't search by {wanted!r}", "BAD_REQUEST")
    return parse(match[1])


def _customer_node(customer: Customer) -> Node:
    return {
        "__typename": "Customer",
        "id": gid("Customer", customer.id),
        "legacyResourceId": str(customer.id),
        "createdAt": _moment(customer.created_at),
        "updatedAt": _moment(customer.updated_at),
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


class _Prices:
    """Nodes that hold amounts, in the order's currency."""

    def __init__(self, currency: str) -> None:
        self._currency = currency

    def bag(self, minor: int) -> Node:
        """Shopify's GraphQL trims a Decimal to one digit behind the point: "10.0"."""
        whole, _, digits = str(to_decimal(Money(minor, self._currency))).partition(".")
        amount = f"{whole}.{digits.rstrip('0') or '0'}"
        return {"shopMoney": {"amount": amount, "currencyCode": self._currency}}

    def line_node(self, line: Line) -> Node:
        return {
            "id": gid("LineItem", line.id),
            "name": line.name,
            "title": line.product.title,
            "sku": line.product.sku,
            "quantity": line.quantity,
            "currentQuantity": line.current,
            "requiresShipping": line.product.ships,
            "originalUnitPriceSet": self.bag(line.price),
            "discountAllocations": [{"allocatedAmountSet": self.bag(minor)} for minor in line.discounts],
            "taxLines": [self._tax_node(tax) for tax in line.taxes],
        }

    def shipping_node(self, charge: ShippingLine) -> Node:
        return {
            "title": charge.title,
            "discountedPriceSet": self.bag(charge.discounted),
            "taxLines": [self._tax_node(tax) for tax in charge.taxes],
        }

    def _tax_node(self, tax: TaxLine) -> Node:
        return {"title": tax.title, "rate": tax.rate, "priceSet": self.bag(tax.minor)}


def _to_fulfil_node(part: ToFulfil) -> Node:
    return {
        "id": gid("FulfillmentOrderLineItem", part.id),
        "totalQuantity": part.total,
        "remainingQuantity": part.remaining,
        "lineItem": {"id": gid("LineItem", part.line)},
    }


def fulfilment_node(fulfilment: Fulfilment) -> Node:
    tracked = list(zip_longest(fulfilment.numbers, fulfilment.urls[: len(fulfilment.numbers)]))
    return {
        "id": gid("Fulfillment", fulfilment.id),
        "legacyResourceId": str(fulfilment.id),
        "name": fulfilment.name,
        "status": fulfilment.status.upper(),
        "totalQuantity": sum(part.units for part in fulfilment.lines),
        "createdAt": _moment(fulfilment.created_at),
        "updatedAt": _moment(fulfilment.updated_at),
        "trackingInfo": _first(lambda: [_tracking_node(fulfilment.company, *each) for each in tracked]),
    }


def _tracking_node(company: str | None, number: str, url: str | None) -> Node:
    return {"company": company, "number": number, "url": url}
