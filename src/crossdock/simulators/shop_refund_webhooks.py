"""Refunds, transactions and returns as Shopify's webhooks show them: every field its documentation's examples have."""

from __future__ import annotations

from crossdock.simulators.shop_line_webhooks import line_body
from crossdock.simulators.shop_prices import Json, Prices, gid, moment
from crossdock.simulators.shop_records import Refund, RefundedLine, Return, ReturnedLine, Transaction
from crossdock.simulators.shop_state import Order


def refund_body(refund: Refund, order: Order) -> Json:
    prices = Prices(order)
    return {
        "id": refund.id,
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_id": order.id,
        "created_at": moment(refund.created_at),
        "processed_at": moment(refund.created_at),
        "note": refund.note,
        "user_id": None,
        "duties": [],
        "total_duties_set": prices.both(0),
        "return": None if refund.return_id is None else {"id": refund.return_id},
        "restock": any(part.restock != "no_restock" for part in refund.lines),
        "order_adjustments": [],
        "refund_line_items": [_line(part, order, prices) for part in refund.lines],
        "refund_shipping_lines": _shipping(refund, order, prices),
        "transactions": [transaction_body(order.transaction(number), order) for number in refund.transactions],
    }


def _line(part: RefundedLine, order: Order, prices: Prices) -> Json:
    line = order.line(part.line)
    only_on_orders = ("attributed_staffs", "current_quantity", "sales_line_item_group_id")
    body = {name: value for name, value in line_body(order, line, prices).items() if name not in only_on_orders}
    return {
        "id": part.id,
        "line_item_id": part.line,
        "location_id": part.location,
        "quantity": part.units,
        "restock_type": part.restock,
        "subtotal": float(prices.shop(part.subtotal)),
        "total_tax": float(prices.shop(part.tax)),
        "subtotal_set": prices.both(part.subtotal),
        "total_tax_set": prices.both(part.tax),
        "line_item": body,
    }


def _shipping(refund: Refund, order: Order, prices: Prices) -> list[Json]:
    if not refund.shipping:
        return []
    return [
        {
            "id": refund.id + 1,
            "subtotal_amount_set": prices.both(refund.shipping),
            "tax_amount_set": prices.both(refund.shipping_tax),
            "shipping_line": {"id": order.shipping_lines[0].id, "title": order.shipping_lines[0].title},
        }
    ]


def transaction_body(transaction: Transaction, order: Order) -> Json:
    nothing = {"amount": "0.0", "currency": order.currency}
    return {
        "id": transaction.id,
        "admin_graphql_api_id": gid("OrderTransaction", transaction.id),
        "order_id": order.id,
        "kind": transaction.kind,
        "gateway": transaction.gateway,
        "status": transaction.status,
        "message": None,
        "created_at": moment(transaction.created_at),
        "processed_at": moment(transaction.created_at),
        "test": False,
        "authorization": transaction.authorization,
        "location_id": None,
        "user_id": None,
        "parent_id": transaction.parent,
        "device_id": None,
        "error_code": None,
        "source_name": "web",
        "payment_details": {
            "credit_card_bin": None,
            "avs_result_code": None,
            "cvv_result_code": None,
            "credit_card_number": "•••• •••• •••• 4242",
            "credit_card_company": "Visa",
            "buyer_action_info": None,
            "credit_card_name": None,
            "credit_card_wallet": None,
            "credit_card_expiration_month": None,
            "credit_card_expiration_year": None,
            "payment_method_name": "visa",
        },
        "receipt": {},
        "amount": Prices(order).shop(transaction.minor),
        "currency": order.currency,
        "payment_id": f"{order.name}.{order.transactions.index(transaction) + 1}",
        "total_unsettled_set": {"presentment_money": nothing, "shop_money": nothing},
        "manual_payment_gateway": transaction.manual,
        "amount_rounding": None,
    }


def return_body(told: Return) -> Json:
    """`returns/request` and `returns/approve`; its own example shows no lines, so nobody may rely on them."""
    return {
        "id": told.id,
        "admin_graphql_api_id": gid("Return", told.id),
        "status": told.status.lower(),
        "order": {"id": told.order, "admin_graphql_api_id": gid("Order", told.order)},
        "total_return_line_items": sum(part.units for part in told.lines),
        "name": told.name,
        "return_line_items": [],
        "return_shipping_fees": [],
        "exchange_line_items": [],
        "total_exchange_line_items": 0,
    }


def return_closed_body(told: Return) -> Json:
    """`returns/close` and `returns/cancel` name the order in another way."""
    return {
        "id": told.id,
        "admin_graphql_api_id": gid("Return", told.id),
        "order_id": told.order,
        "status": told.status.lower(),
    }


def return_edited_body(told: Return, part: ReturnedLine, units: int) -> Json:
    """`returns/update` lists differences, and names neither the order nor what is left."""
    return {
        "admin_graphql_api_id": gid("Return", told.id),
        "return_line_items": {
            "removals": [{"admin_graphql_api_id": gid("ReturnLineItem", part.id), "delta": units}],
        },
        "restocking_fees": {"updates": [], "removals": []},
        "return_shipping_fees": {"updates": [], "removals": []},
    }
