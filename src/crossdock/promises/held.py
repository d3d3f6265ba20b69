"""What an ERP holds of an order otherwise than it was told. It is never done again by itself: a person looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossdock.canonical.erp import ErpSale, ErpShipment
from crossdock.promises.money import OPEN_UNITS, SALE
from crossdock.promises.obligations import Trouble
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Fact, Standing

_INVOICES = ("invoice", "credit_memo", "supplementary_invoice")
_SHIPMENTS = ("goods_issue",)


def troubles_with_what_is_held(standing: Standing, policy: Policy, erp: str) -> Iterator[Trouble]:
    """A sale that a clerk changed, stopped or cancelled, and what left or was billed and nobody asked the hub for."""
    for fact in standing.of("sale"):
        if fact.connection == erp:
            yield from _sale(standing, fact, policy, erp)
    for fact in _unasked(standing, "invoice", _INVOICES, erp):
        yield _unasked_invoice(standing, fact, erp)
    for fact in _unasked(standing, "erp_shipment", _SHIPMENTS, erp):
        yield _unasked_shipment(standing, fact, erp)


def troubles_with_unsold(standing: Standing, erp: str) -> Iterator[Trouble]:
    """A sale of a cancelled order that the hub knows nothing of: its database was set back over having sold it, perhaps."""
    for fact in standing.of("sale"):
        if fact.connection == erp and fact.body.state == "open" and SALE not in standing.sealed:
            yield Trouble(
                cause=f"unasked:{erp}:sale",
                title=f"Open sales in {erp} of orders that were cancelled",
                remedy="Cancel it there, and see that the warehouse does not ship it: the hub knows nothing of having sold it.",
                detail=f"{standing.entity}: sale {fact.body.number} over {fact.body.total}",
            )


def _unasked(standing: Standing, kind: str, acts: Sequence[str], erp: str) -> list[Fact]:
    """What the ERP holds that none of these acts became."""
    sealed = [each for act in acts for each in standing.all_sealed(act)]
    if any(not each.confirmed for each in sealed):
        return []  # one that is just being made is heard of before its receipt
    ours = {each.remote_id for each in sealed}
    found = [fact for fact in standing.of(kind) if fact.connection == erp]
    return [fact for fact in found if fact.id.rpartition(":")[2] not in ours]


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
    elif sale.stopped and all(each.confirmed for each in standing.all_sealed(OPEN_UNITS)):
        yield _stopped(standing, erp, sale)


def _differs(standing: Standing, erp: str, sale: ErpSale, what: str, how: str) -> Trouble:
    return Trouble(
        cause=f"edited:{erp}:sale:{what}",
        title=f"Sales that somebody changed in {erp}",
        remedy="Put the sale right there, or change the order in its shop: the hub does neither.",
        detail=f"{standing.entity}: sale {sale.number} {how}",
    )


def _stopped(standing: Standing, erp: str, sale: ErpSale) -> Trouble:
    return Trouble(
        cause=f"edited:{erp}:sale:stopped",
        title=f"Sales of which somebody cancelled a shipment in {erp}",
        remedy="Say in the sale's shipment exception there whether its goods are shipped anew; if not, take them off the order "
        "in its shop.",
        detail=f"{standing.entity}: goods of sale {sale.number} are not planned any more",
    )


def _unasked_shipment(standing: Standing, fact: Fact, erp: str) -> Trouble:
    shipment: ErpShipment = fact.body
    units = ", ".join(f"{line.units} of {line.sku}" for line in shipment.lines)
    return Trouble(
        cause=f"unasked:{erp}:shipment",
        title=f"Shipments in {erp} that were made by hand",
        remedy="If the goods left, have the warehouse say so, and see that they are shipped once; if they did not, cancel it.",
        detail=f"{standing.entity}: shipment {shipment.number} with {units}",
    )


def _unasked_invoice(standing: Standing, fact: Fact, erp: str) -> Trouble:
    what = "credit note" if fact.body.total.minor < 0 else "invoice"
    return Trouble(
        cause=f"unasked:{erp}:invoice",
        title=f"Invoices and credit notes in {erp} that were made by hand",
        remedy="Cancel it there and correct the order in its shop instead, so that all books follow; or leave it to this case.",
        detail=f"{standing.entity}: {what} {fact.body.number} over {fact.body.total}",
    )
