"""What really happened to each order at the retailer, told by the ledgers of shop, till, warehouse, provider and back office.

What a buyer is entitled to is worked out from what was sold at the checkout and from what people did; the hub is not asked.
Amounts are minor units.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.chaos.judge.evidence import Entry, Evidence, moment


@dataclass(frozen=True)
class Line:
    """A line at the checkout; `net` and `tax` are for all its units."""

    id: str
    sku: str
    units: int
    net: int
    taxes: Mapping[str, int]
    """By rate."""

    def net_of(self, units: int) -> int:
        return _part(self.net, units, self.units)

    def tax_of(self, units: int) -> int:
        return sum(_part(tax, units, self.units) for tax in self.taxes.values())

    def worth(self, units: int) -> int:
        return self.net_of(units) + _part(sum(self.taxes.values()), units, self.units)


def _part(whole: int, units: int, of: int) -> int:
    return int(Fraction(whole * units, of) + Fraction(1, 2))


@dataclass(frozen=True)
class Back:
    """One return at the till; `looked_at` by line, in the order they were handed in."""

    id: str
    at: datetime
    units: Sequence[tuple[str, int]]
    looked_at: Mapping[int, datetime]
    paid_out: int

    @property
    def complete(self) -> bool:
        return len(self.looked_at) == len(self.units)


@dataclass
class Sale:
    """One order: what was sold, what left, what came back, and what money moved."""

    id: str
    name: str
    email: str
    lines: dict[str, Line]
    parcels: list[Mapping[str, Any]]
    returns: list[Back]
    removed: Counter[str]
    """Units by line that were taken off or cancelled."""
    entitled: list[tuple[datetime, int]]
    worth_of: dict[str, int]
    """What each return comes to, by its id."""
    captured: int = 0
    ours: int = 0
    """Given back by the hub, net of what failed; and so are the others."""
    by_hand: int = 0
    lost: int = 0
    """In disputes, decided."""
    disputed: bool = False
    clerk: bool = False
    failed: bool = False
    maybe: int = 0
    """An allowance of which nobody knows whether it was taken, and what the shop was set back over taking off."""
    unheard: set[str] = field(default_factory=set[str])
    """Systems whose webhooks about it were lost."""
    set_back: set[str] = field(default_factory=set[str])
    """Systems that were set back over something of it."""
    vanished: bool = False
    """The shop was set back to before it was placed."""

    @property
    def entity(self) -> str:
        return f"order:shop:{self.id}"

    @property
    def paid_out(self) -> int:
        return sum(each.paid_out for each in self.returns)

    @property
    def got(self) -> int:
        return self.ours + self.by_hand + self.lost + self.paid_out

    @property
    def promised(self) -> int:
        """All that people granted, took back and took off."""
        return sum(amount for _, amount in self.entitled)

    @property
    def due(self) -> int:
        """Nobody gets back more than they paid: an allowance on what comes back as a whole later is spent already."""
        return min(self.promised, self.captured)

    def due_at(self, at: datetime) -> int:
        return sum(amount for since, amount in self.entitled if since <= at)

    @property
    def meddled(self) -> bool:
        """Somebody other than the hub moved its money, or more was promised back than ever came in."""
        set_back = bool(self.set_back & {"shop", "psp"})
        return set_back or self.disputed or self.clerk or self.failed or self.promised + self.maybe > self.captured

    @property
    def shipped(self) -> Counter[str]:
        return Counter({line["line"]: 0 for p in self.parcels for line in p["lines"]}) + Counter(
            dict(_summed((line["line"], line["units"]) for parcel in self.parcels for line in parcel["lines"]))
        )


def _summed(pairs: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    sums = Counter[str]()
    for name, units in pairs:
        sums[name] += units
    yield from sums.items()


def sales(evidence: Evidence) -> list[Sale]:
    """Every order the shop ever took."""
    return [_sale(evidence, placed) for placed in evidence.entries("shop", "order_placed")]


def _sale(evidence: Evidence, placed: Entry) -> Sale:
    entity, name = f"order:shop:{placed.key}", placed.details["name"]
    sale = Sale(
        id=placed.key,
        name=name,
        email=placed.details["email"] or "",
        lines={each["line"]: _line(each) for each in placed.details["lines"]},
        parcels=[entry.details["shipment"] for entry in evidence.entries("wms", "parcel_left", entity)],
        returns=[_back(evidence, each) for each in evidence.entries("till", "returned", name)],
        removed=Counter(),
        entitled=[],
        worth_of={},
        vanished=evidence.has_forgotten("shop", placed),
    )
    sale.set_back = {system for system, ledger in evidence.ledgers.items() for entry in ledger
                     if evidence.has_forgotten(system, entry) and _is_of(entry, sale)}  # fmt: skip
    _entitle(evidence, sale)
    _move_money(evidence, sale)
    if not evidence.told.swept:
        sale.unheard = {system for system, lost in evidence.lost.items() if any(_about(each, sale) for each in lost)}
    return sale


def _line(told: Mapping[str, Any]) -> Line:
    net = told["price"] * told["units"] - told["discount"]
    taxes = Counter[str]()
    for tax in told["taxes"]:
        taxes[tax["rate"]] += tax["amount"]
    return Line(told["line"], told["sku"], told["units"], net, taxes)


def _back(evidence: Evidence, returned: Entry) -> Back:
    id_ = returned.details["id"]
    looked_at: dict[int, datetime] = {}
    for each in evidence.entries("till", "inspected"):
        if each.details["id"] == id_:
            looked_at.setdefault(int(each.details["line"]), each.at)
    paid = [
        each.details["amount"] for each in evidence.entries("till", "paid_out") if each.details["for_return"] == id_
    ]
    return Back(id_, returned.at, list(returned.details["units"].items()), looked_at, sum(paid))


def _entitle(evidence: Evidence, sale: Sale) -> None:
    """In the order it happened: units taken off, cancelled and handed in, each the next ones of their line."""
    given = Counter[str]()

    def take(line: Line, units: int) -> int:
        before, given[line.id] = given[line.id], given[line.id] + units
        return _next(line, before, units)

    happened: list[tuple[datetime, Entry | Back]] = [(back.at, back) for back in sale.returns]
    happened += [(e.at, e) for e in evidence.entries("shop", "order_edited", sale.id)]
    happened += [(e.at, e) for e in evidence.entries("shop", "order_cancelled", sale.id)]
    for at, what in sorted(happened, key=lambda each: each[0]):
        if isinstance(what, Back):
            worth = [(nth, take(_of(sale, sku), units)) for nth, (sku, units) in enumerate(what.units)]
            sale.worth_of[what.id] = sum(amount for _, amount in worth)
            sale.entitled += [(what.looked_at[nth], amount) for nth, amount in worth if nth in what.looked_at]
            continue
        off = what.details["removed"] if what.what == "order_edited" else _unsent(sale, given, at)
        if evidence.has_forgotten("shop", what):
            sale.maybe += sum(_next(sale.lines[line], given[line], units) for line, units in off.items())
            continue
        for line, units in off.items():
            sale.removed[line] += units
            sale.entitled.append((at, take(sale.lines[line], units)))
    for entry in evidence.entries("desk", "allowed", sale.id):
        sale.entitled.append((moment(entry.details["since"]), entry.details["amount"]))
    sale.maybe += sum(entry.details["amount"] for entry in evidence.entries("desk", "unanswered", sale.id))


def _next(line: Line, given: int, units: int) -> int:
    return line.worth(given + units) - line.worth(given)


def _is_of(entry: Entry, sale: Sale) -> bool:
    """By whatever name the system's ledger knows an order."""
    told = entry.details
    return entry.key in (sale.id, sale.entity) or told.get("entity") == sale.entity or told.get("order") == sale.id


def _of(sale: Sale, sku: str) -> Line:
    return next(line for line in sale.lines.values() if line.sku == sku)


def _unsent(sale: Sale, given: Counter[str], at: datetime) -> dict[str, int]:
    """What a cancellation takes off: what had not left and was not taken off before."""
    left = Counter[str]()
    for parcel in sale.parcels:
        if moment(parcel["shipped_at"]) <= at:
            left.update({line["line"]: line["units"] for line in parcel["lines"]})
    return {id_: line.units - sale.removed[id_] - left[id_] for id_, line in sale.lines.items()}


def _move_money(evidence: Evidence, sale: Sale) -> None:
    by_us = dict[str, bool]()
    for entry in evidence.ledgers["psp"]:
        told = entry.details
        if told.get("order") != sale.id:
            continue
        match entry.what:
            case "captured":
                sale.captured += told["amount"]
            case "refunded" | "refund_failed":
                ours = by_us.setdefault(told["refund"], bool(entry.key))
                amount = told["amount"] if entry.what == "refunded" else -told["amount"]
                sale.ours += amount if ours else 0
                sale.by_hand += 0 if ours else amount
                sale.clerk |= not ours
                sale.failed |= entry.what == "refund_failed"
            case "dispute_opened" | "dispute_closed":
                sale.disputed = True
                sale.lost += told["amount"] if told.get("status") == "lost" else 0
            case _:
                pass


def _about(lost: Mapping[str, Any], sale: Sale) -> bool:
    """Whether a message that was never sent spoke of the order."""
    try:
        body = json.loads(lost["body"])
    except ValueError:
        return False
    text = json.dumps(body)
    return sale.id in text or sale.entity in text
