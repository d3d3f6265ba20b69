"""What is stored, in the words people in retail use."""

from __future__ import annotations

from datetime import datetime

from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.tracing import TracedPromise

_NAMES = {
    "sale": "Sale",
    "shipment_order": "Shipment order",
    "ship_to": "Delivery address",
    "erp_address": "Delivery address",
    "order_reference": "ERP number shown",
    "goods_issue": "Goods issue",
    "invoice": "Invoice",
    "fulfilment": "Fulfilment shown",
    "parcel_notice": "Customer told",
    "party_account": "Customer account",
    "fetch": "Read",
}
_NUMBER_CHARACTERS_MAX = 32
_ACTORS = ("the hub", "{target}", "a person", "a counterparty", "the clock", "the brake on {target}")


def name_of(promise: str) -> str:
    """`goods_issue:P-7` is "Goods issue (P-7)"."""
    kind, _, detail = promise.replace("@", ":").partition(":")
    name = _NAMES.get(kind, kind.replace("_", " ").capitalize())
    if kind == "fetch":  # `fetch:order`, or `fetch:hint:order:…` when the source only hinted at a change
        return f"Read again ({detail.split(':')[1]})" if detail.startswith("hint:") else f"Read ({detail})"
    return f"{name} ({detail})" if detail and kind != "party_account" else name


def standing_of(promise: TracedPromise) -> str:
    """Where one promise stands, in a word."""
    if promise.stage is None:
        if promise.confirmed_at is not None:
            return f"confirmed{as_what(promise)}"
        return "withdrawn" if promise.withdrawn_at else "superseded"
    return {
        Stage.READY: "promised" if promise.sealed_at is None else "sealed, to be sent again",
        Stage.CALLING: "sent, no answer yet",
        Stage.ACCEPTED: "accepted, not confirmed yet",
        Stage.DOUBTFUL: "may have happened",
        Stage.BLOCKED: f"waits for {need_of(promise.blocked_on or '')}",
        Stage.CASE: "refused; in a case",
    }[Stage(promise.stage)]


def as_what(promise: TracedPromise) -> str:
    """The number people know the result of an act by; states and machine ids are nobody's news."""
    told = promise.verb == Verb.ACT and promise.number and len(promise.number) <= _NUMBER_CHARACTERS_MAX
    return f" as {promise.number}" if told else ""


def need_of(key: str) -> str:
    """What a blocked promise needs."""
    if key.startswith("map/"):
        _, connection, kind, name = key.split("/", 3)
        return f"a mapping of {kind} {name} at {connection}"
    entity, _, name = key.rpartition("/")
    return f"{name_of(name).lower()} of {entity}"


def whom(promise: TracedPromise) -> str:
    """Who moves next on an open promise."""
    if promise.actor is None:
        return ""
    if promise.stage == Stage.BLOCKED and promise.actor == 0:
        return need_of(promise.blocked_on or "")
    return _ACTORS[promise.actor].format(target=promise.target)


def amount(minor: int, currency: str) -> str:
    """Minor units as people write them: 12.50 USD."""
    money: AnyMoney = Money(minor, currency)
    return str(money)


def clock(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%H:%M:%S")


def day_and_clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
