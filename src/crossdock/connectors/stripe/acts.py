"""What Stripe is asked to do with money: take what is held, give it up, give back what was taken.

Each request has its idempotency key, which Stripe keeps for at least 24 hours with whatever it answered first, a 500 included.
Later the effect is looked for by our reference: in a refund's metadata, and for a capture in its payment's.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from crossdock.canonical.payment import PaymentCapture, PaymentRefund, PaymentVoid
from crossdock.connect.connector import Command
from crossdock.connect.documents import Untranslatable
from crossdock.connect.effects import Keyed, Searchable
from crossdock.connect.link import Answer, Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.stripe import wire
from crossdock.connectors.stripe.amounts import amount_of
from crossdock.connectors.stripe.system import Settings, connector, get, post
from crossdock.connectors.stripe.translate import capture_id, refund_of
from crossdock.kernel.faults import Rejected, Unknown

_KEY_LENGTH_MAX = 255
_METADATA_LENGTH_MAX = 500
_PAGE_ITEMS = 100
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CAPTURED_FOR = "crossdock_"

# Stripe keeps keys "at least 24 hours"; the lane's own margin is on top.
_KEYED = Keyed(timedelta(hours=24))
# Stripe gives up on a request after 80 seconds at most; a listing shows at once what was made. Both widely rounded up.
_VISIBLE_AFTER, _MAX_TRAVEL = timedelta(minutes=2), timedelta(minutes=30)


def _searchable(by: str) -> Searchable:
    return Searchable(by=by, visible_after=_VISIBLE_AFTER, max_travel=_MAX_TRAVEL)


# ---- refunds


@connector.act(PaymentRefund, effect=[_KEYED, _searchable("metadata.crossdock_key among the payment's refunds")])
async def refund(command: Command[PaymentRefund], link: Link[Settings]) -> Outcome:
    """Give money back; pending counts as done, for the refund exists and only Stripe can still change it."""
    fields = list(_refund_fields(command, link.settings))
    answer = await post("/v1/refunds", fields, idempotency_key(command.key), link)
    return _refund_outcome(answer.decode(wire.Refund))


@connector.find(PaymentRefund)
async def find_refunds(commands: Sequence[Command[PaymentRefund]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The refunds that carry our references."""
    found: dict[str, Outcome] = {}
    wanted = {command.key for command in commands}
    for intent in sorted({intent_of(command.body.payment) for command in commands}):
        async for each in _refunds_of(intent, link):
            key = each.metadata.crossdock_key if each.metadata else ""
            if key in wanted:
                found[key] = _refund_outcome(each)
    return found


async def _refunds_of(intent: str, link: Link[Settings]) -> AsyncGenerator[wire.Refund]:
    after: dict[str, str] = {}
    while True:
        query = urlencode({"payment_intent": intent, "limit": _PAGE_ITEMS, **after})
        answer = await get(f"/v1/refunds?{query}", link)
        page = wire.RefundPage((), False) if answer is None else answer.decode(wire.RefundPage)
        for each in page.data:
            yield each
        if not page.has_more or not page.data:
            return
        after = {"starting_after": page.data[-1].id}


def _refund_fields(command: Command[PaymentRefund], settings: Settings) -> Iterator[tuple[str, str]]:
    asked = command.body
    yield "payment_intent", intent_of(asked.payment)
    yield "amount", str(amount_of(asked.amount))
    if asked.reason in _REASONS:
        yield "reason", asked.reason
    elif asked.reason:
        yield "metadata[reason]", asked.reason[:_METADATA_LENGTH_MAX]
    yield "metadata[crossdock_key]", _reference(command)
    order = _order_of(command.entity, settings)
    if order:
        yield "metadata[order]", order


def _refund_outcome(made: wire.Refund) -> Outcome:
    if made.status in ("failed", "canceled"):
        return Rejected(f"refund {made.id} {made.status}: {made.failure_reason or 'no reason given'}")
    try:
        return Confirmed(id=made.id, body=refund_of(made))
    except Untranslatable as error:
        return Unknown(f"refund {made.id} was made, and can't be read: {error}")


# ---- captures


@connector.act(PaymentCapture, effect=[_KEYED, _searchable("metadata of the payment, where each capture adds its key")])
async def capture(command: Command[PaymentCapture], link: Link[Settings]) -> Outcome:
    """Take what is held. All but the last capture need multicapture, which an account must have been given."""
    intent = intent_of(command.body.payment)
    mark = _mark(command)
    fields = [("amount_to_capture", str(amount_of(command.body.amount))), (f"metadata[{mark}]", _reference(command))]
    if not command.body.final:
        fields.append(("final_capture", "false"))
    path = f"/v1/payment_intents/{quote(intent, safe='')}/capture"
    answer = await post(path, fields, idempotency_key(command.key), link)
    held = answer.decode(wire.HeldIntent)
    fact = capture_id(held.latest_charge or held.id, held.amount_received)
    return Confirmed(id=f"{intent}/{mark}", aliases=(fact,))


@connector.find(PaymentCapture)
async def find_captures(commands: Sequence[Command[PaymentCapture]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The captures whose keys their payments carry."""
    held = await _intents(commands, link)
    return {
        command.key: Confirmed(id=f"{intent.id}/{_mark(command)}")
        for command in commands
        if (intent := held.get(intent_of(command.body.payment))) and command.key in intent.metadata.values()
    }


def _mark(command: Command[Any]) -> str:
    """A metadata key of its own for each capture: at most 40 characters, and 50 of them on one payment."""
    return f"{_CAPTURED_FOR}{hashlib.sha256(command.key.encode()).hexdigest()[:24]}"


# ---- voids


@connector.act(PaymentVoid, effect=[_KEYED, _searchable("the payment itself: nothing is held any more")])
async def void(command: Command[PaymentVoid], link: Link[Settings]) -> Outcome:
    """Let go of what is held and not taken; done as well when nothing is held."""
    intent = intent_of(command.body.payment)
    path = f"/v1/payment_intents/{quote(intent, safe='')}"
    answer = await get(path, link)
    if answer is None:
        return Rejected(f"Stripe has no payment {intent}", field="payment")
    held = answer.decode(wire.HeldIntent)
    if not _is_void(held):
        held = (await _let_go(held, path, idempotency_key(command.key), link)).decode(wire.HeldIntent)
    return Confirmed(id=intent) if _is_void(held) else Unknown(f"payment {intent} is {held.status} after its void")


async def _let_go(held: wire.HeldIntent, path: str, key: str, link: Link[Settings]) -> Answer:
    """After a partial capture the rest is released by capturing nothing, finally; else the payment is cancelled."""
    if held.amount_received:
        return await post(f"{path}/capture", [("amount_to_capture", "0"), ("final_capture", "true")], key, link)
    return await post(f"{path}/cancel", [], key, link)


@connector.find(PaymentVoid)
async def find_voids(commands: Sequence[Command[PaymentVoid]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The payments of which nothing is held any more."""
    held = await _intents(commands, link)
    return {
        command.key: Confirmed(id=intent.id)
        for command in commands
        if (intent := held.get(intent_of(command.body.payment))) and _is_void(intent)
    }


def _is_void(held: wire.HeldIntent) -> bool:
    return held.status in ("canceled", "succeeded")


# ---- what they share


async def _intents(commands: Sequence[Command[Any]], link: Link[Settings]) -> dict[str, wire.HeldIntent]:
    """The payments of the commands, as far as Stripe has them."""
    found: dict[str, wire.HeldIntent] = {}
    for intent in sorted({intent_of(command.body.payment) for command in commands}):
        answer = await get(f"/v1/payment_intents/{quote(intent, safe='')}", link)
        if answer is not None:
            found[intent] = answer.decode(wire.HeldIntent)
    return found


def intent_of(named: str) -> str:
    """Stripe's id of a payment, given as it or as the fact's identity (`payment:psp:pi_1`)."""
    return named.rpartition(":")[2]


def idempotency_key(key: str) -> str:
    """The command's key; where it is longer than Stripe's 255 characters, or not ASCII, a digest of it."""
    if len(key) <= _KEY_LENGTH_MAX and key.isascii() and key.isprintable():
        return key
    return f"crossdock-{hashlib.sha256(key.encode()).hexdigest()}"


def _reference(command: Command[Any]) -> str:
    if len(command.key) > _METADATA_LENGTH_MAX:
        raise Rejected(
            f"Stripe keeps references of {_METADATA_LENGTH_MAX} characters, not {len(command.key)}", field="key"
        )
    return command.key


def _order_of(entity: str, settings: Settings) -> str:
    """The id of the order at the connection whose orders are paid here."""
    own = f"order:{settings.orders_of}:"
    return entity.removeprefix(own) if settings.orders_of and entity.startswith(own) else ""
