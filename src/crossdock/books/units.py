"""How many units of each line were shipped, and came back for whose account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crossdock.books.record import Record, Returned
from crossdock.canonical.returns import ReturnLine
from crossdock.canonical.shipment import Shipment

Units = Mapping[str, int]
"""By order line id."""


@dataclass(frozen=True, slots=True)
class Back:
    """What one return brought: units by line, those that nobody can attribute, and the lines they came in."""

    returned: Returned
    units: Counter[str]
    strangers: tuple[tuple[str, int], ...] = ()
    """(SKU or line, units) that no shipped unit of the order accounts for."""

    @property
    def for_money(self) -> bool:
        return self.returned.counts and self.returned.body.settle_by != "nothing"


def packed(parcel: Shipment) -> Counter[str]:
    """Units of a parcel by line, whether or not its order has them."""
    units: Counter[str] = Counter()
    for line in parcel.lines:
        units[line.line] += line.units
    return units


def shipped_units(record: Record) -> Counter[str]:
    """Units that left, by line; lines the order doesn't have are left out."""
    if not record.shipments:
        return Counter()
    known = {line.id for line in record.order.lines}
    shipped: Counter[str] = Counter()
    for shipment in record.shipments:
        for line in shipment.lines:
            if line.line in known:
                shipped[line.line] += line.units
    return shipped


def billed_units(record: Record) -> Counter[str]:
    """Units that left in parcels which are billed; of an order that is billed when it arrives those that did."""
    if record.recognised != "delivered":
        return shipped_units(record)
    return shipped_units(replace(record, shipments=arrived_parcels(record)))


def arrived_parcels(record: Record) -> tuple[Shipment, ...]:
    return tuple(each for each in record.shipments if each.id in record.arrived)


def awaiting_release(record: Record) -> bool:
    """New goods are still to leave that nobody was asked to send yet."""
    return any(line.ordered for each in record.exchanges if not each.released for line in each.lines)


def accepted_units(line: ReturnLine, *, inspect: bool) -> int:
    """Units of a return's line that count: kept with our consent, or handed in and, where the terms ask, looked at."""
    if line.keeps_goods:
        return line.units
    return line.received if line.disposition is not None or not inspect else 0


def came_back(record: Record) -> list[Back]:
    """What each return brought, the earliest first; never more of a line than left."""
    if not record.returns:
        return []
    left, lines = shipped_units(record), lines_by_name(record)
    in_order = sorted(record.returns, key=lambda each: (each.body.returned_at, each.cause))
    return [_back(each, lines, left) for each in in_order if each.body.status in ("authorised", "closed")]


def _back(returned: Returned, lines: LinesByName, left: Counter[str]) -> Back:
    """Takes what it attributes out of `left`."""
    units, strangers = Counter[str](), list[tuple[str, int]]()
    for line in returned.body.lines:
        count = accepted_units(line, inspect=returned.inspect)
        for known in lines.meant_by(line):
            taken = min(count, left[known])
            if taken > 0:
                units[known] += taken
                left[known] -= taken
                count -= taken
        if count > 0:
            strangers.append((line.line or line.sku, count))
    return Back(returned, units, tuple(strangers))


@dataclass(frozen=True, slots=True)
class LinesByName:
    """An order's lines as a return may name them; looked up, for orders have ten thousand lines."""

    ids: frozenset[str]
    of_sku: Mapping[str, list[str]]

    def meant_by(self, line: ReturnLine) -> list[str]:
        """The line that is named; a till may know only the SKU, and any line that holds it will do."""
        if line.line:
            return [line.line] if line.line in self.ids else []
        return self.of_sku.get(line.sku, [])


def lines_by_name(record: Record) -> LinesByName:
    """The order's lines by id and by SKU."""
    of_sku: dict[str, list[str]] = {}
    for line in record.order.lines:
        of_sku.setdefault(line.sku, []).append(line.id)
    return LinesByName(frozenset(line.id for line in record.order.lines), of_sku)


def sold_units(record: Record) -> Counter[str]:
    """Units in the ERP's sales as sealed, by line."""
    sold: Counter[str] = Counter()
    for order in record.sold:
        sold.update({line.id: line.ordered for line in order.lines})
    return sold


def owed_units(record: Record) -> Counter[str]:
    """Units the buyer is to have in all: ordered, or only what has left where the order is cancelled."""
    shipped = shipped_units(record)
    if record.order.cancelled_at is not None:
        return Counter({line.id: min(line.ordered, shipped[line.id]) for line in record.order.lines})
    return Counter({line.id: line.ordered for line in record.order.lines})


def units_to_leave(record: Record) -> int:
    """Units that are still to be sent anywhere; without any, where they would go is nobody's concern any more."""
    left = shipped_units(record)
    shipping = {line.id for line in record.order.lines if line.ships}
    return sum(max(units - left[line], 0) for line, units in owed_units(record).items() if line in shipping)


def left_units(record: Record) -> Counter[str]:
    """Units that have left and are still ordered."""
    shipped = shipped_units(record)
    return Counter({line.id: min(line.ordered, shipped[line.id]) for line in record.order.lines})
