"""What was told, acted on, and then told otherwise: what left or came back is not undone by itself, for goods are not moved by
a message that takes back another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from crossdock.books.record import Record
from crossdock.books.units import packed
from crossdock.canonical.returns import Return
from crossdock.canonical.shipment import Shipment
from crossdock.promises.obligations import Obligation, Trouble
from crossdock.promises.returns import GOODS_RETURN
from crossdock.promises.standing import Standing

Units = dict[str, Counter[str]]
"""By parcel or return, the units of each line or SKU."""


def owed_for_taken_back(standing: Standing, record: Record) -> Iterator[Obligation]:
    """A case for each parcel or return of which less is said by now than was done because of it."""
    for id_, units in _beyond(_shipped(standing), _told(standing, "shipment", packed)):
        yield _parcel_taken_back(record, id_, units)
    for id_, units in _beyond(_received(standing), _told(standing, "return", _handed_in)):
        yield _return_taken_back(record, id_, units)


def _told(standing: Standing, kind: str, units_of: Callable[[Any], Counter[str]]) -> Units:
    """What is said now; where two systems say something of one parcel, the more of it."""
    told: Units = {}
    for fact in standing.of(kind):
        told[fact.body.id] = told.get(fact.body.id, Counter()) | units_of(fact.body)
    return told


def _beyond(done: Units, told: Units) -> Iterator[tuple[str, Counter[str]]]:
    for id_, units in sorted(done.items()):
        if beyond := units - told.get(id_, Counter()):
            yield id_, beyond


def _shipped(standing: Standing) -> Units:
    """What the ERP shipped for each parcel, and what the channel was shown of it where there is more of that."""
    shipped: Units = {}
    for sealed in standing.all_sealed("goods_issue"):
        parcel: Shipment = sealed.body.shipment
        shipped.setdefault(parcel.id, Counter()).update(packed(parcel))
    for sealed in standing.all_sealed("fulfilment"):
        shown = Counter({line.line: line.units for line in sealed.body.lines})
        shipped[sealed.body.shipment] = shipped.get(sealed.body.shipment, Counter()) | shown
    return shipped


def _received(standing: Standing) -> Units:
    received: Units = {}
    for sealed in standing.all_sealed(GOODS_RETURN):
        units = received.setdefault(sealed.body.return_id, Counter())
        for line in sealed.body.lines:
            units[line.sku] += line.units
    return received


def _handed_in(body: Return) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in body.lines if body.status != "cancelled" else ():
        if not line.keeps_goods:
            units[line.sku] += line.received
    return units


def _parcel_taken_back(record: Record, id_: str, units: Counter[str]) -> Trouble:
    return Trouble(
        cause=f"parcel_taken_back:{record.entity}:{id_}",
        title="A parcel that was shipped in the ERP or shown in the shop, and is said to hold less",
        remedy="Ask the warehouse what left. If it all did, have it say so again, which closes the case; "
        "if not, take the goods issue, its invoice and what the shop shows back by hand.",
        detail=f"parcel {id_} of order {record.order.number}: {_listed(units)} too many are shipped",
    )


def _return_taken_back(record: Record, id_: str, units: Counter[str]) -> Trouble:
    return Trouble(
        cause=f"return_taken_back:{record.entity}:{id_}",
        title="Goods were received back in the ERP, and are said not to have come",
        remedy="Find out where the goods are. If they came, correct the return, which closes the case; "
        "if not, take them out of the ERP's stock, and off the order in its shop.",
        detail=f"return {id_} of order {record.order.number}: {_listed(units)} too many are received",
    )


def _listed(units: Counter[str]) -> str:
    return ", ".join(f"{count} of {what}" for what, count in sorted(units.items()))
