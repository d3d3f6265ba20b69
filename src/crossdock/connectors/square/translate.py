"""Square's messages, and what reads put together, in the retail language. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from crossdock.connect.documents import Document, Hint, Ignore, Origin, Translated, Untranslatable
from crossdock.connectors.square import wire
from crossdock.connectors.square.payments import payment_facts, payout_facts, refund_fact
from crossdock.connectors.square.pickups import is_ours, pickup_fact
from crossdock.connectors.square.returns import return_fact
from crossdock.connectors.square.sales import handed_over, sale_fact
from crossdock.connectors.square.system import connector

T = TypeVar("T")


@connector.translate("order.created", "order.updated", "order.fulfillment.updated")
def order_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Square's event doesn't hold the order, so it is read."""
    order = _read(body, wire.OrderEvent).data.id
    yield Hint(kind="order", id=order, entity=origin.entity("order", order))


@connector.translate("payment.created", "payment.updated")
def payment_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield from payment_facts(_read(body, wire.PaymentEvent).data.object.payment, origin)


@connector.translate("refund.created", "refund.updated")
def refund_told(body: bytes, origin: Origin) -> Iterator[Translated]:
    """What it was paid for is said by the order of its return, so both are read."""
    refund = _read(body, wire.RefundEvent).data.object.refund
    if refund.order_id is None:
        yield refund_fact(refund, None, origin)
    else:
        yield Hint(kind="refund", id=refund.id, entity=origin.entity("order", refund.order_id))


@connector.translate("order.read")
def order_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A sale, the returns in it, or both (an exchange is one order at Square); or what we asked a shop to keep ready."""
    read = _read(body, wire.OrderRead)
    skus = {v.id: v.item_variation_data.sku for v in read.variations if v.item_variation_data is not None}
    found: list[Document | Hint] = []
    if is_ours(read.order):
        found.append(pickup_fact(read.order, skus, origin))
    elif read.order.line_items:
        found += [sale_fact(read.order, skus, origin), *handed_over(read.order, skus, origin)]
    found += [return_fact(read.order, each, skus, origin) for each in read.order.returns]
    found += payout_facts(read.order, origin)
    yield from found or [Ignore("order_without_lines")]


@connector.translate("payment.read")
def payment_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield from payment_facts(_read(body, wire.PaymentRead).payment, origin)


@connector.translate("refund.read")
def refund_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    read = _read(body, wire.RefundRead)
    yield refund_fact(read.refund, read.order, origin)


def _read(body: bytes, shape: type[T]) -> T:
    """The body in its wire type. msgspec raises these two of Python's beside its own."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise Untranslatable("the body is not UTF-8") from error
    except RecursionError as error:
        raise Untranslatable("the body is nested too deeply") from error
