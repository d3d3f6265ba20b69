"""Goods that came back: one customer return shipment per command, put away where each line says. No money moves.

Tryton's own way is a sale with negative quantities, but that sale would ask to be invoiced: billed by its goods it would make
a second credit note, and billed by hand it would stay among the sales to invoice for ever, for somebody to press the button.
The return shipment alone is what happened in the warehouse. Each of its moves comes from the move that once brought the goods
to the customer, so that a Tryton user sees what came back of which shipment, and the sale stays as it was.

The shipment's reference is the return's number and the command's key. Should two runs make one each, the older is the one that
is received, by every run alike; stock moves only then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from crossdock.canonical.returns import GoodsReturn, GoodsReturnLine
from crossdock.connect.connector import Command
from crossdock.connect.effects import Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton.parcels import SoldLine, same_line
from crossdock.connectors.tryton.reference import day_of, reference, return_location
from crossdock.connectors.tryton.rpc import Amount, Values, as_amount, as_day, change, rows
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected, Transient

# As for shipments.
FOUND = Searchable("the command's key in the return shipment's reference", timedelta(seconds=1), timedelta(seconds=10))
_STEPS_MAX = 6
"""The longest way is create, receive, put away, do; more means that somebody works against us."""


class ReturnMove(msgspec.Struct, frozen=True):
    id: int
    origin: str | None
    to_location: int


class HeldReturn(msgspec.Struct, frozen=True):
    """A return shipment: `incoming` moves bring goods in, `inventory` moves put each of them away."""

    id: int
    number: str | None
    reference: str | None
    state: str
    incoming: tuple[ReturnMove, ...] = msgspec.field(name="incoming_moves.")
    inventory: tuple[ReturnMove, ...] = msgspec.field(name="inventory_moves.")


class Issued(msgspec.Struct, frozen=True):
    """A move that brought goods to the customer."""

    id: int
    origin: str | None
    state: str
    quantity: float
    product: int
    unit: int
    from_location: int
    to_location: int
    unit_price: Amount | None
    currency: int | None


class IssuedShipment(msgspec.Struct, frozen=True):
    id: int
    outgoing: tuple[Issued, ...] = msgspec.field(name="outgoing_moves.")


class ReturningSale(msgspec.Struct, frozen=True):
    id: int
    party: int
    shipment_party: int | None
    shipments: tuple[int, ...]


@connector.act(GoodsReturn, effect=[FOUND])
async def receive_goods(command: Command[GoodsReturn], link: Link[Settings]) -> Outcome:
    """One done return shipment per command, its units at the locations they were sent to."""
    places = [
        await return_location(link, line.location, command.refs, f"lines[{n}].location")
        for n, line in enumerate(command.body.lines)
    ]
    held = await _held(command, link)
    for _ in range(_STEPS_MAX):
        if held is not None and held.state == "done":
            return _confirmed(held)
        held = await _step(command, held, places, link)
    raise Transient(f"the return shipment of {command.body.number} keeps being changed by somebody else")


@connector.find(GoodsReturn)
async def find_received(commands: Sequence[Command[GoodsReturn]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The returns that are done; one that was cut halfway is sent again, which goes on with its shipment."""
    found = await _with_references([_mark(command) for command in commands], link)
    by_mark = {held.reference: held for held in found}
    done = {command.key: by_mark[_mark(command)] for command in commands if _mark(command) in by_mark}
    return {key: _confirmed(held) for key, held in done.items() if held.state == "done"}


def _confirmed(held: HeldReturn) -> Confirmed:
    return Confirmed(id=str(held.id), aliases=(held.number,) if held.number else ())


def _mark(command: Command[GoodsReturn]) -> str:
    """What people know the return by, and what makes it the only one."""
    return f"{command.body.number} {command.key}"


async def _held(command: Command[GoodsReturn], link: Link[Settings]) -> HeldReturn | None:
    found = await _with_references([_mark(command)], link)
    return found[-1] if found else None


async def _with_references(marks: Sequence[str], link: Link[Settings]) -> list[HeldReturn]:
    """The oldest last, so that it is the one that counts."""
    where = [["reference", "in", list(marks)], ["state", "!=", "cancelled"]]
    return await rows(link, "stock.shipment.out.return", where, HeldReturn, order=[["id", "DESC"]])


# --- step by step ------------------------------------------------------------------------------------------------------


async def _step(
    command: Command[GoodsReturn], held: HeldReturn | None, places: Sequence[int], link: Link[Settings]
) -> HeldReturn | None:
    """One step, and what there is then. A refused button that somebody else pressed first is no refusal."""
    try:
        if held is None:
            await change(link, "model.stock.shipment.out.return.create", [await _values(command, link)])
        elif held.state == "draft":
            await _press("receive", held, link)
        elif moves := _misplaced(held, places):
            await change(link, "model.stock.shipment.out.return.write", [held.id], {"inventory_moves": moves})
        else:
            await _press("do", held, link)
    except Rejected as refusal:
        after = await _held(command, link)
        if (after and after.state) == (held and held.state):
            raise refusal
        return after
    return await _held(command, link)


async def _press(button: str, held: HeldReturn, link: Link[Settings]) -> None:
    await change(link, f"model.stock.shipment.out.return.{button}", [held.id])


def _misplaced(held: HeldReturn, places: Sequence[int]) -> list[object]:
    """The moves that would put goods away elsewhere; the incoming moves were made in the order of the lines."""
    wanted = {f"stock.move,{move.id}": place for move, place in zip(_in_order(held.incoming), places, strict=True)}
    return [
        ["write", [move.id], {"to_location": wanted[move.origin]}]
        for move in held.inventory
        if move.origin in wanted and move.to_location != wanted[move.origin]
    ]


def _in_order(moves: Sequence[ReturnMove]) -> list[ReturnMove]:
    return sorted(moves, key=lambda move: move.id)


# --- what it says ------------------------------------------------------------------------------------------------------


async def _values(command: Command[GoodsReturn], link: Link[Settings]) -> Values:
    sale, issued, sold = await _issued(command, link)
    about = await reference(link)
    day = as_day(await day_of(link, command.body.received_at))
    moves = [
        _move(_came_from(n, line, command, issued, sold), line, about.warehouse.input_location) | {"planned_date": day}
        for n, line in enumerate(command.body.lines)
    ]
    return {
        "reference": _mark(command),
        "customer": sale.shipment_party or sale.party,
        "company": about.company,
        "warehouse": about.warehouse.id,
        "warehouse_input": about.warehouse.input_location,
        "warehouse_storage": about.warehouse.storage_location,
        "planned_date": day,
        "effective_date": day,
        "moves": [["create", [move | {"company": about.company} for move in moves]]],
    }


def _move(issued: Issued, line: GoodsReturnLine, into: int) -> Values:
    return {
        "product": issued.product,
        "unit": issued.unit,
        "quantity": line.units,
        "from_location": issued.to_location,
        "to_location": into,
        "unit_price": as_amount(issued.unit_price.value) if issued.unit_price else None,
        "currency": issued.currency,
        "origin": f"stock.move,{issued.id}",
    }


async def _issued(
    command: Command[GoodsReturn], link: Link[Settings]
) -> tuple[ReturningSale, list[Issued], list[SoldLine]]:
    """The sale, the moves that took its goods out (those of other sales of the order by `issue:…`), and their lines."""
    sales = await rows(link, "sale.sale", [["id", "=", int(command.refs["sale"])]], ReturningSale)
    if not sales:
        raise Rejected(f"Tryton has no sale with the id {command.refs['sale']}", field="sale")
    issues = {int(id_) for name, id_ in command.refs.items() if name.startswith("issue:") and "." not in name}
    ids = sorted(issues | set(sales[0].shipments))
    shipments = await rows(link, "stock.shipment.out", [["id", "in", ids]], IssuedShipment)
    issued = [move for shipment in shipments for move in shipment.outgoing if move.state == "done"]
    lines = sorted({_sale_line(move) for move in issued})
    return sales[0], issued, await rows(link, "sale.line", [["id", "in", lines]], SoldLine)


def _came_from(
    n: int, line: GoodsReturnLine, command: Command[GoodsReturn], issued: Sequence[Issued], sold: Sequence[SoldLine]
) -> Issued:
    """The move that most of the line left by."""
    own = same_line(line.line, command.refs.get(f"product/{line.sku}", line.sku), sold)
    candidates = [move for move in issued if _sale_line(move) in own]
    if not candidates:
        raise Rejected(f"nothing of line {line.line} ({line.sku}) has left by Tryton's books", field=f"lines[{n}].line")
    return max(candidates, key=lambda move: (move.quantity, -move.id))


def _sale_line(move: Issued) -> int:
    model, _, id_ = (move.origin or "").partition(",")
    return int(id_) if model == "sale.line" else 0
