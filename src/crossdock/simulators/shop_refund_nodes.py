"""Refunds, transactions and returns as GraphQL nodes."""

from __future__ import annotations

from crossdock.simulators.shop_connections import first, pages, utc_moment
from crossdock.simulators.shop_graphql import Node
from crossdock.simulators.shop_price_nodes import GraphPrices
from crossdock.simulators.shop_prices import gid
from crossdock.simulators.shop_records import Disposed, Refund, RefundedLine, Return, ReturnedLine, Transaction
from crossdock.simulators.shop_state import Order, World


def transaction_node(transaction: Transaction, prices: GraphPrices) -> Node:
    parent = transaction.parent
    return {
        "id": gid("OrderTransaction", transaction.id),
        "kind": transaction.kind.upper(),
        "status": transaction.status.upper(),
        "gateway": transaction.gateway,
        "formattedGateway": transaction.gateway.replace("_", " ").capitalize(),
        "manualPaymentGateway": transaction.manual,
        "accountNumber": None if transaction.manual else "•••• •••• •••• 4242",
        "paymentDetails": None if transaction.manual else {"__typename": "CardPaymentDetails", "company": "Visa"},
        "createdAt": utc_moment(transaction.created_at),
        "processedAt": utc_moment(transaction.created_at),
        "amountSet": prices.bag(transaction.minor),
        "parentTransaction": None if parent is None else {"id": gid("OrderTransaction", parent)},
    }


def refund_node(refund: Refund, order: Order, prices: GraphPrices) -> Node:
    paid = [order.transaction(number) for number in refund.transactions]
    shipping = [refund] if refund.shipping else []
    return {
        "id": gid("Refund", refund.id),
        "legacyResourceId": str(refund.id),
        "note": refund.note,
        "createdAt": utc_moment(refund.created_at),
        "return": None if refund.return_id is None else {"id": gid("Return", refund.return_id)},
        "totalRefundedSet": prices.bag(sum(each.minor for each in paid)),
        "transactions": pages(paid, lambda each: transaction_node(each, prices), _place),
        "refundShippingLines": pages(shipping, lambda each: _shipping_node(each, prices), _place),
        "refundLineItems": pages(refund.lines, lambda part: _line_node(part, prices), _place),
    }


def _shipping_node(refund: Refund, prices: GraphPrices) -> Node:
    return {"subtotalAmountSet": prices.bag(refund.shipping), "taxAmountSet": prices.bag(refund.shipping_tax)}


def _line_node(part: RefundedLine, prices: GraphPrices) -> Node:
    return {
        "id": gid("RefundLineItem", part.id),
        "quantity": part.units,
        "restockType": part.restock.upper(),
        "lineItem": {"id": gid("LineItem", part.line)},
        "subtotalSet": prices.bag(part.subtotal),
        "totalTaxSet": prices.bag(part.tax),
    }


def return_node(told: Return, order: Order, world: World) -> Node:
    return {
        "id": gid("Return", told.id),
        "name": told.name,
        "status": told.status,
        "createdAt": utc_moment(told.created_at),
        "closedAt": utc_moment(told.closed_at),
        "order": {"id": gid("Order", order.id), "legacyResourceId": str(order.id)},
        "returnLineItems": pages(told.lines, lambda part: _returned_node(part, order), _place),
        "exchangeLineItems": pages(list[ReturnedLine](), lambda part: {"id": gid("ExchangeLineItem", part.id)}, _place),
        "reverseFulfillmentOrders": pages([told], lambda each: _reverse_node(each, order, world), _place),
    }


def _returned_node(part: ReturnedLine, order: Order) -> Node:
    return {
        "__typename": "ReturnLineItem",
        "id": gid("ReturnLineItem", part.id),
        "quantity": part.units,
        "processedQuantity": sum(each.units for each in part.disposed),
        "returnReasonDefinition": {"name": part.reason.replace("_", " ").capitalize()},
        "returnReasonNote": "",
        "fulfillmentLineItem": _fulfilled(part, order),
    }


def _fulfilled(part: ReturnedLine, order: Order) -> Node:
    line = order.line(part.line)
    number = next((each.id for made in order.fulfilments for each in made.lines if each.line == line.id), part.id)
    return {
        "id": gid("FulfillmentLineItem", number),
        "lineItem": {"id": gid("LineItem", line.id), "sku": line.product.sku},
    }


def _reverse_node(told: Return, order: Order, world: World) -> Node:
    return {
        "id": gid("ReverseFulfillmentOrder", told.id),
        "lineItems": pages(told.lines, lambda part: _to_look_at(part, order, world), _place),
    }


def _to_look_at(part: ReturnedLine, order: Order, world: World) -> Node:
    return {
        "id": gid("ReverseFulfillmentOrderLineItem", part.id),
        "totalQuantity": part.units,
        "fulfillmentLineItem": _fulfilled(part, order),
        "dispositions": first(lambda: [_disposition(part, number, world) for number in range(len(part.disposed))]),
    }


def _disposition(part: ReturnedLine, number: int, world: World) -> Node:
    disposed: Disposed = part.disposed[number]
    place = world.locations[disposed.location]
    return {
        "id": gid("ReverseFulfillmentOrderDisposition", part.id * 100 + number),
        "type": disposed.kind,
        "quantity": disposed.units,
        "location": {"id": gid("Location", place.id), "legacyResourceId": str(place.id), "name": place.name},
    }


def _place(thing: Refund | RefundedLine | Return | ReturnedLine | Transaction) -> str:
    return f"{thing.id:020d}"
