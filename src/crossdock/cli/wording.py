"""What is stored, in the words people in retail use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.tracing import TracedPromise

_NAMES = {
    "sale": "Sale",
    "shipment_order": "Shipment order",
    "shipment_lines": "Units to ship",
    "ship_to": "Delivery address",
    "erp_address": "Delivery address",
    "open_units": "Units no longer wanted",
    "order_reference": "ERP number shown",
    "goods_issue": "Goods issue",
    "invoice": "Invoice",
    "supplementary_invoice": "Further invoice",
    "credit_memo": "Credit note",
    "fulfilment": "Fulfilment shown",
    "parcel_notice": "Customer told",
    "party_account": "Customer account",
    "goods_return": "Goods return",
    "return_record": "Return shown",
    "late_return": "Late return",
    "refund": "Refund",
    "store_credit": "Store credit",
    "void": "Payment released",
    "pickup_order": "Store asked to keep it ready",
    "pickup_release": "Store told to give it up",
    "pickup_notice": "Customer told it lies ready",
    "order_cancellation": "Cancelled in the shop",
    "fetch": "Read",
}
_MONEY_BACK = ("refund", "store_credit", "pay_back")
_NUMBERED = ("sale", "capture", "credit_memo", "supplementary_invoice", "goods_return", "return_record")
_NUMBER_CHARACTERS_MAX = 32
_ID_CHARACTERS_MAX = 14
_ACTORS = ("the hub", "{target}", "a person", "a counterparty", "the clock", "the brake on {target}")

Known = Mapping[str, str]
"""What people call a thing, by its id or its fact's: {"return:till:5F0F…": "R1", "pi_H8…": "Visa 4242"}."""
NOBODY: Known = {}


def name_of(promise: str, known: Known = NOBODY) -> str:
    """`goods_issue:P-7` is "Goods issue (P-7)", `refund:return:till:R1|pi_9:1` is "Refund of return R1 on pi_9"."""
    kind, _, whole = promise.partition(":")
    if kind in _MONEY_BACK:
        return _money_back(kind, whole, known)
    if kind == "refund_notice":
        return f"Customer told of {_lowered(name_of(whole.partition('|')[0], known))}"
    kind, _, detail = promise.replace("@", ":").partition(":")
    name = _NAMES.get(kind, kind.replace("_", " ").capitalize())
    if kind == "fetch":
        return _read(detail)
    if kind in _NUMBERED:
        detail = _but_the_first(detail, known)
    return f"{name} ({called(detail, known)})" if detail and kind != "party_account" else name


def _read(detail: str) -> str:
    """`order` is what is missing, `hint:order:…` what its source only hinted at, `pickup:before` what is asked again."""
    if detail.startswith("pickup:"):
        return "Read again (the store's pickup)"
    return f"Read again ({detail.split(':')[1]})" if detail.startswith("hint:") else f"Read ({detail})"


def _money_back(kind: str, detail: str, known: Known) -> str:
    """`<cause>|<payment>:<n>`"""
    cause, _, rest = detail.rpartition("|") if "|" in detail else (detail, "", "")
    payment, _, nth = rest.partition(":")
    where = f" on {called(payment, known)}" if payment else ""
    again = f" ({nth})" if nth not in ("", "1") else ""
    name = _NAMES.get(kind, kind.replace("_", " ").capitalize())
    return f"{name} of {cause_of(cause, known)}{where}{again}" if cause else name


def cause_of(cause: str, known: Known = NOBODY) -> str:
    """`return:till:R1` is "return R1"."""
    if cause in ("order", "surplus"):
        return {"order": "the order", "surplus": "what was paid too much"}[cause]
    kind, _, rest = cause.partition(":")
    return f"{kind} {known[cause] if cause in known else called(rest.partition(':')[2] or rest, known)}"


def _but_the_first(detail: str, known: Known) -> str:
    """`R1:1` is R1 and `R1:2` is R1, 2; a first `1` alone is nothing."""
    of, _, nth = detail.rpartition(":")
    if not of:
        return "" if nth == "1" else nth
    return called(of, known) if nth == "1" else f"{called(of, known)}, {nth}"


def called(id_: str, known: Known = NOBODY) -> str:
    """As people call it, or else its id; a long one by its beginning."""
    if id_ in known:
        return known[id_]
    return id_ if len(id_) <= _NUMBER_CHARACTERS_MAX else f"{id_[:_ID_CHARACTERS_MAX]}…"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def standing_of(promise: TracedPromise, known: Known = NOBODY) -> str:
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
        Stage.BLOCKED: f"waits for {need_of(promise.blocked_on or '', known)}",
        Stage.CASE: "refused; in a case",
    }[Stage(promise.stage)]


def as_what(promise: TracedPromise) -> str:
    """The number people know the result of an act by; states and machine ids are nobody's news."""
    told = promise.verb == Verb.ACT and promise.number and len(promise.number) <= _NUMBER_CHARACTERS_MAX
    return f" as {promise.number}" if told else ""


def need_of(key: str, known: Known = NOBODY) -> str:
    """What a blocked promise needs."""
    if key.startswith("map/"):
        _, connection, kind, name = key.split("/", 3)
        return f"a mapping of {kind} {name} at {connection}"
    entity, _, name = key.partition("/")
    return f"{_lowered(name_of(name, known))} of {entity}"


def whom(promise: TracedPromise, known: Known = NOBODY) -> str:
    """Who moves next on an open promise."""
    if promise.actor is None:
        return ""
    if promise.stage == Stage.BLOCKED and promise.actor == 0:
        return need_of(promise.blocked_on or "", known)
    return _ACTORS[promise.actor].format(target=promise.target)


def amount(minor: int, currency: str) -> str:
    """Minor units as people write them: 12.50 USD."""
    money: AnyMoney = Money(minor, currency)
    return str(money)


def clock(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%H:%M:%S")


def day_and_clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
