"""An order line as webhooks show it, alone, in an order, a fulfilment or a refund."""

from __future__ import annotations

from collections.abc import Sequence

from crossdock.simulators.shop_prices import Json, Prices, gid
from crossdock.simulators.shop_state import Line, Order, TaxLine


def tax_bodies(taxes: Sequence[TaxLine], prices: Prices) -> list[Json]:
    return [
        {
            "price": prices.shop(tax.minor),
            "rate": tax.rate,
            "title": tax.title,
            "price_set": prices.both(tax.minor),
            "channel_liable": False,
        }
        for tax in taxes
    ]


def allocation_bodies(minors: Sequence[int], prices: Prices) -> list[Json]:
    return [
        {"amount": prices.shop(minor), "discount_application_index": 0, "amount_set": prices.both(minor)}
        for minor in minors
    ]


def line_body(order: Order, line: Line, prices: Prices) -> Json:
    fulfilled = order.fulfilled(line.id)
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "attributed_staffs": [],
        "current_quantity": line.current,
        "fulfillable_quantity": order.to_ship(line.id),
        "fulfillment_service": "manual",
        "fulfillment_status": _line_status(fulfilled, line.current),
        "gift_card": False,
        "grams": line.product.grams,
        "name": line.name,
        **prices.named(price=line.price),
        "product_exists": True,
        "product_id": line.product.id,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": line.product.ships,
        "sales_line_item_group_id": None,
        "sku": line.product.sku,
        "taxable": bool(line.taxes),
        "title": line.product.title,
        **prices.named(total_discount=0),
        "variant_id": line.product.variant_id,
        "variant_inventory_management": "shopify",
        "variant_title": line.product.variant_title,
        "vendor": "Example Outfitters",
        "tax_lines": tax_bodies(line.taxes, prices),
        "duties": [],
        "discount_allocations": allocation_bodies(line.discounts, prices),
    }


def _line_status(fulfilled: int, current: int) -> str | None:
    if not fulfilled:
        return None
    return "fulfilled" if fulfilled >= current else "partial"
