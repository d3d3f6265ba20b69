"""What a till took in and paid out, by tender. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from crossdock.canonical.payment import Capture, PaymentAuthorization, Refund, Tender
from crossdock.connect.documents import Document, Hint, Origin
from crossdock.connectors.square import wire
from crossdock.connectors.square.amounts import money, token, utc
from crossdock.connectors.square.returns import belongs_to, return_id, return_name

_GIFT_CARD = "SQUARE_GIFT_CARD"
_TENDERS: Mapping[str, Tender] = {"CARD": "card", "CASH": "cash", "WALLET": "card", _GIFT_CARD: "gift_card"}
_EXTERNAL: Mapping[str, Tender] = {"OTHER_GIFT_CARD": "gift_card", "STORED_BALANCE": "store_credit", "CARD": "card"}
_PAYMENT: Mapping[str, Literal["pending", "open", "captured", "voided", "failed"]] = {
    "PENDING": "pending",
    "APPROVED": "open",
    "COMPLETED": "captured",
    "CANCELED": "voided",
    "FAILED": "failed",
}
_REFUND: Mapping[str, Literal["pending", "succeeded", "failed"]] = {
    "PENDING": "pending",
    "APPROVED": "pending",
    "COMPLETED": "succeeded",
    "REJECTED": "failed",
    "FAILED": "failed",
}


def payment_facts(payment: wire.Payment, origin: Origin) -> Iterator[Document]:
    """One tender, and the money that came in on it once it is complete."""
    entity = None if payment.order_id is None else origin.entity("order", payment.order_id)
    about = payment.reference_id or "" if entity is None else ""
    version, tender = token(payment.updated_at), _tender(payment)
    held = PaymentAuthorization(
        id=payment.id,
        tender=tender,
        authorised=money(payment.approved_money or payment.total_money),
        status=_PAYMENT[payment.status],
        authorised_at=utc(payment.created_at),
        expires_at=utc(payment.delayed_until) if payment.status == "APPROVED" and payment.delayed_until else None,
        label=_label(payment),
    )
    names = (payment.id,)
    yield Document(kind="payment", id=payment.id, entity=entity, about=about, body=held, token=version, aliases=names)
    if payment.status == "COMPLETED":
        taken = Capture(
            id=payment.id,
            payment=payment.id,
            tender=tender,
            amount=money(payment.total_money),
            captured_at=_captured_at(payment),
        )
        yield Document(kind="capture", id=payment.id, entity=entity, about=about, body=taken, token=version)


def refund_fact(refund: wire.Refund, order: wire.Order | None, origin: Origin) -> Document:
    """Money paid out at the till, for the return whose order it names; its payment is the till's own, or itself."""
    entity, about = _belongs_to(refund, order, origin)
    return Document(
        kind="refund",
        id=refund.id,
        entity=entity,
        about=about,
        body=Refund(
            id=refund.id,
            payment=refund.payment_id or refund.id,
            tender=_TENDERS.get(refund.destination_type, "other"),
            amount=money(refund.amount_money),
            status=_REFUND[refund.status],
            refunded_at=utc(refund.created_at),
            for_return=_return_of(order) or refund.order_id or "",
        ),
        token=token(refund.updated_at),
    )


def payout_facts(order: wire.Order, origin: Origin) -> Iterator[Document | Hint]:
    """What the order of a return lists as paid out, so that no return is known without it; what paid it is read apart.

    It is evidence beside the refund's own, which a clock's token lets speak as soon as it is there.
    """
    if not order.returns:
        return
    entity, about = _belongs_to_return(order, origin)
    for each in order.refunds:
        status = _REFUND[each.status]
        yield Document(
            kind="refund",
            id=f"{order.id}/{each.id}",
            entity=entity,
            about=about,
            body=Refund(
                id=each.id,
                payment=each.tender_id or each.id,
                tender="other",
                amount=money(each.amount_money),
                status=status,
                refunded_at=utc(each.created_at or order.created_at),
                for_return=_return_of(order) or order.id,
            ),
            token=2 if status == "failed" else 1,
            fact=f"refund:{origin.connection}:{each.id}",
        )
        yield Hint(kind="refund", id=each.id, entity=origin.entity("order", order.id))


def _belongs_to(refund: wire.Refund, order: wire.Order | None, origin: Origin) -> tuple[str | None, str]:
    if order is None:
        return None, refund.payment_id or ""
    if not order.returns:  # given back without goods: the sale itself
        return origin.entity("order", order.id), ""
    return _belongs_to_return(order, origin)


def _belongs_to_return(order: wire.Order, origin: Origin) -> tuple[str | None, str]:
    """Without a receipt it goes where its return does, once somebody has said which order that is of."""
    sources = {given.source_order_id for given in order.returns}
    entity, about = belongs_to(order, order.returns[0] if len(sources) == 1 else None, origin)
    return entity, about if entity or about else return_name(order, order.returns[0], origin)


def _return_of(order: wire.Order | None) -> str:
    """The one return it was paid for; where there are several, the order that holds them says so."""
    return return_id(order, order.returns[0]) if order is not None and len(order.returns) == 1 else ""


def _tender(payment: wire.Payment) -> Tender:
    card = payment.card_details.card if payment.card_details is not None else None
    if card is not None and card.card_brand == _GIFT_CARD:
        return "gift_card"
    if payment.source_type == "EXTERNAL":
        return _EXTERNAL.get(payment.external_details.type if payment.external_details else "", "other")
    return _TENDERS.get(payment.source_type, "other")


def _label(payment: wire.Payment) -> str:
    """ "Visa 4242", or who took it where Square did not."""
    card = payment.card_details.card if payment.card_details is not None else None
    if card is not None:
        return " ".join(filter(None, (card.card_brand.replace("_", " ").title(), card.last_4)))
    return payment.external_details.source if payment.external_details is not None else ""


def _captured_at(payment: wire.Payment) -> datetime:
    timeline = payment.card_details.card_payment_timeline if payment.card_details is not None else None
    return utc(timeline.captured_at if timeline is not None and timeline.captured_at else payment.created_at)
