"""What Shopify's webhooks tell us, as documents. Pure; a message is read in about 40 µs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.canonical.shipment import Fulfilment, Tracking
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Translated, Untranslatable
from crossdock.connectors.shopify import terms
from crossdock.connectors.shopify.parcel_facts import fulfilled
from crossdock.connectors.shopify.refunded import NOTHING, Back, back_of, counted
from crossdock.connectors.shopify.webhook_wire import (
    WireCustomer,
    WireFulfilment,
    WireGone,
    WireLine,
    WireOfOrder,
    WireOrder,
    WireOrderEdited,
    WireParcel,
    WireReturn,
    WireShipping,
    WireTax,
)
from crossdock.kernel.moments import to_micros

_ORDER = msgspec.json.Decoder(WireOrder)
_EDITED = msgspec.json.Decoder(WireOrderEdited)
_CUSTOMER = msgspec.json.Decoder(WireCustomer)
_FULFILMENT = msgspec.json.Decoder(WireFulfilment)
_GONE = msgspec.json.Decoder(WireGone)
_OF_ORDER = msgspec.json.Decoder(WireOfOrder)
_PARCELS = msgspec.json.Decoder(list[WireParcel])
_RETURN = msgspec.json.Decoder(WireReturn)


def order_stated(body: bytes, origin: Origin) -> Iterator[Translated]:
    """The order as it is now, and the buyer Shopify sends along with it."""
    wire = terms.decoded(body, _ORDER)
    if _may_be_fetched(wire):
        yield Hint(kind="order", id=str(wire.id), entity=origin.entity("order", str(wire.id)))
        return
    buyer = None if wire.customer is None else origin.entity("customer", str(wire.customer.id))
    order = _order(wire, buyer)
    yield Document(
        kind="order",
        id=order.id,
        entity=origin.entity("order", order.id),
        body=order,
        token=terms.token(wire.updated_at),
        aliases=terms.order_names(order.id, wire.name, wire.order_number, wire.confirmation_number),
    )
    if wire.customer is not None:
        yield _customer_document(wire.customer, origin)


def _may_be_fetched(wire: WireOrder) -> bool:
    """Goods with a way of delivery and nowhere to go: fetched in a store, it seems, and only the order itself says in which.

    The charge of a local pickup is named as the store, and nothing in the webhook says that it is one.
    """
    chosen = any(not charge.is_removed for charge in wire.shipping_lines)
    return chosen and wire.shipping_address is None and any(line.requires_shipping for line in wire.line_items)


def order_edited(body: bytes, origin: Origin) -> Iterator[Translated]:
    """An edit lists differences, not the order: fetch it."""
    order = str(terms.decoded(body, _EDITED).order_edit.order_id)
    yield Hint(kind="order", id=order, entity=origin.entity("order", order))


def order_gone(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield _gone("order", body, origin)


def customer_stated(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield _customer_document(terms.decoded(body, _CUSTOMER), origin)


def customer_gone(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield _gone("customer", body, origin)


def fulfilment_stated(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One parcel as the shop shows it; a cancelled or failed one is gone. It belongs to its order."""
    wire = terms.decoded(body, _FULFILMENT)
    yield Document(
        kind="fulfilment",
        id=str(wire.id),
        entity=origin.entity("order", str(wire.order_id)),
        body=None if (wire.status or "") in terms.NOT_SHIPPED else _fulfilment(wire),
        token=terms.token(wire.updated_at),
        aliases=terms.names(wire.name, terms.gid("Fulfillment", str(wire.id)), *wire.tracking_numbers),
    )


def _gone(kind: str, body: bytes, origin: Origin) -> Document:
    """A deletion carries no clock; ids never come back, so the time it reached us is late enough."""
    wire = terms.decoded(body, _GONE)
    if wire.created_at is not msgspec.UNSET:
        # The signature covers the body, not the topic: a replayed snapshot must not delete what it shows.
        raise Untranslatable(f"a whole {kind} under a topic that says it was deleted")
    number = str(wire.id)
    token = to_micros(origin.received_at)
    return Document(kind=kind, id=number, entity=origin.entity(kind, number), body=None, token=token)


def _order(wire: WireOrder, buyer: str | None) -> Order:
    currency = wire.currency
    back = _back(wire) if wire.refunds else NOTHING
    counted_lines = [_counted(line, currency, back, included=wire.taxes_included) for line in wire.line_items]
    added = sum([more for _, more in counted_lines]) + _shipping_back(wire, currency)
    total = terms.amount(wire.current_total_price, currency)
    return Order(
        id=str(wire.id),
        number=wire.name,
        placed_at=terms.utc(wire.processed_at or wire.created_at),
        currency=currency,
        lines=tuple([line for line, _ in counted_lines]),
        total=terms.plus(total, added) if added else total,
        tax_included=wire.taxes_included,
        customer=buyer,
        email=wire.email or "",
        bill_to=terms.address(wire.billing_address),
        ship_to=terms.address(wire.shipping_address),
        shipping=tuple([_shipping(charge, currency) for charge in wire.shipping_lines if not charge.is_removed]),
        tip=terms.tip(wire.total_tip_received, currency),
        payment=terms.PAYMENT[wire.financial_status],
        cancelled_at=None if wire.cancelled_at is None else terms.utc(wire.cancelled_at),
        ever_ordered=None if wire.total_price is None else terms.amount(wire.total_price, currency),
    )


def _back(wire: WireOrder) -> Back:
    parts = [(part, refund.note) for refund in wire.refunds for part in refund.refund_line_items]
    refunded = ((str(p.line_item_id), p.restock_type, p.quantity, note) for p, note in parts)
    return back_of(refunded, lambda: _left(wire))


def _left(wire: WireOrder) -> Counter[str]:
    """Units in parcels that stand, by line."""
    left = Counter[str]()
    for parcel in terms.decoded(bytes(wire.fulfillments), _PARCELS):
        if (parcel.status or "") not in terms.NOT_SHIPPED:
            left.update({str(line.id): line.quantity for line in parcel.line_items})
    return left


def _shipping_back(wire: WireOrder, currency: str) -> int:
    """Refunded shipping, which the current total leaves out and the charges don't."""
    parts = [part for refund in wire.refunds for part in refund.refund_shipping_lines]
    sets = [part.subtotal_amount_set for part in parts]
    sets += [] if wire.taxes_included else [part.tax_amount_set for part in parts]
    return sum([terms.amount(each.shop_money.amount, currency).minor for each in sets])


def _counted(line: WireLine, currency: str, back: Back, *, included: bool) -> tuple[OrderLine, int]:
    current = line.current_quantity
    if back is NOTHING:
        return _line(line, currency, current), 0
    units = back.ordered(str(line.id), current, line.fulfillable_quantity)
    return counted(lambda of: _line(line, currency, of), current, units, included=included)


def _line(line: WireLine, currency: str, units: int) -> OrderLine:
    of = line.quantity
    return OrderLine(
        id=str(line.id),
        sku=line.sku or "",
        title=line.name,
        ordered=units,
        unit_price=terms.amount(line.price, currency),
        discount=terms.discount([part.amount for part in line.discount_allocations], currency, units, of),
        taxes=_taxes(line.tax_lines, currency, units, of),
        ships=line.requires_shipping,
    )


def _shipping(charge: WireShipping, currency: str) -> ShippingCharge:
    return ShippingCharge(
        title=charge.title,
        price=terms.amount(charge.discounted_price, currency),
        taxes=_taxes(charge.tax_lines, currency, 1, 1),
    )


def _taxes(taxes: list[WireTax], currency: str, units: int, of: int) -> tuple[Tax, ...]:
    if not taxes or not units:
        return ()
    return tuple([terms.tax(tax.title, tax.rate, tax.price, currency, units, of) for tax in taxes])


def refund_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    """What was refunded counts in the order and among its transactions: fetch them."""
    yield from transaction_told(body, origin)
    if origin.payments:
        order = str(terms.decoded(body, _OF_ORDER).order_id)
        yield Hint(kind="order", id=order, entity=origin.entity("order", order))


def transaction_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A transaction names its parent and not the tender it belongs to, and its amount may be in the buyer's currency."""
    order = str(terms.decoded(body, _OF_ORDER).order_id)
    if origin.payments:
        yield Ignore("money is told by its provider")
    else:
        yield Hint(kind="order", id=order, entity=origin.entity("order", order))


def return_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Its webhooks show no lines: fetch it."""
    wire = terms.decoded(body, _RETURN)
    order = wire.order_id or (wire.order.id if wire.order else None)
    if order is None:
        raise Untranslatable("a return without its order")
    yield Hint(kind="return", id=str(wire.id), entity=origin.entity("order", str(order)))


def return_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    """`returns/update` lists differences without the order, and of `returns/process` there is no example at all."""
    yield Ignore("a change of a return that doesn't name its order")


def _customer_document(wire: WireCustomer, origin: Origin) -> Document | Hint:
    """The buyer, or the hint to fetch them where Shopify leaves out when they last changed."""
    number = str(wire.id)
    if wire.updated_at is None:
        return Hint(kind="customer", id=number, entity=origin.entity("customer", number))
    return terms.customer(
        origin,
        number,
        wire.updated_at,
        first=wire.first_name,
        last=wire.last_name,
        email=wire.email or "",
        phone=wire.phone or "",
        lives_at=terms.address(wire.default_address),
    )


def _fulfilment(wire: WireFulfilment) -> Fulfilment:
    return Fulfilment(
        order=str(wire.order_id),
        shipment=str(wire.id),
        lines=fulfilled((str(line.id), line.quantity) for line in wire.line_items),
        location="" if wire.location_id is None else str(wire.location_id),
        tracking=_tracking(wire),
    )


def _tracking(wire: WireFulfilment) -> Tracking | None:
    if not wire.tracking_numbers:
        return None
    url = wire.tracking_urls[0] if wire.tracking_urls else ""
    return Tracking(carrier=wire.tracking_company or "", number=wire.tracking_numbers[0], url=url)
