"""S1 and S3, and what is missing: every effect a system's ledger shows, held against what the retailer's day makes due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.judge.evidence import Entry, Evidence, Finding, moment
from tests.chaos.judge.money import OVERDRAWN, held_by_limit, reasons, short_of
from tests.chaos.judge.sales import Sale

ACTS = ("sales_order", "goods_issue", "invoice_posting", "credit_memo", "supplementary_invoice", "goods_return")


# Processes are exchanged one after the other, and the last that writes no mails may take so long to go.
_ROLLING = timedelta(seconds=60)


def slot(key: str) -> str:
    """Order and promise: what a command's key says beside its cause and which try it is."""
    return "/".join(key.split("/")[:2])


def doubled(evidence: Evidence) -> Iterator[Finding]:
    """S1: nothing happened twice at any target, whatever was sent how often."""
    seen: dict[str, Iterable[tuple[str, str]]] = {
        "the ERP": ((e.what, slot(e.key)) for what in ACTS for e in evidence.standing("erp", what)),
        "the warehouse": (("order", entry.key) for entry in evidence.standing("wms", "order_received")),
        "the provider, by idempotency key": (("refund", e.key) for e in evidence.entries("psp", "refunded") if e.key),
        "the provider, by our reference": (("refund", slot(key)) for key in _references(evidence)),
        "the shop, parcels": (
            ("parcel", number)
            for e in evidence.standing("shop", "fulfilment_created")
            for number in e.details["tracking"]
        ),
        "the shop, returns": (("return", e.details["note"]) for e in _recorded(evidence)),
        "the mail server": (("mail", entry.key) for entry in evidence.entries("mail", "mail_received")),
    }
    for where, things in seen.items():
        for (what, name), count in Counter(things).items():
            if count > 1:
                yield Finding("S1", "doubled", f"{what} {name} happened {count} times at {where}")
    yield from _conflicting(evidence)


def _references(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries("psp", "refunded"):
        if key := entry.details["metadata"].get("crossdock_key", ""):
            yield key


def _recorded(evidence: Evidence) -> Iterator[Any]:
    """What the hub wrote down in the shop of returns: its key is in the note."""
    return (e for e in evidence.standing("shop", "refund_created") if e.details["note"])


# A call of a time that is forgotten may happen at the end of an answer that takes five seconds.
_UNDER_WAY = timedelta(seconds=6)


def _conflicting(evidence: Evidence) -> Iterator[Finding]:
    """The same reference with other content: whoever resends must repeat the same bytes, if they can know them."""
    forgotten = {e.key for e in evidence.entries("wms", "order_received") if _sent_in_a_forgotten_time(evidence, e.at)}
    for entry in (e for e in evidence.entries("wms", "order_conflicted") if e.key not in forgotten):
        yield Finding("S3", "unexplained", f"the warehouse was sent {entry.key} again with other content")


def _sent_in_a_forgotten_time(evidence: Evidence, at: datetime) -> bool:
    return any(moment(since) <= at <= moment(until) + _UNDER_WAY for since, until in evidence.told.forgotten)


def unsealed(evidence: Evidence) -> Iterator[Finding]:
    """S3: what happened was committed before, with these bytes."""
    for what in ACTS:
        for entry in evidence.entries("erp", what):
            yield from _as_sealed(evidence, entry.key, entry.at, entry.details["body"])
    for entry in evidence.entries("psp", "refunded"):
        key = entry.details["metadata"].get("crossdock_key", "")
        if key:
            yield from _as_sealed(evidence, key, entry.at, None)
            intent = None if _sent_in_a_forgotten_time(evidence, entry.at) else evidence.intent(key)
            sealed, paid = intent and intent["body"]["amount"]["minor"], entry.details["amount"]
            if sealed not in (None, paid):
                yield Finding("S3", "unexplained", f"{key} was sealed over {sealed}, and {paid} was paid")


def _as_sealed(evidence: Evidence, key: str, at: Any, body: Any) -> Iterator[Finding]:
    intent = evidence.intent(key)
    if _sent_in_a_forgotten_time(evidence, at):
        return  # so is its intent; that it wasn't done again is S1
    if intent is None:
        yield Finding("S3", "unexplained", f"{key} happened, and the hub has no intent of it")
    elif moment(intent["sealed_at"]) > at and not evidence.is_misdated(at):
        yield Finding("S3", "unexplained", f"{key} was sealed at {intent['sealed_at']}, after it happened at {at}")
    elif body is not None and body != intent["body"]:
        yield Finding("S3", "unexplained", f"{key} was called with other content than was sealed")


def missing(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """What a system lacks. An order that is unknown was never heard of, or its acknowledged messages were lost."""
    if evidence.orders[sale.entity] is None:
        if "shop" not in sale.unheard and not sale.vanished:
            yield Finding("S9", "lost", f"{sale.name}: the hub does not know the order, and no webhook of it was lost")
        return
    for system, what, count, there in _due(evidence, sale):
        if there < count and not _explained(evidence, sale, system, what):
            yield Finding("Q3", "lost", f"{sale.name}: {there} of {count} {what}, and nobody is told why")
        elif there > count:
            yield Finding("S1", "doubled", f"{sale.name}: {there} {what} where {count} are due")


def _due(evidence: Evidence, sale: Sale) -> Iterator[tuple[str, str, int, int]]:
    """(system, what, how many are due, how many there are)"""

    def erp(what: str, name: str = "") -> int:
        return sum(f"{sale.entity}/{name}" in slot(e.key) for e in evidence.standing("erp", what)
                   if e.details["entity"] == sale.entity)  # fmt: skip

    parcels, complete = len(sale.parcels), [back for back in sale.returns if back.complete]
    if "erp" in evidence.ledgers:
        yield "erp", "sales in the ERP", 1, erp("sales_order") - _sold_again(evidence, sale)
        parts = parcels + _further_parts(evidence, sale)
        yield "erp", "goods issues in the ERP", parts, erp("goods_issue")
        yield "erp", "invoices in the ERP", parts, erp("invoice_posting")
        yield "erp", "goods returns in the ERP", len(complete), erp("goods_return")
    yield "wms", "orders at the warehouse", 1, _count(evidence, "wms", "order_received", lambda e: e.key == sale.entity)
    yield (
        "shop",
        "parcels in the shop",
        parcels,
        _count(evidence, "shop", "fulfilment_created", lambda e: e.key == sale.id),
    )
    recorded = _count(evidence, "shop", "refund_created", lambda e: e.key == sale.id and bool(e.details["lines"]))
    yield "shop", "returns in the shop", len(complete), recorded
    if sale.email and not _before_mails(evidence, sale):
        mails = [
            e.details for e in evidence.entries("mail", "mail_received") if sale.name in e.details["subject"].split()
        ]
        refunds = sum("refund" in mail["subject"] for mail in mails)
        yield "mail", "mails about parcels", parcels, len(mails) - refunds
        yield "mail", "mails about refunds", _refunds(evidence, sale), refunds


def _sold_again(evidence: Evidence, sale: Sale) -> int:
    """Further sales of what the shop was set back over taking off, which is to be sold after all."""
    edits = [e for what in ("order_edited", "order_cancelled") for e in evidence.entries("shop", what, sale.id)]
    forgotten = sum(evidence.has_forgotten("shop", each) for each in edits)
    further = [e for e in evidence.standing("erp", "sales_order") if slot(e.key).startswith(f"{sale.entity}/sale:")]
    return min(forgotten, len(further))


def _further_parts(evidence: Evidence, sale: Sale) -> int:
    """What left in one parcel on several sales: one part from each, which together are the parcel."""
    issues = [e.details for e in evidence.standing("erp", "goods_issue") if e.details["entity"] == sale.entity]
    count = 0
    for parcel in sale.parcels:
        parts = [each for each in issues if each["body"]["shipment"]["id"] == parcel["id"]]
        sales = {each["refs"].get("sale") for each in parts}
        issued = sum((_units(each["body"]["shipment"]) for each in parts), Counter[str]())
        if len(sales) == len(parts) > 1 and issued == _units(parcel):
            count += len(parts) - 1
    return count


def _units(parcel: Mapping[str, Any]) -> Counter[str]:
    units = Counter[str]()
    for line in parcel["lines"]:
        units[line["line"]] += line["units"]
    return units


def _before_mails(evidence: Evidence, sale: Sale) -> bool:
    """Something happened to it before anybody wrote mails, or just then: S6 says whether one was written about that."""
    since = evidence.told.mails_since
    refunds = (e.at for e in evidence.entries("psp", "refunded") if e.details["order"] == sale.id)
    happened = [*(moment(parcel["shipped_at"]) for parcel in sale.parcels), *refunds]
    return since is not None and any(at < moment(since) + _ROLLING for at in happened)


def _refunds(evidence: Evidence, sale: Sale) -> int:
    return sum(bool(e.key) and e.details["order"] == sale.id for e in evidence.entries("psp", "refunded"))


def _count(evidence: Evidence, system: str, what: str, fits: Callable[[Any], bool]) -> int:
    return sum(1 for entry in evidence.standing(system, what) if fits(entry))


_OURS = {
    "erp": {what: (what,) for what in ACTS},
    "wms": {"order_received": ("shipment_order",)},
    "shop": {"fulfilment_created": ("fulfilment",), "refund_created": ("return_record",)},
    "psp": {"refunded": ("payment_refund", "refund")},
}
"""What we have receipts for, by the system that may be set back over it, and what cases call it."""


def forgotten(evidence: Evidence) -> Iterator[Finding]:
    """What a system was set back over is either done again there, once, or people are told that it is missing."""
    without = {each.key for each in evidence.forgotten("shop", "order_placed")}
    for system, kinds in _OURS.items():
        for what, nouns in kinds.items():
            causes = {f"{why}:{system}:{noun}" for why in ("missing", "doubt") for noun in nouns} | {
                f"order_gone:{system}"
            }
            for entry in evidence.forgotten(system, what):
                entity = _entity_of(system, entry)
                told = any(case["cause"] in causes for case in evidence.cases_of(entity))
                # Where all was done for an order that the shop has no more, there is nothing to show there and nothing to tell.
                told = told or (system == "shop" and entry.key in without)
                if not told and not (system == "psp" and not entry.key):
                    said = f"{system} was set back over {entry.what} {entry.key} of {entity}, and nobody is told"
                    yield Finding("S1", "lost", said)


def _entity_of(system: str, entry: Entry) -> str:
    if system == "psp":
        return f"order:shop:{entry.details['order']}"
    return {"erp": entry.details.get("entity", ""), "shop": f"order:shop:{entry.key}"}.get(system, entry.key)


def _explained(evidence: Evidence, sale: Sale, system: str, what: str) -> bool:
    """A mail in doubt is a case; what nobody could hear of is waited for, or its source alone knows."""
    if system == "shop" and sale.vanished:
        return True  # there is nothing there that it could be shown on
    about = [f"missing:{system}:", f"doubt:{system}:"] if system in sale.set_back else []
    about += ["order_gone:shop", "absent:shop:order"] if sale.vanished else []
    about += ["doubt:mail:"] if system == "mail" else []
    if any(case["cause"].startswith(tuple(about)) for case in evidence.cases_of(sale.entity)):
        return True
    # The shop is told of a return with what was paid for it, and that may wait for a bank or a person.
    if what == "returns in the shop" and (sale.meddled or held_by_limit(evidence, sale)) and short_of(evidence, sale):
        return True
    # A refund that is forgotten takes its place in the day's limit again before anybody is told of it.
    forgotten = any(
        _sent_in_a_forgotten_time(evidence, e.at) and e.details["order"] == sale.id
        for e in evidence.entries("psp", "refunded")
    )
    if (
        what == "mails about refunds"
        and forgotten
        and held_by_limit(evidence, sale)
        and reasons(evidence, sale, OVERDRAWN)
    ):
        return True
    told = evidence.orders[sale.entity] or {}
    waits = bool(told.get("expected") or told.get("cases") or any(p["next_actor"] for p in told.get("promises", ())))
    return bool(sale.unheard) and (waits or "wms" not in sale.unheard)
