"""What has to happen next so that a shipment in Tryton becomes exactly one parcel. Pure.

A parcel's shipment carries the parcel's id as its reference. The mark is written together with the parcel's quantities, by
compare and set, before anything moves: whoever comes back after a cut finds the marked shipment and goes on from its state,
so no parcel is ever shipped twice, and what is left gets a shipment of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from crossdock.canonical.shipment import Shipment
from crossdock.connectors.tryton.rpc import Code, Values
from crossdock.connectors.tryton.sales import LINE_NOTE

OPEN = ("draft", "waiting", "assigned")
"""States in which goods may still be taken out of a shipment, or its address changed."""
_BUTTONS = {"draft": "wait", "assigned": "pick", "picked": "pack", "packed": "do", "shipped": "do"}


class OutgoingMove(msgspec.Struct, frozen=True):
    id: int
    origin: str | None
    sale: int | None
    quantity: float
    invoice_lines: tuple[int, ...]


class InventoryMove(msgspec.Struct, frozen=True):
    id: int
    origin: str | None
    quantity: float
    state: str
    from_location: int
    timestamp: str = msgspec.field(name="_timestamp")


class HeldShipment(msgspec.Struct, frozen=True):
    """A customer shipment; `inventory_moves` pick from storage, each for one of the `outgoing_moves` to the customer."""

    id: int
    number: str | None
    reference: str | None
    state: str
    delivery_address: int
    timestamp: str = msgspec.field(name="_timestamp")
    outgoing: tuple[OutgoingMove, ...] = msgspec.field(name="outgoing_moves.")
    inventory: tuple[InventoryMove, ...] = msgspec.field(name="inventory_moves.")

    @property
    def is_open(self) -> bool:
        """Nobody has claimed it for a parcel, and nothing of it has been picked."""
        return self.state in OPEN and not self.reference

    @property
    def sales(self) -> set[int]:
        return {move.sale for move in self.outgoing if move.sale}

    @property
    def uninvoiced(self) -> bool:
        """Goods of a sale have left, and the sale hasn't been processed since, which invoices them and ships the rest."""
        sold = [move for move in self.outgoing if move.sale and move.quantity]
        return self.state == "done" and any(not move.invoice_lines for move in sold)


class SoldLine(msgspec.Struct, frozen=True):
    id: int
    note: str | None
    product: Code | None = msgspec.field(name="product.")


@dataclass(frozen=True)
class Parcel:
    """What left: units by sale line, from one location."""

    id: str
    units: Mapping[int, int]
    location: int


def lines_of(shipment: Shipment, sold: Sequence[SoldLine], refs: Mapping[str, str]) -> dict[int, list[int]]:
    """For each line of a parcel (by its place) the sale lines it may be taken from: by our note, else by product."""
    found: dict[int, list[int]] = {}
    for n, line in enumerate(shipment.lines):
        found[n] = same_line(line.line, refs.get(f"product/{line.sku}", line.sku), sold)
    return found


def same_line(line: str, code: str, sold: Sequence[SoldLine]) -> list[int]:
    """The sale lines that are the order's line: by our note, else by product."""
    noted = [row.id for row in sold if row.note == f"{LINE_NOTE}{line}"]
    alike = [row.id for row in sold if not (row.note or "").startswith(LINE_NOTE) and _is(row, code)]
    return noted or alike


def taken_from(
    held: HeldShipment, shipment: Shipment, candidates: Mapping[int, Sequence[int]]
) -> dict[int, int] | tuple[int, int]:
    """Units by sale line that the parcel takes out of an open shipment; or (place, units lacking) of a line it can't fill."""
    there = Counter(units_there(held))
    taken: Counter[int] = Counter()
    for n, line in enumerate(shipment.lines):
        wanted = line.units
        for sale_line in candidates[n]:
            part = min(wanted, there[sale_line] - taken[sale_line])
            taken[sale_line] += part
            wanted -= part
        if wanted:
            return n, wanted
    return {sale_line: units for sale_line, units in taken.items() if units}


def units_there(held: HeldShipment) -> dict[int, int]:
    """Units by sale line that a shipment is to bring."""
    units: Counter[int] = Counter()
    for move in held.outgoing:
        if sale_line := _sale_line(move):
            units[sale_line] += round(move.quantity)
    return dict(units)


def next_step(held: HeldShipment, parcel: Parcel) -> str | None:
    """The next button for the parcel's own shipment, "mark" when its quantities are to be written, None when it is done."""
    if held.state == "waiting":
        return _next_while_waiting(held, parcel)
    if held.state == "assigned" and (held.reference != parcel.id or _units(held) != parcel.units):
        return "wait"
    return _BUTTONS.get(held.state)


def _next_while_waiting(held: HeldShipment, parcel: Parcel) -> str:
    if held.reference == parcel.id and _is_just(held, parcel):
        return "assign_try"
    # What was assigned in part is split into several moves; waiting anew puts them together again.
    return "mark" if _is_whole(held) else "wait"


def mark(held: HeldShipment, parcel: Parcel, values: Values) -> Values:
    """The one write that makes a waiting shipment the parcel's: its reference, and what it takes from where."""
    left = dict(parcel.units)
    lines = _sale_lines(held)
    moves: list[object] = []
    for move in held.inventory:
        taken = min(left.get(lines[move.id], 0), _planned(held, move))
        left[lines[move.id]] = left.get(lines[move.id], 0) - taken
        moves.append(["write", [move.id], {"quantity": taken, "from_location": parcel.location}])
    return {"reference": parcel.id, "inventory_moves": moves, **values}


def as_read(held: HeldShipment) -> dict[str, str]:
    """The versions a write is made under: Tryton refuses it when somebody changed the shipment or a move meanwhile."""
    moves = {f"stock.move,{move.id}": move.timestamp for move in held.inventory}
    return {f"stock.shipment.out,{held.id}": held.timestamp, **moves}


def _units(held: HeldShipment) -> dict[int, int]:
    """Units by sale line that are picked from storage."""
    units: Counter[int] = Counter()
    for move in held.inventory:
        units[_sale_lines(held)[move.id]] += round(move.quantity)
    return {sale_line: count for sale_line, count in units.items() if count}


def _is_just(held: HeldShipment, parcel: Parcel) -> bool:
    """Nothing is assigned yet, and exactly the parcel is to be picked, from its location."""
    moves = [move for move in held.inventory if move.quantity]
    return (
        _units(held) == parcel.units
        and all(move.state == "draft" for move in held.inventory)
        and all(move.from_location == parcel.location for move in moves)
    )


def _is_whole(held: HeldShipment) -> bool:
    """One unassigned move from storage for each move to the customer."""
    origins = [move.origin for move in held.inventory]
    whole = {f"stock.move,{move.id}" for move in held.outgoing}
    return len(set(origins)) == len(origins) and set(origins) == whole and _all_in(held.inventory, "draft")


def _all_in(moves: Iterable[InventoryMove], state: str) -> bool:
    return all(move.state == state for move in moves)


def _planned(held: HeldShipment, move: InventoryMove) -> int:
    """What the move to the customer asks for, whatever an earlier mark has made of the move from storage."""
    return next(round(out.quantity) for out in held.outgoing if f"stock.move,{out.id}" == move.origin)


def _sale_lines(held: HeldShipment) -> dict[int, int]:
    """Inventory move -> sale line; 0 for a move that no sale asked for."""
    outgoing = {f"stock.move,{move.id}": _sale_line(move) for move in held.outgoing}
    return {move.id: outgoing.get(move.origin or "", 0) for move in held.inventory}


def _sale_line(move: OutgoingMove) -> int:
    model, _, id_ = (move.origin or "").partition(",")
    return int(id_) if model == "sale.line" else 0


def _is(row: SoldLine, code: str) -> bool:
    return row.product is not None and row.product.code == code
