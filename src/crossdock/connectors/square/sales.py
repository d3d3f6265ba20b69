"""What a till sold by itself: an order of this connection that nobody has to ship. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connect.documents import Document, Origin, Untranslatable
from crossdock.connectors.square import wire
from crossdock.connectors.square.amounts import money, rate, units, utc
from crossdock.kernel.money import AnyMoney

Skus = Mapping[str, str]
"""SKUs by the id of the catalog object."""


def sale_fact(order: wire.Order, skus: Skus, origin: Origin) -> Document:
    """The sale under every name the till gives it; the number is what the clerk called it, else Square's id."""
    return Document(
        kind="order",
        id=order.id,
        entity=origin.entity("order", order.id),
        body=_order(order, skus),
        token=order.version,
        aliases=(order.id, *filter(None, [order.reference_id])),
    )


def handed_over(order: wire.Order, skus: Skus, origin: Origin) -> Iterator[Document]:
    """What was sold over the counter left with its buyer, as soon as the sale was complete."""
    if order.state != "COMPLETED":
        return
    lines = tuple(
        ShipmentLine(line=line.uid, sku=skus.get(line.catalog_object_id or "", ""), units=units(line.quantity))
        for line in order.line_items
    )
    yield Document(
        kind="shipment",
        id=order.id,
        entity=origin.entity("order", order.id),
        body=Shipment(
            id=order.id,
            reference=origin.entity("order", order.id),
            location=order.location_id,
            lines=lines,
            shipped_at=utc(order.closed_at or order.updated_at),
        ),
        token=order.version,
    )


def _order(order: wire.Order, skus: Skus) -> Order:
    if order.total_money is None:
        raise Untranslatable(f"order {order.id} has lines and no total")
    taxes = {tax.uid: tax for tax in order.taxes}
    tip = order.total_tip_money
    return Order(
        id=order.id,
        number=order.ticket_name or order.id,
        placed_at=utc(order.created_at),
        currency=order.total_money.currency,
        lines=tuple(_line(line, skus, taxes) for line in order.line_items),
        total=money(order.total_money),
        tax_included=any(tax.type == "INCLUSIVE" for tax in order.taxes),
        shipping=tuple(_charges(order, taxes)),
        tip=money(tip) if tip is not None and tip.amount else None,
        payment=_payment(order),
        cancelled_at=utc(order.closed_at or order.updated_at) if order.state == "CANCELED" else None,
    )


def _line(line: wire.LineItem, skus: Skus, taxes: Mapping[str, wire.OrderTax]) -> OrderLine:
    """A line over the counter; its catalog object has the SKU, an amount typed in by hand has none."""
    discount = line.total_discount_money
    return OrderLine(
        id=line.uid,
        sku=skus.get(line.catalog_object_id or "", ""),
        title=" ".join(filter(None, (line.name, line.variation_name))),
        ordered=units(line.quantity),
        unit_price=_unit_price(line),
        discount=money(discount) if discount is not None and discount.amount else None,
        taxes=_taxes(line.applied_taxes, taxes),
        ships=False,
    )


def _unit_price(line: wire.LineItem) -> AnyMoney:
    """Gross sales have the modifiers in them (extra wrapping), the base price hasn't."""
    gross, count = line.gross_sales_money, units(line.quantity)
    if gross is not None and count and gross.amount % count == 0:
        return money(wire.Money(amount=gross.amount // count, currency=gross.currency))
    if line.base_price_money is None:
        raise Untranslatable(f"line {line.uid} has no price")
    return money(line.base_price_money)


def _taxes(applied: Iterable[wire.AppliedTax], taxes: Mapping[str, wire.OrderTax]) -> tuple[Tax, ...]:
    found: list[Tax] = []
    for each in applied:
        tax = taxes.get(each.tax_uid)
        if tax is None:
            raise Untranslatable(f"a line has tax {each.tax_uid}, which its order doesn't have")
        found.append(Tax(title=tax.name, rate=rate(tax.percentage), amount=money(each.applied_money)))
    return tuple(found)


def _charges(order: wire.Order, taxes: Mapping[str, wire.OrderTax]) -> Iterator[ShippingCharge]:
    """Charges for a service: what the buyer pays beside the goods."""
    for charge in order.service_charges:
        if charge.applied_money is not None:
            taxed = _taxes(charge.applied_taxes, taxes)
            yield ShippingCharge(title=charge.name or "", price=money(charge.applied_money), taxes=taxed)


def _payment(order: wire.Order) -> Literal["pending", "paid", "voided"]:
    if order.state == "CANCELED":
        return "voided"
    due = order.net_amount_due_money
    return "paid" if order.state == "COMPLETED" or (due is not None and due.amount == 0) else "pending"
