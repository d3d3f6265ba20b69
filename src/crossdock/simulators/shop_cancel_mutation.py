"""`orderCancel` with the rules Shopify enforces. What it asks for is done by a job, which here is over at once."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from crossdock.simulators.shop_connections import Arguments, plain_id
from crossdock.simulators.shop_edits import Edits
from crossdock.simulators.shop_graphql import Node
from crossdock.simulators.shop_mutations import UserErrors
from crossdock.simulators.shop_prices import gid

_REASONS = frozenset(("CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF"))
_NOTE_LENGTH_MAX = 255


def order_cancel(shop: Edits, arguments: Arguments) -> Node:
    """Cancel an order of which nothing has left, once."""
    try:
        order = _cancellable(shop, arguments)
    except UserErrors as wrong:
        errors = [{name: each[name] for name in ("code", "field", "message")} for each in wrong.errors]
        return {"job": None, "orderCancelUserErrors": errors, "userErrors": errors}
    method: dict[str, Any] = arguments.get("refundMethod") or {}
    shop.cancel_order(
        order,
        arguments["reason"].lower(),
        refund=bool(method.get("originalPaymentMethodsRefund", arguments.get("refund", False))),
        by="api",
        staff_note=arguments.get("staffNote"),
        told_customer=bool(arguments.get("notifyCustomer", False)),
    )
    job = {"id": gid("Job", 0).replace("/0", f"/{uuid5(NAMESPACE_URL, str(order))}"), "done": False}
    return {"job": job, "orderCancelUserErrors": [], "userErrors": []}


def _cancellable(shop: Edits, arguments: Arguments) -> int:
    found = shop.world.orders.get(plain_id(arguments["orderId"], "Order") or 0)
    if found is None:
        raise UserErrors("Order does not exist", "orderId", code="NOT_FOUND")
    if found.cancelled_at is not None:
        raise UserErrors("Order has already been cancelled", "orderId")
    if any(found.fulfilled(line.id) > found.returned(line.id) for line in found.lines):
        raise UserErrors("Cannot cancel an order with outstanding fulfillments", "orderId")
    if arguments["reason"] not in _REASONS or len(arguments.get("staffNote") or "") > _NOTE_LENGTH_MAX:
        raise UserErrors("is invalid", "reason")
    return found.id
