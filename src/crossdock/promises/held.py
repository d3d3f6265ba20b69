"""What an ERP holds of an order otherwise than it was told. It is never done again by itself: a person looks."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.canonical.erp import ErpSale
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Trouble
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Fact, Standing

_INVOICES = ("invoice", "credit_memo", "supplementary_invoice")


def troubles_with_what_is_held(standing: Standing, policy: Policy, erp: str) -> Iterator[Trouble]:
    """A sale that a clerk changed or cancelled, and an invoice or credit note that nobody asked the hub for."""
    for fact in standing.of("sale"):
        if fact.connection == erp:
            yield from _sale(standing, fact, policy, erp)
    ours = {sealed.remote_id for kind in _INVOICES for sealed in standing.all_sealed(kind)}
    unanswered = any(not sealed.confirmed for kind in _INVOICES for sealed in standing.all_sealed(kind))
    for fact in standing.of("invoice"):
        # One that is just being made is heard of before its receipt.
        if fact.connection == erp and fact.id.rpartition(":")[2] not in ours and not unanswered:
            yield _unasked(standing, fact, erp)


def _sale(standing: Standing, fact: Fact, policy: Policy, erp: str) -> Iterator[Trouble]:
    sale: ErpSale = fact.body
    told = standing.sealed.get(SALE if sale.part == 1 else f"{SALE}:{sale.part}")
    if told is None:
        return
    total = told.body.order.total
    if sale.state == "cancelled":
        yield _differs(standing, erp, sale, "cancelled", "was cancelled there")
    elif total.currency != sale.total.currency or abs(total.minor - sale.total.minor) > policy.tolerance_minor:
        yield _differs(standing, erp, sale, "total", f"comes to {sale.total} there, and {total} was ordered")
    elif sale.lines_net != sale.net:
        yield _differs(
            standing, erp, sale, "lines", f"has lines of {sale.lines_net} there, and was confirmed with {sale.net}"
        )


def _differs(standing: Standing, erp: str, sale: ErpSale, what: str, how: str) -> Trouble:
    return Trouble(
        cause=f"edited:{erp}:sale:{what}",
        title=f"Sales that somebody changed in {erp}",
        remedy="Put the sale right there, or change the order in its shop: the hub does neither.",
        detail=f"{standing.entity}: sale {sale.number} {how}",
    )


def _unasked(standing: Standing, fact: Fact, erp: str) -> Trouble:
    what = "credit note" if fact.body.total.minor < 0 else "invoice"
    return Trouble(
        cause=f"unasked:{erp}:invoice",
        title=f"Invoices and credit notes in {erp} that were made by hand",
        remedy="Cancel it there and correct the order in its shop instead, so that all books follow; or leave it to this case.",
        detail=f"{standing.entity}: {what} {fact.body.number} over {fact.body.total}",
    )
