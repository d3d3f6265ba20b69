"""An order that its source has no more, in the midst of what was done for it: nothing is owed without it, so a person is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from crossdock.kernel.money import Money
from crossdock.promises.money import OPEN_UNITS, SALE, cause_in
from crossdock.promises.obligations import Obligation, Trouble
from crossdock.promises.standing import Standing

_ASKED = "shipment_order"


def owed_for_vanished(standing: Standing) -> Iterator[Obligation]:
    """One case for all orders of a source that were sold and are gone before all of it was done."""
    left = ", ".join(_left_open(standing)) if standing.gone else ""
    if left:
        yield Trouble(
            cause=f"order_gone:{standing.source}",
            title=f"Orders that were sold, and that {standing.source} has no more",
            remedy="Put the order back at its source, which closes the case. If it is not to be had there any more, finish or "
            "take back by hand what was done for it: the hub does nothing more about it.",
            detail=f"{standing.entity}: {left}",
        )


def _left_open(standing: Standing) -> Iterator[str]:
    if not _acted_on(standing):
        yield from _paid_for_nothing(standing)
        return
    if units := (_to_leave(standing) - _left(standing)).total():
        yield f"{units} of it have not left"
    issued = {sealed.body.shipment.id for sealed in standing.all_sealed("goods_issue")}
    if unposted := sorted(
        {fact.body.id for fact in standing.of("shipment")} - issued if SALE in standing.sealed else ()
    ):
        yield f"parcel {', '.join(unposted)} left and is not in the books"
    received = {sealed.body.return_id for sealed in standing.all_sealed("goods_return")}
    if waiting := sorted(
        {fact.body.id for fact in standing.of("return")} - received if SALE in standing.sealed else ()
    ):
        yield f"return {', '.join(waiting)} came and is not in the books"
    if unsettled := sorted(_unsettled(standing)):
        yield f"nothing was given back for {', '.join(unsettled)}"


def _unsettled(standing: Standing) -> Iterator[str]:
    """Returns and allowances that no refund was asked for, and no till has paid out."""
    paid = {fact.body.for_return for fact in standing.of("refund")}
    asked = {cause_in(name) for name in standing.sealed if name.startswith(("refund:", "store_credit:"))}
    for fact in (*standing.of("return"), *standing.of("allowance")):
        if fact.id not in asked and fact.body.id not in paid and getattr(fact.body, "settle_by", "") != "nothing":
            yield fact.id


def _acted_on(standing: Standing) -> bool:
    return SALE in standing.sealed or _ASKED in standing.sealed


def _paid_for_nothing(standing: Standing) -> Iterator[str]:
    """Money that was taken for an order that was never sold."""
    for currency in sorted({fact.body.amount.currency for fact in standing.of("capture")}):
        kinds = ((1, "capture"), (-1, "refund"))
        held = sum(sign * _moved(standing, kind, currency) for sign, kind in kinds)
        if held > 0:
            yield f"{Money(held, currency)} was paid for it, and it was never sold"


def _moved(standing: Standing, kind: str, currency: str) -> int:
    amounts = (fact.body.amount for fact in standing.of(kind) if getattr(fact.body, "status", "succeeded") != "failed")
    return sum(amount.minor for amount in amounts if amount.currency == currency)


def _to_leave(standing: Standing) -> Counter[str]:
    """What was sold, less what was taken off since, as the ERP was told last; without an ERP, as the warehouse was."""
    for name in (OPEN_UNITS, "shipment_lines"):
        if told := standing.sealed.get(name):
            return Counter({line.line: line.units for line in told.body.lines})
    units: Counter[str] = Counter()
    for sealed in standing.all_sealed(SALE):
        units.update({line.id: line.ordered for line in sealed.body.order.lines})
    if not units and (asked := standing.sealed.get(_ASKED)):
        units.update({line.line: line.units for line in asked.body.lines})
    return units


def _left(standing: Standing) -> Counter[str]:
    units: Counter[str] = Counter()
    for fact in standing.of("shipment"):
        for line in fact.body.lines:
            units[line.line] += line.units
    return units
