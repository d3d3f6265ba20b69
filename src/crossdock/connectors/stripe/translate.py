"""Stripe's events and objects in the retail language. Pure.

**Versions.** Stripe's objects carry none, its events only whole seconds and any order. But lives are one-way: a payment is
pending, then held, then captured or voided; a refund is pending, then succeeded, then perhaps failed. So the version is the stage
first and the second of the event (for our own reads: of Stripe's clock) after it: no order of arrival, no two events in one
second and no slow read can put an earlier stage over a later one. What goes to and fro is told apart by the second first:
disputes (appeals), and a card that is declined and tried again.

**Captures.** Stripe has no object for one capture, only the charge's `amount_captured` so far. One capture is the step of that
amount from one value to the next, and so it is named by the value it led to: `ch_1-700`, then `ch_1-900`. Automatic and single
captures step from zero. Where several are possible, each comes as one `charge.updated` with the value before it.
Repeats name the same step, and the steps sum to the amount captured.

A read shows no steps: it tells of a capture only where there can have been but one. Of what was taken at once the charge says
when, for the event of it and its entry in the balance may each be made in the second after; a read is the newer of the two.

**Payments.** While nothing is held the intent tells of it; afterwards its charge does, which alone knows the card and how long
the money is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeVar, cast

import msgspec

from crossdock.canonical import payment
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Translated, Untranslatable
from crossdock.connectors.stripe import wire
from crossdock.connectors.stripe.amounts import money
from crossdock.connectors.stripe.door import OTHER
from crossdock.connectors.stripe.system import ORDER, connector
from crossdock.kernel.moments import from_micros
from crossdock.kernel.money import AnyMoney

T = TypeVar("T")
RefundStatus = Literal["pending", "succeeded", "failed"]

_SECOND = 1_000_000
_AT_ONCE_SECONDS = 5
"""Events and entries in the balance are made that much later at most than what they tell of."""
_STAGE = 10**16
"""More microseconds than `wire.Seconds` can come to."""
_REFUNDS: dict[str, tuple[int, RefundStatus]] = {
    "pending": (1, "pending"),
    "requires_action": (1, "pending"),
    "succeeded": (2, "succeeded"),
    "failed": (3, "failed"),
    "canceled": (3, "failed"),
}
_DISPUTES: dict[str, Literal["open", "won", "lost"]] = {
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
}
_TAKES_NO_MONEY = ("warning_needs_response", "warning_under_review", "warning_closed", "prevented")
_NOTHING_HELD = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")


# ---- events


@connector.translate(
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
def intent_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A payment of which nothing is held yet, or any more."""
    event = _read(body, wire.IntentEvent)
    if event.data.object.status in ("requires_capture", "succeeded"):
        yield Ignore("told_by_its_charge")
    else:
        yield _intent_document(event.data.object, origin, event.created)


@connector.translate("charge.succeeded", "charge.captured", "charge.updated")
def charge_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Money held or taken: the payment as it is now, and the capture that the event tells of."""
    event = _read(body, wire.ChargeEvent)
    charge = event.data.object
    if charge.status != "succeeded":
        yield Ignore(f"charge_not_through:{charge.status[:40]}")
        return
    yield _charge_document(charge, origin, event.created)
    before = _captured_before(event)
    if before is not None and before < charge.amount_captured:
        yield _capture_document(charge, before, origin, event.created)
        yield from _to_be_read(
            "payment", charge.payment_intent, _order(origin, charge.metadata), charge.currency, origin
        )


@connector.translate("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
def refund_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Money on its way back, there, or come back to us."""
    event = _read(body, wire.RefundEvent)
    document = _refund_document(event.data.object, origin, event.created)
    yield document
    yield from _to_be_read("refund", document.id, document.entity, event.data.object.currency, origin)


@connector.translate(
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)
def dispute_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A chargeback; an inquiry is none, for it takes no money."""
    event = _read(body, wire.DisputeEvent)
    yield _dispute_document(event.data.object, origin, event.created)


@connector.translate(OTHER)
def not_used(body: bytes, origin: Origin) -> Iterator[Translated]:
    """All else an account tells: payouts, customers, and what the events above say as well."""
    yield Ignore(f"not_used:{_read(body, wire.AnyEvent).type}")


# ---- our own reads


@connector.translate("payment_intent.read")
def intent_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """A payment with its charge, as a read found it."""
    found = _read(body, wire.IntentRead)
    yield from _as_found(found.object, origin, found.read_at)


@connector.translate("payment_intents.found")
def intents_found(body: bytes, origin: Origin) -> Iterator[Translated]:
    """The payments that name an order, as a search found them."""
    found = _read(body, wire.IntentsFound)
    for intent in found.objects:
        yield from _as_found(intent, origin, found.read_at)
    if not found.objects:
        yield Ignore("no_payment_names_it")


def _as_found(intent: wire.Intent, origin: Origin, at: int) -> Iterator[Document]:
    """What a read can't tell is when it was captured; and by which steps, where several were possible."""
    charge = intent.latest_charge
    if intent.status not in ("requires_capture", "succeeded") or not isinstance(charge, wire.Charge):
        yield _intent_document(intent, origin, at)
        return
    yield _charge_document(charge, origin, at)
    if charge.captured and charge.amount_captured and not _takes_several(charge):
        yield _capture_found(charge, origin, at)


@connector.translate("refund.read")
def refund_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    found = _read(body, wire.RefundRead)
    yield _refund_document(found.object, origin, found.read_at)


@connector.translate("dispute.read")
def dispute_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    found = _read(body, wire.DisputeRead)
    yield _dispute_document(found.object, origin, found.read_at)


# ---- documents


def _intent_document(intent: wire.Intent, origin: Origin, at: int) -> Document:
    charge = intent.latest_charge.id if isinstance(intent.latest_charge, wire.Charge) else intent.latest_charge
    status = _intent_status(intent)
    return Document(
        kind="payment",
        id=intent.id,
        entity=_order(origin, intent.metadata),
        body=payment.PaymentAuthorization(
            id=intent.id,
            tender="card",
            authorised=money(intent.amount, intent.currency),
            status=status,
            authorised_at=from_micros(intent.created * _SECOND),
        ),
        token=_staged(3 if status == "voided" else 1, at) + (status == "failed"),
        aliases=_names(intent.id, charge),
    )


def _intent_status(intent: wire.Intent) -> Literal["pending", "failed", "voided"]:
    if intent.status == "canceled":
        return "voided"
    if intent.status not in _NOTHING_HELD:
        raise Untranslatable(f"payment intent {intent.id} is {intent.status[:40]!r}, and its charge is not beside it")
    declined = intent.status == "requires_payment_method" and intent.last_payment_error is not None
    return "failed" if declined else "pending"


def _charge_document(charge: wire.Charge, origin: Origin, at: int) -> Document:
    """The payment that a charge is for, once money is held or taken."""
    id_, card = charge.payment_intent or charge.id, _card(charge)
    until = None if charge.captured else card.capture_before
    return Document(
        kind="payment",
        id=id_,
        entity=_order(origin, charge.metadata),
        body=payment.PaymentAuthorization(
            id=id_,
            tender=_tender(charge),
            authorised=money(charge.amount, charge.currency),
            status="captured" if charge.captured else "open",
            authorised_at=from_micros(charge.created * _SECOND),
            expires_at=None if until is None else from_micros(until * _SECOND),
            label=" ".join(part for part in ((card.brand or "").title(), card.last4 or "") if part),
        ),
        token=_staged(3 if charge.captured else 2, at),
        aliases=_names(id_, charge.id),
    )


def _captured_before(event: wire.ChargeEvent) -> int | None:
    """What was captured before the step that this event tells of; None when it tells of none."""
    if event.data.previous_attributes.amount_captured is not None:
        return event.data.previous_attributes.amount_captured
    at_once = event.type == "charge.succeeded" or (
        event.type == "charge.captured" and not _takes_several(event.data.object)
    )
    return 0 if at_once and event.data.object.captured else None


def _takes_several(charge: wire.Charge) -> bool:
    return (_card(charge).multicapture or wire.Multicapture()).status == "available"


def _capture_document(charge: wire.Charge, before: int, origin: Origin, at: int) -> Document:
    entity, about = _order(origin, charge.metadata), charge.payment_intent or charge.id
    id_ = capture_id(charge.id, charge.amount_captured)
    return Document(
        kind="capture",
        id=id_,
        entity=entity,
        body=payment.Capture(
            id=id_,
            payment=about,
            tender=_tender(charge),
            amount=money(charge.amount_captured - before, charge.currency),
            captured_at=from_micros(_taken_at(charge, at) * _SECOND),
        ),
        token=(at - _AT_ONCE_SECONDS) * _SECOND,
        aliases=(charge.id,),
        about="" if entity else about,
    )


def _taken_at(charge: wire.Charge, told_at: int) -> int:
    return charge.created if told_at - charge.created <= _AT_ONCE_SECONDS else told_at


def _capture_found(charge: wire.Charge, origin: Origin, at: int) -> Document:
    """The only capture of a charge; what it came to in another currency no event tells, so that makes it the newer."""
    booked = charge.balance_transaction
    booked_at = booked.created if isinstance(booked, wire.BalanceTransaction) else charge.created
    document = _capture_document(charge, 0, origin, booked_at)
    settled = _settled(booked, charge.currency)
    if settled is None:
        return msgspec.structs.replace(document, token=_taken_at(charge, booked_at) * _SECOND + 1)
    capture = msgspec.structs.replace(cast("payment.Capture", document.body), settled=settled)
    return msgspec.structs.replace(document, body=capture, token=at * _SECOND + 1)


def _settled(booked: str | wire.BalanceTransaction | None, currency: str) -> AnyMoney | None:
    """What came in or went out where that is in another currency than it was charged in."""
    if not isinstance(booked, wire.BalanceTransaction) or booked.currency == currency:
        return None
    return money(abs(booked.amount), booked.currency)


def _to_be_read(kind: str, id_: str | None, order: str | None, currency: str, origin: Origin) -> Iterator[Hint]:
    """An event names the entry in the account's balance without its amount."""
    if origin.settles_in and currency.upper() != origin.settles_in and id_ is not None and order is not None:
        yield Hint(kind=kind, id=id_, entity=order)


def _refund_document(refund: wire.Refund, origin: Origin, at: int) -> Document:
    entity = _order_of_any(origin, refund.metadata, refund.payment_intent, refund.charge)
    body = refund_of(refund)
    return Document(
        kind="refund",
        id=refund.id,
        entity=entity,
        body=body,
        token=_staged(_refund_status(refund)[0], at) + (body.settled is not None),
        aliases=(refund.id,),
        about="" if entity else body.payment,
    )


def _dispute_document(dispute: wire.Dispute, origin: Origin, at: int) -> Translated:
    if dispute.status in _TAKES_NO_MONEY:
        return Ignore(f"dispute_takes_no_money:{dispute.status}")
    status = _DISPUTES.get(dispute.status)
    if status is None:
        raise Untranslatable(f"dispute {dispute.id} has the unknown status {dispute.status[:40]!r}")
    entity = _order_of_any(origin, dispute.metadata, dispute.payment_intent, dispute.charge)
    about = _id(dispute.payment_intent) or _id(dispute.charge)
    return Document(
        kind="dispute",
        id=dispute.id,
        entity=entity,
        body=payment.Dispute(
            id=dispute.id,
            payment=about,
            amount=money(dispute.amount, dispute.currency),
            status=status,
            opened_at=from_micros(dispute.created * _SECOND),
            reason=dispute.reason,
            fee=_fee(dispute),
        ),
        token=at * _SECOND + (status != "open"),
        aliases=(dispute.id,),
        about="" if entity else about,
    )


def refund_of(refund: wire.Refund) -> payment.Refund:
    """A refund, with our reference where it carries one."""
    return payment.Refund(
        id=refund.id,
        payment=_id(refund.payment_intent) or _id(refund.charge),
        tender="card",
        amount=money(refund.amount, refund.currency),
        status=_refund_status(refund)[1],
        refunded_at=from_micros(refund.created * _SECOND),
        reference=refund.metadata.crossdock_key if refund.metadata else "",
        settled=_settled(refund.balance_transaction, refund.currency),
    )


def capture_id(charge: str, captured: int) -> str:
    """The name of the capture that brought a charge to this amount, in Stripe's unit."""
    return f"{charge}-{captured}"


def _refund_status(refund: wire.Refund) -> tuple[int, RefundStatus]:
    found = _REFUNDS.get(refund.status)
    if found is None:
        raise Untranslatable(f"refund {refund.id} has the unknown status {refund.status[:40]!r}")
    return found


def _fee(dispute: wire.Dispute) -> AnyMoney | None:
    lines = dispute.balance_transactions
    fee = sum(line.fee for line in lines)
    return money(fee, lines[0].currency) if fee > 0 else None


def _card(charge: wire.Charge) -> wire.Card:
    details = charge.payment_method_details
    return details.card or wire.Card() if details else wire.Card()


def _tender(charge: wire.Charge) -> payment.Tender:
    details = charge.payment_method_details
    return "card" if details is None or details.type in ("card", "card_present", "link") else "other"


def _staged(stage: int, at: int) -> int:
    return stage * _STAGE + at * _SECOND


def _names(*names: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _id(named: str | wire.OrderNamer | None) -> str:
    return named.id if isinstance(named, wire.OrderNamer) else named or ""


def _order(origin: Origin, metadata: wire.Metadata | None) -> str | None:
    if metadata is None or not ORDER.fullmatch(metadata.order):
        return None
    return origin.order(metadata.order)


def _order_of_any(origin: Origin, own: wire.Metadata | None, *parents: str | wire.OrderNamer | None) -> str | None:
    """The order an object names itself, else the one that an expanded object names."""
    named = [own, *(parent.metadata for parent in parents if isinstance(parent, wire.OrderNamer))]
    return next((order for order in (_order(origin, each) for each in named) if order), None)


def _read(body: bytes, shape: type[T]) -> T:
    """The body in its wire type. msgspec raises these two of Python's beside its own."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise Untranslatable("the body is not UTF-8") from error
    except RecursionError as error:
        raise Untranslatable("the body is nested too deeply") from error
