"""Webhook bodies as Shopify sends them: every field its documentation's examples have."""

from __future__ import annotations

from collections.abc import Mapping

from crossdock.simulators.shop_line_webhooks import line_body, tax_bodies
from crossdock.simulators.shop_prices import Json, Prices, gid, moment
from crossdock.simulators.shop_refund_webhooks import refund_body
from crossdock.simulators.shop_state import (
    Address,
    Customer,
    Fulfilment,
    Line,
    Order,
    ShippingLine,
    TaxLine,
    World,
    totals,
)


def customer_body(customer: Customer, currency: str) -> Json:
    return {
        "id": customer.id,
        "created_at": moment(customer.created_at),
        "updated_at": moment(customer.updated_at),
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "email": customer.email,
        "phone": customer.phone,
        "currency": currency,
        "addresses": [],
        "tax_exemptions": [],
        "admin_graphql_api_id": gid("Customer", customer.id),
        "default_address": None if customer.address is None else _customer_address(customer, customer.address),
    }


def _customer_address(customer: Customer, address: Address) -> Json:
    return {
        "id": customer.address_id,
        "customer_id": customer.id,
        **_address_fields(address),
        "country_name": address.country,
        "default": True,
    }


def _address_fields(address: Address) -> Json:
    return {
        "first_name": address.first_name,
        "last_name": address.last_name,
        "company": address.company,
        "address1": address.address1,
        "address2": address.address2,
        "city": address.city,
        "province": address.province,
        "country": address.country,
        "zip": address.zip,
        "phone": address.phone,
        "name": address.name,
        "province_code": address.province_code,
        "country_code": address.country_code,
    }


def address_body(address: Address | None) -> Json | None:
    return None if address is None else {**_address_fields(address), "latitude": None, "longitude": None}


def order_body(order: Order, world: World) -> Json:
    prices = Prices(order)
    buyer = world.customers.get(order.customer) if order.customer else None
    return {
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        **_origin_fields(order),
        **_state_fields(order),
        **_money_fields(order, prices),
        "billing_address": address_body(order.billing_address),
        "customer": _embedded(buyer, order.currency),
        "discount_applications": _applications(order, prices),
        "fulfillments": [fulfilment_body(each, order) for each in order.fulfilments],
        "line_items": [line_body(order, line, prices) for line in order.lines],
        "line_item_groups": [],
        "payment_terms": None,
        "refunds": [refund_body(each, order) for each in order.refunds],
        "returns": [],
        "shipping_address": address_body(order.shipping_address),
        "shipping_lines": [_shipping_body(charge, prices) for charge in order.shipping_lines],
    }


def _embedded(buyer: Customer | None, currency: str) -> Json | None:
    if buyer is None:
        return None
    return {name: value for name, value in customer_body(buyer, currency).items() if name != "addresses"}


def _origin_fields(order: Order) -> Json:
    """Where the order came from: nothing that changes."""
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    return {
        "app_id": 580111,
        "browser_ip": "203.0.113.7",
        "buyer_accepts_marketing": False,
        "cart_token": f"hWN{order.token[:20]}",
        "checkout_token": order.token,
        "client_details": {
            "accept_language": "en",
            "browser_height": None,
            "browser_ip": "203.0.113.7",
            "browser_width": None,
            "session_hash": None,
            "user_agent": agent,
        },
        "confirmation_number": order.confirmation_number,
        "created_at": moment(order.created_at),
        "customer_locale": "en",
        "device_id": None,
        "landing_site": "/",
        "landing_site_ref": None,
        "location_id": None,
        "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
        "merchant_of_record_app_id": None,
        "name": order.name,
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://shop.example/548380009/orders/{order.token}/authenticate?key=f3a9c4",
        "payment_gateway_names": [order.gateway],
        "po_number": None,
        "processed_at": moment(order.created_at),
        "reference": None,
        "referring_site": "",
        "source_identifier": None,
        "source_name": "web",
        "source_url": None,
        "test": False,
        "token": order.token,
        "user_id": None,
    }


def _state_fields(order: Order) -> Json:
    return {
        "cancel_reason": order.cancel_reason,
        "cancelled_at": moment(order.cancelled_at),
        "closed_at": None,
        "confirmed": True,
        "contact_email": order.email,
        "currency": order.currency,
        "discount_codes": _discount_codes(order),
        "duties_included": False,
        "email": order.email,
        "estimated_taxes": False,
        "financial_status": order.financial_status,
        "fulfillment_status": order.fulfilment_status,
        "note": None,
        "note_attributes": [],
        "phone": order.phone,
        "presentment_currency": order.presentment_currency,
        "tags": "",
        "tax_exempt": False,
        "taxes_included": order.taxes_included,
        "updated_at": moment(order.updated_at),
    }


def _discount_codes(order: Order) -> list[Json]:
    if order.discount_code is None:
        return []
    amount = Prices(order).shop(totals(order, current=False).discounts)
    return [{"code": order.discount_code, "amount": amount, "type": "fixed_amount"}]


def _applications(order: Order, prices: Prices) -> list[Json]:
    """The discounts that lines allocate by index; ours all have index 0."""
    whole = totals(order, current=False).discounts
    if not whole:
        return []
    return [
        {
            "target_type": "line_item",
            "type": "discount_code" if order.discount_code else "manual",
            "value": prices.shop(whole),
            "value_type": "fixed_amount",
            "allocation_method": "across",
            "target_selection": "all",
            "code": order.discount_code,
        }
    ]


def _money_fields(order: Order, prices: Prices) -> Json:
    was, now = totals(order, current=False), totals(order, current=True)
    owing = order.financial_status in ("pending", "authorized", "partially_paid")
    outstanding = max(0, now.total - order.captured + order.given_back) if owing else 0
    return {
        **prices.sets(current_shipping_price=now.shipping),
        **prices.named(
            current_subtotal_price=now.goods - now.discounts,
            current_total_discounts=now.discounts,
            current_total_price=now.total,
            current_total_tax=now.tax,
            subtotal_price=was.goods - was.discounts,
            total_discounts=was.discounts,
            total_line_items_price=was.goods,
            total_price=was.total,
            total_tax=was.tax,
        ),
        **prices.sets(
            total_cash_rounding_payment_adjustment=0,
            total_cash_rounding_refund_adjustment=0,
            total_shipping_price=was.shipping,
        ),
        "current_total_additional_fees_set": None,
        "current_total_duties_set": None,
        "original_total_additional_fees_set": None,
        "original_total_duties_set": None,
        "tax_lines": tax_bodies(_summed_taxes(order), prices),
        "total_outstanding": prices.shop(outstanding),
        "total_tip_received": prices.shop(order.tip),
        "total_weight": sum(line.product.grams * line.quantity for line in order.lines),
    }


def _summed_taxes(order: Order) -> list[TaxLine]:
    """The order's taxes, one for each title and rate."""
    charged = [*order.lines, *order.shipping_lines]
    sums = dict[tuple[str, float], int]()
    for tax in (tax for each in charged for tax in each.taxes):
        sums[tax.title, tax.rate] = sums.get((tax.title, tax.rate), 0) + tax.minor
    return [TaxLine(title, rate, minor) for (title, rate), minor in sums.items()]


def _shipping_body(charge: ShippingLine, prices: Prices) -> Json:
    return {
        "id": charge.id,
        "carrier_identifier": None,
        "code": charge.title,
        **prices.sets(current_discounted_price=charge.discounted),
        **prices.named(discounted_price=charge.discounted),
        "is_removed": False,
        "phone": None,
        **prices.named(price=charge.price),
        "requested_fulfillment_service_id": None,
        "source": "shopify",
        "title": charge.title,
        "tax_lines": tax_bodies(charge.taxes, prices),
        "discount_allocations": [],
    }


def fulfilment_body(fulfilment: Fulfilment, order: Order) -> Json:
    prices = Prices(order)
    lines = [(order.line(part.line), part.units) for part in fulfilment.lines]
    return {
        "id": fulfilment.id,
        "order_id": order.id,
        "status": fulfilment.status,
        "created_at": moment(fulfilment.created_at),
        "service": "manual",
        "updated_at": moment(fulfilment.updated_at),
        "tracking_company": fulfilment.company,
        "shipment_status": None,
        "location_id": fulfilment.location,
        "origin_address": {},
        "email": order.email,
        "destination": address_body(order.shipping_address),
        "line_items": [_fulfilled_body(order, line, units, prices) for line, units in lines],
        "tracking_number": fulfilment.numbers[0] if fulfilment.numbers else None,
        "tracking_numbers": fulfilment.numbers,
        "tracking_url": fulfilment.urls[0] if fulfilment.urls else None,
        "tracking_urls": fulfilment.urls,
        "receipt": {},
        "name": fulfilment.name,
        "admin_graphql_api_id": gid("Fulfillment", fulfilment.id),
    }


def _fulfilled_body(order: Order, line: Line, units: int, prices: Prices) -> Json:
    """A line as a fulfilment repeats it: with the fulfilled units as its quantity."""
    only_on_orders = ("attributed_staffs", "current_quantity", "sales_line_item_group_id")
    body = line_body(order, line, prices) | {"quantity": units}
    return {name: value for name, value in body.items() if name not in only_on_orders}


def edit_body(edit: int, order: Order, added: Mapping[int, int], removed: Mapping[int, int]) -> Json:
    """What an edit changed: units by line id, added and taken away."""
    no_lines: Json = {"additions": [], "removals": []}
    return {
        "order_edit": {
            "id": edit,
            "app_id": None,
            "created_at": moment(order.updated_at),
            "committed_at": moment(order.updated_at),
            "notify_customer": False,
            "order_id": order.id,
            "staff_note": "",
            "user_id": None,
            "line_items": {
                "additions": [{"id": line, "delta": delta} for line, delta in added.items()],
                "removals": [{"id": line, "delta": delta} for line, delta in removed.items()],
            },
            "discounts": {"line_item": no_lines},
            "shipping_lines": no_lines,
        }
    }
