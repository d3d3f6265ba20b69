"""An order that its source has no more, in the midst of what was done for it: nothing is owed without it, so a person is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from crossdock.books.entitlements import entitlements
from crossdock.books.pricing import share_of
from crossdock.books.record import Record
from crossdock.books.units import came_back, units_to_leave
from crossdock.canonical.order import Order, OrderLine
from crossdock.kernel.money import Money, total
from crossdock.promises.changes import order_record
from crossdock.promises.money import SALE, units_by_sale
from crossdock.promises.obligations import Obligation, Trouble
from crossdock.promises.picked import with_handed_over
from crossdock.promises.policy import Policy
from crossdock.promises.returns import GOODS_RETURN
from crossdock.promises.shipments import invoices_owed
from crossdock.promises.standing import Standing

_ASKED = "shipment_order"


def owed_for_vanished(standing: Standing, policy: Policy) -> Iterator[Obligation]:
    """One case for all orders of a source that were sold and are gone before all of it was done."""
    left = ", ".join(_left_open(standing, policy)) if standing.gone else ""
    if left:
        yield Trouble(
            cause=f"order_gone:{standing.source}",
            title=f"Orders that were sold, and that {standing.source} has no more",
            remedy="Put the order back at its source, which closes the case. If it is not to be had there any more, finish or "
            "take back by hand what was done for it: the hub does nothing more about it.",
            detail=f"{standing.entity}: {left}",
        )


def _left_open(standing: Standing, policy: Policy) -> Iterator[str]:
    if SALE in standing.sealed:
        yield from _left_of_sale(standing, policy)
    elif asked := standing.sealed.get(_ASKED):
        told = standing.sealed.get("shipment_lines", asked).body
        if units := (Counter({line.line: line.units for line in told.lines}) - _left(standing)).total():
            yield f"{units} of it have not left"
    else:
        yield from _paid_for_nothing(standing)


def _left_of_sale(standing: Standing, policy: Policy) -> Iterator[str]:
    """What the books would have done if the order were still as it was sold, less what was taken off since."""
    order = _as_sold(standing)
    record = order_record(with_handed_over(standing, order), order, policy)
    if units := units_to_leave(record):
        yield f"{units} of it have not left"
    issued = {sealed.body.shipment.id for sealed in standing.all_sealed("goods_issue")}
    if unposted := sorted({each.id for each in record.shipments} - issued):
        yield f"parcel {', '.join(unposted)} left and is not in the books"
    elif unbilled := _unbilled(standing, record):
        yield f"{', '.join(unbilled)} is not invoiced"
    received = {sealed.body.return_id for sealed in standing.all_sealed(GOODS_RETURN)}
    handed_in = (
        each.returned.body for each in came_back(record) if any(line.received for line in each.returned.body.lines)
    )
    if waiting := sorted({body.id for body in handed_in} - received):
        yield f"return {', '.join(waiting)} came and is not in the books"
    owed = entitlements(record).open if policy.roles.payments is not None else 0
    if owed:
        yield f"{Money(owed, record.currency)} is owed back"


def _unbilled(standing: Standing, record: Record) -> list[str]:
    """The invoices that nobody posts any more, of parcels that are still on their way, too."""
    of = replace(record, recognised="ordered" if record.recognised == "ordered" else "shipped")
    names = [name.removeprefix("invoice:") for name in invoices_owed(standing, of) if name not in standing.sealed]
    return [name.removeprefix("of:") if name.startswith("of:") else f"parcel {name}" for name in names]


def _as_sold(standing: Standing) -> Order:
    """The order as its source stated it when it was sold, in as many units as the ERP was told of last."""
    sales, lines = [sealed.body.order for sealed in standing.all_sealed(SALE)], dict[str, OrderLine]()
    for sale, units in zip(sales, units_by_sale(standing), strict=True):
        for line in sale.lines:
            if not line.replaces:  # new goods come with the return they are for
                part = share_of(line, units[line.id])
                lines[line.id] = _joined(lines[line.id], part) if line.id in lines else part
    return msgspec.structs.replace(sales[0], lines=tuple(lines.values()))


def _joined(line: OrderLine, more: OrderLine) -> OrderLine:
    off = total((each.discount for each in (line, more) if each.discount), line.unit_price.currency)
    return msgspec.structs.replace(
        line, ordered=line.ordered + more.ordered, discount=off, taxes=(*line.taxes, *more.taxes)
    )


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


def _left(standing: Standing) -> Counter[str]:
    units: Counter[str] = Counter()
    for fact in standing.of("shipment"):
        for line in fact.body.lines:
            units[line.line] += line.units
    return units
