"""What an edit makes us owe after the sale was sealed: what was added is sold on, what was taken away is cancelled.

The sale as sealed never changes. Prices and taxes need nothing here: what was billed otherwise is corrected (billing).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from crossdock.books.pricing import share_of
from crossdock.books.record import Record
from crossdock.books.units import owed_units, shipped_units
from crossdock.canonical.order import OpenLine, OpenUnits, Order, OrderLine, SalesOrder
from crossdock.canonical.shipment import ShipmentLine, ShipmentLines
from crossdock.kernel.money import AnyMoney, total
from crossdock.promises.exchanges import with_new_goods
from crossdock.promises.money import OPEN_UNITS, SALE, record_of, units_by_sale
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, State
from crossdock.promises.policy import Policy, due
from crossdock.promises.recognition import invoiced_by, with_recognition
from crossdock.promises.standing import Fact, Standing

SHIPMENT_ORDER = "shipment_order"
SHIPMENT_LINES = "shipment_lines"


def order_record(standing: Standing, order: Order, policy: Policy) -> Record:
    """The books' record, with new goods in exchange and a further sale that is about to be made.

    The seal of that one brings nobody back to what depends on it.
    """
    record = with_new_goods(standing, record_of(standing, order, policy), policy)
    record = with_recognition(standing, record, policy)
    if SALE not in standing.sealed:
        return record
    more = _more(standing, record)
    if not more:
        return record
    return replace(record, sold=(*record.sold, _only(record.order, more)), held=(*record.held, Counter(more)))


def _more(standing: Standing, record: Record) -> dict[str, int]:
    """Units by line that no sale holds yet."""
    wanted, sold = units_wanted(standing, record), units_in_sales(standing)
    return {line: wanted[line] - sold[line] for line in wanted if wanted[line] > sold[line]}


def owed_for_changes(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str
) -> Iterator[Obligation]:
    """Units added go on a further sale, units taken away are cancelled in the ERP."""
    if SALE not in standing.sealed:
        return
    wanted, sold = units_wanted(standing, record), units_in_sales(standing)
    if more := _more(standing, record):
        yield _further_sale(standing, order_fact, record, policy, erp, more)
    leaving = wanted | units_at_warehouse(standing)
    fewer = any(sold[line] > leaving[line] for line in sold)
    if fewer or OPEN_UNITS in standing.sealed:
        yield _open_units(standing, order_fact, record, policy, erp, leaving)


def units_wanted(standing: Standing, record: Record) -> Counter[str]:
    """Units by line that are to leave in all: as ordered now, and what left because the warehouse was asked for it.

    What it ships without ever having been asked for it is no sale; the account of shipped units makes a case of that.
    """
    wanted, left, asked = owed_units(record), shipped_units(record), units_asked_for(standing)
    return Counter({line: max(wanted[line], min(left[line], asked[line]) if asked else left[line]) for line in wanted})


def units_asked_for(standing: Standing) -> Counter[str]:
    """The most units of each line that the warehouse was ever asked for, as far as is on record; nothing before it was asked."""
    told = [each for name in (SHIPMENT_ORDER, SHIPMENT_LINES) if (each := standing.sealed.get(name)) is not None]
    asked: Counter[str] = Counter()
    for body in [each.body for each in told] + [each.held for each in told if each.held is not None]:
        asked |= Counter({line.line: line.units for line in body.lines})
    return asked


def units_at_warehouse(standing: Standing) -> Counter[str]:
    """Units by line that the warehouse said leave in all, when it was told otherwise last: what it has picked, it ships."""
    told = standing.sealed.get(SHIPMENT_LINES)
    held = None if told is None else told.held
    return Counter({line.line: line.units for line in held.lines}) if held is not None else Counter()


def units_in_sales(standing: Standing) -> Counter[str]:
    """The same of all sales together."""
    return _together(units_by_sale(standing))


def _further_sale(
    standing: Standing, fact: Fact, record: Record, policy: Policy, erp: str, more: dict[str, int]
) -> Act:
    nth = next(standing.free(SALE, first=2))
    needs = {SALE: Kept(standing.entity, SALE)}
    if record.order.customer:
        needs = {"party": Kept(record.order.customer, f"party_account@{erp}"), **needs}
    return Act(
        name=f"{SALE}:{nth}",
        to=erp,
        body=SalesOrder(
            order=_only(record.order, more), sold_by=standing.source, part=nth, invoice=invoiced_by(record)
        ),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.sale_minutes),
        priority=Priority.ORDERS,
        document=SALE,
        needs=needs,
    )


def _only(order: Order, units: dict[str, int]) -> Order:
    """The order with these units alone, each at its share of the line's discount and taxes, and without delivery."""
    lines = tuple(share_of(line, units[line.id]) for line in order.lines if line.id in units)
    return msgspec.structs.replace(
        order, lines=lines, shipping=(), tip=None, total=_sum(order, lines), ever_ordered=None
    )


def _sum(order: Order, lines: tuple[OrderLine, ...]) -> AnyMoney:
    goods = total((line.unit_price * line.ordered for line in lines), order.currency)
    off = total((line.discount for line in lines if line.discount), order.currency)
    tax = total((tax.amount for line in lines for tax in line.taxes), order.currency)
    return goods - off if order.tax_included else goods - off + tax


def _open_units(
    standing: Standing, fact: Fact, record: Record, policy: Policy, erp: str, leaving: Counter[str]
) -> State:
    """The warehouse first: what it can't take back any more leaves, and the ERP has to be able to ship it."""
    held = units_by_sale(standing)
    lowered = _spoken_of(standing, held, _lowered(held, leaving))
    parts = standing.all_sealed(SALE)[: len(lowered)]
    needs = {part.name: Kept(standing.entity, part.name) for part in parts}
    if SHIPMENT_LINES in standing.sealed or _asked_otherwise(standing, record):
        needs[SHIPMENT_LINES] = Kept(standing.entity, SHIPMENT_LINES)
    skus = {line.id: line.sku for part in parts for line in part.body.order.lines}
    return State(
        name=OPEN_UNITS,
        to=erp,
        body=OpenUnits(
            lines=_open_lines(_together(lowered), skus),
            parts=len(parts),
            by_sale=tuple(_open_lines(held, skus) for held in lowered),
        ),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.goods_issue_minutes),
        priority=Priority.ORDERS,
        document=SALE,
        needs=needs,
    )


def _spoken_of(standing: Standing, held: list[Counter[str]], lowered: list[Counter[str]]) -> list[Counter[str]]:
    """Without the last sales of which nothing was ever taken away: a further sale alone is nothing to tell."""
    told = standing.sealed.get(OPEN_UNITS)
    least = 1 if told is None else told.body.parts
    return lowered[: max([least, *(nth for nth, now in enumerate(lowered, 1) if now != held[nth - 1])])]


def _lowered(sales: list[Counter[str]], wanted: Counter[str]) -> list[Counter[str]]:
    """The sales with what nobody wants any more taken off, the latest first."""
    too_many = _together(sales)
    too_many.subtract(wanted)
    lowered = [Counter(held) for held in sales]
    for held in reversed(lowered):
        for line, units in held.items():
            taken = min(units, max(too_many[line], 0))
            held[line] = units - taken
            too_many[line] -= taken
    return lowered


def _together(sales: list[Counter[str]]) -> Counter[str]:
    """Zeros are kept, as `+` would not: a line of which nothing is wanted has to be said."""
    together: Counter[str] = Counter()
    for held in sales:
        together.update(held)
    return together


def _open_lines(units: Counter[str], skus: Mapping[str, str]) -> tuple[OpenLine, ...]:
    return tuple(OpenLine(line=line, sku=skus[line], units=count) for line, count in sorted(units.items()))


def owed_at_warehouse(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """The warehouse's order follows the units that are to leave, once it was asked for others."""
    asked = standing.sealed.get(SHIPMENT_ORDER)
    warehouse = standing.pins.get("warehouse", policy.roles.warehouse)
    if asked is None or warehouse is None:
        return
    if SHIPMENT_LINES not in standing.sealed and not _asked_otherwise(standing, record):
        return
    needs = {SHIPMENT_ORDER: Kept(standing.entity, SHIPMENT_ORDER)}
    if erp is not None:
        needs |= {part.name: Kept(standing.entity, part.name) for part in standing.all_sealed(SALE)}
    yield State(
        name=SHIPMENT_LINES,
        to=warehouse,
        body=ShipmentLines(reference=standing.entity, lines=_to_leave(standing, record)),
        cause=order_fact,
        by=due(order_fact.changed_at, policy.deadlines.shipment_order_minutes),
        priority=Priority.ORDERS,
        document=SHIPMENT_ORDER,
        needs=needs,
    )


def _to_leave(standing: Standing, record: Record) -> tuple[ShipmentLine, ...]:
    wanted = units_wanted(standing, record)
    return tuple(
        ShipmentLine(line=line.id, sku=line.sku, units=wanted[line.id]) for line in record.order.lines if line.ships
    )


def _asked_otherwise(standing: Standing, record: Record) -> bool:
    """The warehouse was asked for other units than are to leave now."""
    asked = standing.sealed.get(SHIPMENT_ORDER)
    if asked is None:
        return False
    known = {line.line: line.units for line in asked.content.lines if line.units}
    return {line.line: line.units for line in _to_leave(standing, record) if line.units} != known
