"""What our reads over GraphQL tell us: the same documents as webhooks of the same state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.connect.documents import Document, Origin, Translated, Untranslatable
from crossdock.connectors.shopify import terms
from crossdock.connectors.shopify.graphql_wire import (
    GraphCustomer,
    GraphLine,
    GraphOrder,
    GraphShipping,
    GraphTax,
)
from crossdock.connectors.shopify.money_facts import money_of
from crossdock.connectors.shopify.refunded import NOTHING, Back, back_of, counted

_ORDER = msgspec.json.Decoder(GraphOrder)
_FETCHED = "PICK_UP"
_CUSTOMER = msgspec.json.Decoder(GraphCustomer)


def order_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """The order as it was read, and its buyer."""
    wire = terms.decoded(body, _ORDER)
    if wire.line_items.page_info.has_next_page or wire.shipping_lines.page_info.has_next_page:
        raise Untranslatable("a page of the order, not the whole of it")
    number = terms.plain_number(wire.legacy_resource_id)
    buyer = None if wire.customer is None else _customer_document(wire.customer, origin)
    yield Document(
        kind="order",
        id=number,
        entity=origin.entity("order", number),
        body=_order(wire, number, None if buyer is None else buyer.entity, origin),
        token=terms.token(wire.updated_at),
        aliases=terms.order_names(number, wire.name, wire.number, wire.confirmation_number),
    )
    if buyer is not None:
        yield buyer
    if not origin.payments:
        yield from money_of(wire, origin.entity("order", number), origin)


def customer_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield _customer_document(terms.decoded(body, _CUSTOMER), origin)


def _order(wire: GraphOrder, number: str, buyer: str | None, origin: Origin) -> Order:
    currency, status = wire.currency_code, wire.display_financial_status
    back = _back(wire) if wire.refunds else NOTHING
    counted_lines = [_counted(line, currency, back, included=wire.taxes_included) for line in wire.line_items.nodes]
    added = sum([more for _, more in counted_lines]) + _shipping_back(wire, currency)
    total = terms.amount(wire.current_total_price_set.shop_money.amount, currency)
    return Order(
        id=number,
        number=wire.name,
        placed_at=terms.utc(wire.processed_at),
        currency=currency,
        lines=tuple([line for line, _ in counted_lines]),
        total=terms.plus(total, added) if added else total,
        tax_included=wire.taxes_included,
        customer=buyer,
        email=wire.email or "",
        bill_to=terms.address(wire.billing_address),
        ship_to=terms.address(wire.shipping_address),
        shipping=tuple([_shipping(charge, currency) for charge in wire.shipping_lines.nodes]),
        tip=terms.tip(wire.total_tip_received_set.shop_money.amount, currency),
        payment=terms.PAYMENT[None if status is None else status.lower()],
        cancelled_at=None if wire.cancelled_at is None else terms.utc(wire.cancelled_at),
        ever_ordered=terms.amount(wire.total_price_set.shop_money.amount, currency) if wire.total_price_set else None,
        pickup_at=_pickup_at(wire, origin),
    )


def _pickup_at(wire: GraphOrder, origin: Origin) -> str:
    """Where all of it is fetched; an order that goes several ways is shipped, as one without such a place is."""
    ways = [way for way in wire.fulfillment_orders.nodes if way.delivery_method is not None]
    goods = [way for way in ways if way.delivery_method and way.delivery_method.method_type not in ("NONE", "RETAIL")]
    fetched = [
        way.assigned_location for way in goods if way.delivery_method and way.delivery_method.method_type == _FETCHED
    ]
    if not fetched or len(fetched) < len(goods) or len({place.name for place in fetched}) > 1:
        return ""
    place = fetched[0]
    return place.name if place.location is None else origin.location(place.location.legacy_resource_id, place.name)


def _back(wire: GraphOrder) -> Back:
    if any(refund.refund_line_items.page_info.has_next_page for refund in wire.refunds):
        raise Untranslatable("a page of a refund, not the whole of it")
    parts = [(part, refund.note) for refund in wire.refunds for part in refund.refund_line_items.nodes]
    refunded = ((terms.number_of(p.line_item.id), p.restock_type.lower(), p.quantity, note) for p, note in parts)
    return back_of(refunded, lambda: _left(wire))


def _left(wire: GraphOrder) -> Counter[str]:
    """Units in parcels that stand, by line."""
    left = Counter[str]()
    for parcel in wire.fulfillments:
        if parcel.fulfillment_line_items.page_info.has_next_page:
            raise Untranslatable("a page of a parcel, not the whole of it")
        if parcel.status.lower() not in terms.NOT_SHIPPED:
            for line in parcel.fulfillment_line_items.nodes:
                left[terms.number_of(line.line_item.id)] += line.quantity or 0
    return left


def _shipping_back(wire: GraphOrder, currency: str) -> int:
    parts = [part for refund in wire.refunds for part in refund.refund_shipping_lines.nodes]
    bags = [part.subtotal_amount_set for part in parts]
    bags += [] if wire.taxes_included else [part.tax_amount_set for part in parts]
    return sum([terms.amount(each.shop_money.amount, currency).minor for each in bags])


def _counted(line: GraphLine, currency: str, back: Back, *, included: bool) -> tuple[OrderLine, int]:
    current = line.current_quantity
    units = back.ordered(terms.number_of(line.id), current, line.unfulfilled_quantity)
    return counted(lambda of: _line(line, currency, of), current, units, included=included)


def _line(line: GraphLine, currency: str, units: int) -> OrderLine:
    of = line.quantity
    allocated = [part.allocated_amount_set.shop_money.amount for part in line.discount_allocations]
    return OrderLine(
        id=terms.number_of(line.id),
        sku=line.sku or "",
        title=line.name,
        ordered=units,
        unit_price=terms.amount(line.original_unit_price_set.shop_money.amount, currency),
        discount=terms.discount(allocated, currency, units, of),
        taxes=_taxes(line.tax_lines, currency, units, of),
        ships=line.requires_shipping,
    )


def _shipping(charge: GraphShipping, currency: str) -> ShippingCharge:
    return ShippingCharge(
        title=charge.title,
        price=terms.amount(charge.discounted_price_set.shop_money.amount, currency),
        taxes=_taxes(charge.tax_lines, currency, 1, 1),
    )


def _taxes(taxes: list[GraphTax], currency: str, units: int, of: int) -> tuple[Tax, ...]:
    if not units:
        return ()
    return tuple([terms.tax(t.title, t.rate, t.price_set.shop_money.amount, currency, units, of) for t in taxes])


def _customer_document(wire: GraphCustomer, origin: Origin) -> Document:
    email, phone = wire.default_email_address, wire.default_phone_number
    return terms.customer(
        origin,
        terms.plain_number(wire.legacy_resource_id),
        wire.updated_at,
        first=wire.first_name,
        last=wire.last_name,
        email=email.email_address if email else "",
        phone=phone.phone_number if phone else "",
        lives_at=terms.address(wire.default_address),
    )
