"""What may be changed over GraphQL, with the rules Shopify enforces and the errors it gives."""

from __future__ import annotations

from typing import Any

from crossdock.simulators.mischief import BulkPlan
from crossdock.simulators.shop_actions import TrackingInfo, Trading
from crossdock.simulators.shop_answers import Answers, fulfilment_node
from crossdock.simulators.shop_connections import Arguments, plain_id
from crossdock.simulators.shop_graphql import Node
from crossdock.simulators.shop_packing import STILL_SHIPPING
from crossdock.simulators.shop_state import FulfilmentOrder, Metafield, Order, ToFulfil

_METAFIELDS_MAX = 25
_BAD_QUANTITY = "Invalid fulfillment order line item quantity requested."


class UserErrors(Exception):
    """What is wrong with the input; nothing is done."""

    def __init__(self, message: str, *field: str, code: str = "INVALID") -> None:
        super().__init__(message)
        self.errors = [{"field": list(field) or None, "message": message, "code": code, "elementIndex": None}]


def fulfillment_create(shop: Trading, arguments: Arguments) -> Node:
    """One parcel of units that are still to ship, from one order and one location."""
    asked: dict[str, Any] = arguments["fulfillment"]
    try:
        order, location, parts = _to_ship(shop, asked["lineItemsByFulfillmentOrder"])
    except UserErrors as wrong:
        return {"fulfillment": None, "userErrors": wrong.errors}
    told = bool(asked.get("notifyCustomer", False))
    made = shop.fulfil(order, location, parts, _tracking(asked.get("trackingInfo") or {}), by="api", told_customer=told)
    return {"fulfillment": fulfilment_node(made, shop.world), "userErrors": []}


def _tracking(asked: dict[str, Any]) -> TrackingInfo:
    one_number, one_url = asked.get("number"), asked.get("url")
    return TrackingInfo(
        company=asked.get("company"),
        numbers=asked.get("numbers") or ([one_number] if one_number else []),
        urls=asked.get("urls") or ([one_url] if one_url else []),
    )


def _to_ship(shop: Trading, asked: list[dict[str, Any]]) -> tuple[Order, int, list[tuple[ToFulfil, int]]]:
    wanted = [(_open_fulfilment_order(shop, each["fulfillmentOrderId"]), each) for each in asked]
    if not wanted:
        raise UserErrors("No fulfillment orders were given.", "fulfillment")
    first = wanted[0][0]
    if any((each.order, each.location) != (first.order, first.location) for each, _ in wanted):
        raise UserErrors("All fulfillment orders must be of the same order and location.", "fulfillment")
    parts = [part for each, given in wanted for part in _parts(each, given.get("fulfillmentOrderLineItems"))]
    return shop.world.orders[first.order], first.location, parts


def _open_fulfilment_order(shop: Trading, global_id: str) -> FulfilmentOrder:
    found = shop.world.fulfilment_orders.get(plain_id(global_id, "FulfillmentOrder") or 0)
    if found is None:
        raise UserErrors("Fulfillment order does not exist.", "fulfillment")
    if found.status not in STILL_SHIPPING:
        raise UserErrors(
            f"Fulfillment order {found.id} has an unfulfillable status= {found.status.lower()}.", "fulfillment"
        )
    return found


def _parts(order: FulfilmentOrder, asked: list[dict[str, Any]] | None) -> list[tuple[ToFulfil, int]]:
    """The lines and units asked for; none asked for means all that is left."""
    if not asked:
        return [(part, part.remaining) for part in order.lines if part.remaining]
    parts = [(_part(order, each["id"]), int(each["quantity"])) for each in asked]
    for part in order.lines:
        units = [each for one, each in parts if one is part]
        if units and (min(units) <= 0 or sum(units) > part.remaining):
            raise UserErrors(_BAD_QUANTITY, "fulfillment")
    return parts


def _part(order: FulfilmentOrder, global_id: str) -> ToFulfil:
    number = plain_id(global_id, "FulfillmentOrderLineItem")
    for part in order.lines:
        if part.id == number:
            return part
    raise UserErrors("Fulfillment order line item does not exist.", "fulfillment")


def metafields_set(shop: Trading, arguments: Arguments, plan: BulkPlan) -> Node:
    """All of them or none; under a bulk fault only those of the plan are done or answered."""
    asked: list[dict[str, Any]] = arguments["metafields"]
    try:
        owners = _owners(shop, asked)
    except UserErrors as wrong:
        return {"metafields": None, "userErrors": wrong.errors}
    done = {at: _set(shop, owners[at], asked[at]) for at in sorted(plan.done)}
    answers = Answers(shop.world)
    shown = [answers.metafield_node(done[at], owners[at]) for at in sorted(plan.answered) if at in done]
    return {"metafields": shown, "userErrors": []}


def _owners(shop: Trading, asked: list[dict[str, Any]]) -> list[Order]:
    if len(asked) > _METAFIELDS_MAX:
        raise UserErrors(
            f"Exceeded the maximum metafields input limit of {_METAFIELDS_MAX}.", "metafields", code="INVALID"
        )
    return [_owner(shop, at, each) for at, each in enumerate(asked)]


def _owner(shop: Trading, at: int, asked: dict[str, Any]) -> Order:
    owner = shop.world.orders.get(plain_id(asked["ownerId"], "Order") or 0)
    if owner is None:
        raise UserErrors("Owner does not exist.", "metafields", str(at), "ownerId", code="INVALID")
    if not asked["value"].strip():
        raise UserErrors("Value can't be blank.", "metafields", str(at), "value", code="BLANK")
    if asked.get("type") == "single_line_text_field" and "\n" in asked["value"]:
        raise UserErrors("Value can't contain line breaks.", "metafields", str(at), "value", code="INVALID_VALUE")
    return owner


def _set(shop: Trading, order: Order, asked: dict[str, Any]) -> Metafield:
    name = f"{asked['namespace']}.{asked['key']}"
    known = order.metafields.get(name)
    number = known.id if known else shop.world.next_id("Metafield")
    order.metafields[name] = Metafield(number, asked["namespace"], asked["key"], asked["type"], asked["value"])
    shop.ledger.append("metafield_set", str(order.id), name=name, value=asked["value"])
    return order.metafields[name]
