"""`refundCreate` with the rules Shopify enforces, its idempotency key among them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from crossdock.kernel.money import from_decimal
from crossdock.simulators.shop_connections import Arguments, plain_id
from crossdock.simulators.shop_graphql import Node, RequestError
from crossdock.simulators.shop_mutations import UserErrors
from crossdock.simulators.shop_price_nodes import GraphPrices
from crossdock.simulators.shop_records import Refund
from crossdock.simulators.shop_refund_nodes import refund_node
from crossdock.simulators.shop_refunds import STORE_CREDIT, LineToRefund, Pay, Refunds, Wanted
from crossdock.simulators.shop_state import NotPossible, Order

NEEDS_IDEMPOTENCY_KEY = frozenset(("refundCreate", "inventoryAdjustQuantities", "inventorySetQuantities"))
"""Mutations that Shopify refuses without `@idempotent` from 2026-04 on, though its schema doesn't say so."""
KEPT = timedelta(hours=24)
"""How long a key is remembered."""
_RESTOCK = {"RETURN": "return", "NO_RESTOCK": "no_restock", "CANCEL": "cancel"}


def idempotency_key(name: str, directive: dict[str, Any] | None) -> str:
    """The key given; the request is refused when there has to be one and there is none."""
    if directive is None and name in NEEDS_IDEMPOTENCY_KEY:
        raise RequestError(f"{name} requires the @idempotent directive with a key", "BAD_REQUEST")
    key = str((directive or {}).get("key", ""))
    if directive is not None and not key.strip():
        raise RequestError("The idempotency key cannot be an empty string or whitespace only", "BAD_REQUEST")
    return key


def refund_create(shop: Refunds, arguments: Arguments, key: str) -> Node:
    """Make the refund once per key; the same key with other input is an error, and so is what the order doesn't allow."""
    asked: dict[str, Any] = arguments["input"]
    try:
        order, made = _repeated(shop, asked, key) or _made(shop, asked, key)
    except UserErrors as wrong:
        errors = [{"field": each["field"], "message": each["message"]} for each in wrong.errors]
        return {"refund": None, "userErrors": errors}
    return {"refund": refund_node(made, order, GraphPrices(order.currency)), "userErrors": []}


def _repeated(shop: Refunds, asked: dict[str, Any], key: str) -> tuple[Order, Refund] | None:
    known = shop.world.refunds_by_key.get(key)
    if known is None or shop.now() - known[2] > KEPT:
        return None
    if known[0] != _print(asked):
        raise UserErrors("The same idempotency key cannot be used with different operation parameters.")
    order = _order(shop, asked)
    shop.ledger.append("refund_repeated", str(order.id), id=str(known[1]), idempotency_key=key)
    return order, next(each for each in order.refunds if each.id == known[1])


def _made(shop: Refunds, asked: dict[str, Any], key: str) -> tuple[Order, Refund]:
    order = _order(shop, asked)
    if order.presentment_currency != order.currency and not asked.get("currency"):
        raise UserErrors("Currency is required for orders in another currency than the shop's", "currency")
    try:
        made = shop.refund(order, _wanted(order, asked))
    except (NotPossible, ValueError) as wrong:
        raise UserErrors(str(wrong)) from wrong
    shop.world.refunds_by_key[key] = (_print(asked), made.id, shop.now())
    return order, made


def _wanted(order: Order, asked: dict[str, Any]) -> Wanted:
    shipping: dict[str, Any] = asked.get("shipping") or {}
    payments = [_pay(order, each) for each in asked.get("transactions") or ()]
    payments += [_credit(order, each["storeCreditRefund"]) for each in asked.get("refundMethods") or ()]
    return Wanted(
        lines=[_line(order, each) for each in asked.get("refundLineItems") or ()],
        shipping=_minor(order, shipping.get("amount", "0")),
        payments=payments,
        note=asked.get("note"),
        by="api",
        told_customer=bool(asked.get("notify", False)),
        over_refunding=bool(asked.get("allowOverRefunding", False)),
    )


def _pay(order: Order, asked: dict[str, Any]) -> Pay:
    if asked["kind"] != "REFUND":
        raise NotPossible("Transactions must be of kind refund")
    return Pay(_minor(order, asked["amount"]), asked["gateway"], plain_id(asked.get("parentId"), "OrderTransaction"))


def _credit(order: Order, asked: dict[str, Any]) -> Pay:
    amount: dict[str, str] = asked["amount"]
    if amount["currencyCode"] != order.currency:
        raise NotPossible(f"Store credit is kept in {order.currency} here")
    return Pay(_minor(order, amount["amount"]), STORE_CREDIT, None)


def _line(order: Order, asked: dict[str, Any]) -> LineToRefund:
    restock = _RESTOCK.get(asked.get("restockType", "NO_RESTOCK"))
    if restock is None:
        raise NotPossible("LEGACY_RESTOCK is not accepted when creating new refunds")
    if restock != "no_restock" and not asked.get("locationId"):
        raise NotPossible("A location is needed to restock")
    line = order.line(plain_id(asked["lineItemId"], "LineItem") or 0)
    return LineToRefund(line, int(asked["quantity"]), restock, plain_id(asked.get("locationId"), "Location"))


def _order(shop: Refunds, asked: dict[str, Any]) -> Order:
    found = shop.world.orders.get(plain_id(asked["orderId"], "Order") or 0)
    if found is None:
        raise UserErrors("Order does not exist", "orderId")
    return found


def _minor(order: Order, amount: str) -> int:
    return from_decimal(str(amount), order.currency).minor


def _print(asked: dict[str, Any]) -> str:
    return msgspec.json.encode(asked, order="sorted").decode()
