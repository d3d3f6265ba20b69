"""S2, Q1, Q2 and Q3: what went back to buyers and what was billed, worked out anew from the ledgers, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.chaos.judge.evidence import Entry, Evidence, Finding
from tests.chaos.judge.sales import Sale

OVER = ("over_refunded:", "owed_again:", "lost_dispute:")
"""Causes of cases that say why a buyer has more than they were entitled to."""
SHORT = ("refund_uncovered:", "refund_rejected:", "rejected:psp:", "doubt:psp:", "overdrawn:")
"""Causes of cases that say why they have less."""
OVERDRAWN = ("overdrawn:",)
_GONE = ("order_gone:", "absent:")
"""The shop knows the order no more, or never told of it."""
_CORRECTION_IN_DOUBT = ("doubt:erp:credit_memo", "doubt:erp:supplementary_invoice")
"""What a level was brought to in a time that the hub has forgotten, for a cause it may not know."""
_ONCE_MORE = "approval:refund:"
"""Where a bank sent a refund back a person says whether it goes out once more."""
_WAITS = ("refund:", "dispute:", "pay_back:", "day_of:")


def never_overdrawn(evidence: Evidence, sales: list[Sale]) -> Iterator[Finding]:
    """S2, at every entry of the provider's ledger: no more back than came in, no more by us than anybody was entitled to."""
    by_id = {sale.id: sale for sale in sales}
    came_in, went_back, ours, by_us = Counter[str](), Counter[str](), Counter[str](), dict[str, bool]()
    unknown = Counter[str]()
    for entry in evidence.ledgers["psp"]:
        _move(entry, came_in, went_back, ours, by_us)
        charge, sale = entry.details.get("charge", ""), by_id.get(entry.details.get("order", ""))
        if entry.what == "refunded" and evidence.has_forgotten("psp", entry):
            unknown[charge] += entry.details["amount"]
        # A clerk gives back what the provider shows as left; we know better.
        if went_back[charge] - (0 if entry.key else unknown[charge]) > came_in[charge]:
            yield Finding("S2", "doubled", f"{went_back[charge]} of {came_in[charge]} went back on {charge}")
        if entry.what == "refunded" and entry.key and sale and not sale.unheard:
            due = sale.due_at(entry.at) + sale.maybe
            if ours[sale.id] > due:
                yield Finding("S2", "doubled", f"{sale.name}: {ours[sale.id]} refunded when {due} was due, {entry.at}")
    yield from _limited(evidence)
    for account in evidence.accounts:
        held = account["pending"] + account["posted"]
        if not (account["pending"] >= 0 and account["posted"] >= 0 and held <= account["limit"]):
            yield Finding("S2", "unexplained", f"account {account}")


def _limited(evidence: Evidence) -> Iterator[Finding]:
    """No more leaves in a day than may; a day of a wrong clock, or one that was forgotten, isn't known to be one."""
    limit, told = evidence.told.refunds_a_day, evidence.told
    if limit is None or told.wrong_clock or told.forgotten:
        return
    left = Counter[str]()
    for entry in evidence.entries("psp", "refunded"):
        left[entry.at.date().isoformat()] += entry.details["amount"] if entry.key else 0
    for day, amount in left.items():
        if amount > limit:
            yield Finding("S2", "doubled", f"{amount} refunded on {day}, where {limit} may")


def held_by_limit(evidence: Evidence, sale: Sale) -> bool:
    """Whether something of its refunds waits for the next day."""
    return evidence.told.refunds_a_day is not None and any(
        name.startswith("day_of:") for name in _waits(evidence, sale)
    )


def _move(
    entry: Entry, came_in: Counter[str], went_back: Counter[str], ours: Counter[str], by_us: dict[str, bool]
) -> None:
    told = entry.details
    match entry.what:
        case "captured":
            came_in[told["charge"]] += told["amount"]
        case "refunded" | "refund_failed":
            amount = told["amount"] if entry.what == "refunded" else -told["amount"]
            went_back[told["charge"]] += amount
            if by_us.setdefault(told["refund"], bool(entry.key)):
                ours[told["order"]] += amount
        case _:
            pass


def settled(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """Q2 and Q3 at rest: a buyer has what they are entitled to, or people are told why not."""
    if evidence.orders[sale.entity] is None or sale.unheard:
        return
    said = f"{sale.name}: {sale.got} of {sale.due} (ours {sale.ours}, by hand {sale.by_hand}, till {sale.paid_out})"
    gone = reasons(evidence, sale, _GONE) if sale.vanished else []
    over, short = reasons(evidence, sale, OVER) + gone, short_of(evidence, sale) + gone
    if sale.got > sale.due + sale.maybe and not over:
        yield Finding("Q2", "doubled", f"too much went back, and nobody is told: {said}")
    if sale.got < sale.due and not short:
        yield Finding("Q3", "lost", f"too little went back, and nobody is told: {said}")
    as_due = sale.due <= sale.got <= sale.due + sale.maybe and not over and not short
    if not sale.meddled and not held_by_limit(evidence, sale) and not as_due:
        yield Finding("Q3", "unexplained", f"nobody meddled, and yet {said}, {over + short}")


def short_of(evidence: Evidence, sale: Sale) -> list[str]:
    """Why its buyer has less than they are entitled to, as people are told."""
    return reasons(evidence, sale, SHORT) + _waits(evidence, sale)


def reasons(evidence: Evidence, sale: Sale, causes: tuple[str, ...]) -> list[str]:
    return [case["cause"] for case in evidence.cases_of(sale.entity) if case["cause"].startswith(causes)]


def _waits(evidence: Evidence, sale: Sale) -> list[str]:
    told, waits = evidence.orders[sale.entity] or {}, _WAITS
    if any(entry.details["order"] == sale.id for entry in evidence.entries("psp", "refund_failed")):
        waits = (*waits, _ONCE_MORE)
    return [each["name"] for each in told.get("expected", ()) if each["name"].startswith(waits)]


def billed(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """Q1: per line, what parcels' invoices, further invoices and credit memos come to is the worth of what was kept.

    Tax may differ by a cent a line: the shop and the ERP round on different numbers of units after an edit.
    """
    if evidence.orders[sale.entity] is None or sale.unheard or "erp" not in evidence.ledgers:
        return
    if sale.vanished and reasons(evidence, sale, _GONE):
        return
    if evidence.told.forgotten and reasons(evidence, sale, _CORRECTION_IN_DOUBT):
        return  # people are told which one is there, and that it may differ
    net, tax = _billed(evidence, sale)
    shipped, back = sale.shipped, _back(sale)
    for line in sale.lines.values():
        kept = shipped[line.id] - back[line.id]
        wanted = line.net_of(kept), line.tax_of(kept)
        if net[line.id] != wanted[0] or abs(tax[line.id] - wanted[1]) > 1:
            said = f"billed {net[line.id]} + {tax[line.id]} for {kept} units worth {wanted[0]} + {wanted[1]}"
            yield Finding("Q1", "unexplained", f"{sale.name}, line {line.sku}: {said}")


def _billed(evidence: Evidence, sale: Sale) -> tuple[Counter[str], Counter[str]]:
    """Net and tax by line, as the ERP's ledger has them."""
    net, tax = Counter[str](), Counter[str]()
    posted = {e.details["body"]["shipment"] for e in _of(evidence, sale, "invoice_posting")}
    units = Counter[str]()
    for entry in _of(evidence, sale, "goods_issue"):
        parcel = entry.details["body"]["shipment"]
        if parcel["id"] in posted:
            for line in parcel["lines"]:
                units[line["line"]] += line["units"]
    for id_, count in units.items():
        net[id_], tax[id_] = sale.lines[id_].net_of(count), sale.lines[id_].tax_of(count)
    for sign, what in ((1, "supplementary_invoice"), (-1, "credit_memo")):
        for entry in _of(evidence, sale, what):
            for line in entry.details["body"]["lines"]:
                net[line.get("line", "")] += sign * line["net"]["minor"]
                tax[line.get("line", "")] += sign * sum(each["amount"]["minor"] for each in line.get("taxes", ()))
    return net, tax


def _of(evidence: Evidence, sale: Sale, what: str) -> Iterator[Entry]:
    return (entry for entry in evidence.standing("erp", what) if entry.details["entity"] == sale.entity)


def _back(sale: Sale) -> Counter[str]:
    """Units by line that came back and were looked at."""
    units = Counter[str]()
    by_sku: Mapping[str, Any] = {line.sku: line.id for line in sale.lines.values()}
    for back in sale.returns:
        for nth, (sku, count) in enumerate(back.units):
            units[by_sku[sku]] += count if nth in back.looked_at else 0
    return units
