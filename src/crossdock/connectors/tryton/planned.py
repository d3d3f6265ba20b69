"""What of a sale has left, is leaving, or is planned, and what of that is too much. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from crossdock.canonical.order import OpenUnits
from crossdock.connectors.tryton.parcels import OPEN, HeldShipment, SoldLine, same_line
from crossdock.connectors.tryton.sales import WHOLE


class PlannedMove(msgspec.Struct, frozen=True):
    id: int
    quantity: float
    state: str


class PlannedLine(SoldLine, frozen=True):
    """A sale line with the moves that were ever planned for it, cancelled ones too."""

    quantity: float | None
    movable: bool | int | None
    moves_ignored: tuple[int, ...]
    moves_recreated: tuple[int, ...]
    moves: tuple[PlannedMove, ...] = msgspec.field(name="moves.")

    @property
    def doubtful(self) -> list[PlannedMove]:
        """Cancelled, and nobody has said yet whether they are to be shipped anew."""
        answered = {*self.moves_ignored, *self.moves_recreated}
        return [move for move in self.moves if move.state == "cancelled" and move.id not in answered]

    @property
    def unplanned(self) -> int:
        """Units that the sale's next processing would plan."""
        planned = sum(round(move.quantity) for move in self.moves if move.id not in self.moves_recreated)
        return round(self.quantity or 0) - planned if self.movable else 0


class PlannedInvoice(msgspec.Struct, frozen=True):
    id: int
    state: str


class PlannedSale(msgspec.Struct, frozen=True):
    id: int
    shipment_state: str
    invoice_state: str
    invoice_method: str
    invoices_ignored: tuple[int, ...]
    invoices_recreated: tuple[int, ...]
    lines: tuple[PlannedLine, ...] = msgspec.field(name="lines.")
    shipments: tuple[HeldShipment, ...] = msgspec.field(name="shipments.")
    invoices: tuple[PlannedInvoice, ...] = msgspec.field(name="invoices.")

    @property
    def is_unprocessed(self) -> bool:
        """A cut run left units without a shipment, what left without its invoice, or an exception that is settled."""
        doubtful = any(line.doubtful for line in self.lines)
        return (
            any(line.unplanned > 0 for line in self.lines)
            or (self.invoice_method != WHOLE and any(each.uninvoiced for each in self.shipments))
            or (self.shipment_state == "exception" and not doubtful)
            or (self.invoice_state == "exception" and not self.dropped)
        )

    @property
    def has_goods(self) -> bool:
        """Something has left, is planned, or waits for a person's decision."""
        alive = any(move.state != "cancelled" for line in self.lines for move in line.moves)
        return alive or any(line.doubtful for line in self.lines)

    @property
    def dropped(self) -> list[int]:
        """Cancelled invoices that the sale still waits for."""
        answered = {*self.invoices_ignored, *self.invoices_recreated}
        return [each.id for each in self.invoices if each.state == "cancelled" and each.id not in answered]


@dataclass(frozen=True)
class Lowered:
    """A shipment of which only a part is wanted: units to keep by move, of those that change."""

    shipment: HeldShipment
    keeps: Mapping[int, int]


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order."""

    cancelled: list[HeldShipment] = field(default_factory=list[HeldShipment])
    lowered: list[Lowered] = field(default_factory=list[Lowered])
    ignored: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Cancelled moves by sale line."""


def sales_in(refs: Mapping[str, str]) -> list[int]:
    """The sales of an order among a command's references, in the order they were made: `sale`, `sale:2`, …"""
    named = {name: int(id_) for name, id_ in refs.items() if name == "sale" or _part(name)}
    return [named[name] for name in sorted(named, key=_part)]


def _part(name: str) -> int:
    first, _, nth = name.partition(":")
    return int(nth) if first == "sale" and nth.isdigit() else 0


def is_leaving(shipment: HeldShipment) -> bool:
    """A parcel has claimed it, and how much of it the parcel takes shows only when it has been picked."""
    return shipment.state in OPEN and not shipment.is_open


def units(line: str, code: str, sales: Sequence[PlannedSale]) -> int | None:
    """Units of an order's line that have left or are to leave; None where no sale ships it."""
    own = [each for sale in sales for each in _lines(line, code, sale) if each.movable]
    if not own:
        return None
    return sum(round(move.quantity) for each in own for move in each.moves if move.state != "cancelled")


def plan(wanted: OpenUnits, sales: Sequence[PlannedSale]) -> Plan:
    """What is too much: the first sales keep what is wanted, for parcels take from them first."""
    made, keeps = Plan(), dict[int, int]()
    open_ones = [shipment for sale in sales for shipment in sale.shipments if shipment.is_open]
    open_moves = {move.id for shipment in open_ones for move in shipment.outgoing}
    for line in wanted.lines:
        own = [each for sale in sales for each in _lines(line.line, line.sku, sale)]
        left = line.units - _fixed(own, open_moves)
        for move in _sorted(move for each in own for move in each.moves if _is_planned(move, open_moves)):
            keeps[move.id] = max(0, min(round(move.quantity), left))
            left -= keeps[move.id]
        for each in own:
            for move in each.doubtful:
                if left <= 0:
                    made.ignored.setdefault(each.id, []).append(move.id)
                left -= round(move.quantity)
    for shipment in open_ones:
        _judge(shipment, keeps, made)
    return made


def _lines(line: str, code: str, sale: PlannedSale) -> list[PlannedLine]:
    own = set(same_line(line, code, sale.lines))
    return [each for each in sale.lines if each.id in own]


def _fixed(lines: Sequence[PlannedLine], open_moves: set[int]) -> int:
    """Units that have left, or that a parcel has claimed."""
    moves = [move for line in lines for move in line.moves if move.state != "cancelled" and move.id not in open_moves]
    return sum(round(move.quantity) for move in moves)


def _is_planned(move: PlannedMove, open_moves: set[int]) -> bool:
    return move.id in open_moves and move.state not in ("done", "cancelled")


def _sorted(moves: Iterator[PlannedMove]) -> list[PlannedMove]:
    return sorted(moves, key=lambda move: move.id)


def _judge(shipment: HeldShipment, keeps: Mapping[int, int], made: Plan) -> None:
    units = Counter({move.id: round(move.quantity) for move in shipment.outgoing})
    changed = {move: keeps[move] for move in units if move in keeps and keeps[move] < units[move]}
    if changed and not any(keeps.get(move, units[move]) for move in units):
        made.cancelled.append(shipment)
    elif changed:
        made.lowered.append(Lowered(shipment, changed))
