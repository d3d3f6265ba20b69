"""A parcel that left becomes one done shipment in Tryton, with exactly its units, from its location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from crossdock.canonical.shipment import GoodsIssue, Shipment
from crossdock.connect.connector import Command
from crossdock.connect.effects import Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome, Partial
from crossdock.connectors.tryton import parcels
from crossdock.connectors.tryton.parcels import HeldShipment, Parcel, SoldLine
from crossdock.connectors.tryton.reference import day_of, storage_location
from crossdock.connectors.tryton.rpc import as_day, change, rows
from crossdock.connectors.tryton.shipments import ShippedSale, press, process, processed, redirect, shipped_sales
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected, Transient

# Tryton commits before it answers, so what is done is found at once; a second is for clocks. A request whose connection was
# lost is at work already or never will be, and a step takes well under a second; ten are for a busy server. One that is later
# still does no harm: marking is by compare and set, and every other step fits one state of the marked shipment only.
FOUND = Searchable("the parcel's id as the shipment's reference", timedelta(seconds=1), timedelta(seconds=10))
_STEPS_MAX = 12
"""The longest way is wait, mark, assign, pick, pack, do; twice that means that somebody works against us."""


@connector.act(GoodsIssue, effect=[FOUND])
async def issue_goods(command: Command[GoodsIssue], link: Link[Settings]) -> Outcome:
    """One done shipment per parcel, and the rest of the sale waiting in another."""
    location = await storage_location(link, command.body.shipment.location, command.refs)
    sale = await processed(_sale(command), link)
    mine = sale.marked(command.body.shipment.id)
    if mine is None or mine.state != "done":
        parcel, mine = await _claim(command, location, sale, mine, link)
        mine = await _bring_out(mine, parcel, command, link)
    try:
        await _leave_the_rest_in_order(sale.id, mine, link)
    except Rejected as refusal:
        return Partial(id=str(mine.id), detail=f"{mine.number} left, but its sale can't go on: {refusal.detail}")
    return _confirmed(mine)


@connector.find(GoodsIssue)
async def find_issued(commands: Sequence[Command[GoodsIssue]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Parcels that are done and settled; one that was cut halfway is sent again, which goes on with its marked shipment."""
    sales = await shipped_sales([_sale(command) for command in commands], link)
    found: dict[str, Outcome] = {}
    for command in commands:
        sale = sales.get(_sale(command))
        mine = sale.marked(command.body.shipment.id) if sale else None
        if sale is not None and mine is not None and mine.state == "done" and sale.is_billed(mine):
            found[command.key] = _confirmed(mine)
    return found


def _confirmed(held: HeldShipment) -> Confirmed:
    return Confirmed(id=str(held.id), aliases=(held.number,) if held.number else ())


def _sale(command: Command[GoodsIssue]) -> int:
    return int(command.refs["sale"])


# --- which shipment, and what of it ------------------------------------------------------------------------------------


async def _claim(
    command: Command[GoodsIssue], location: int, sale: ShippedSale, mine: HeldShipment | None, link: Link[Settings]
) -> tuple[Parcel, HeldShipment]:
    """The shipment marked for the parcel, else an open one that holds all of it, and what the parcel takes of it."""
    shipment = command.body.shipment
    sold = await rows(link, "sale.line", [["sale", "=", sale.id]], SoldLine)
    candidates = parcels.lines_of(shipment, sold, command.refs)
    if mine is None and not sale.open_ones:
        sale = await process(sale.id, link)
    for each in [mine] if mine else sale.open_ones:
        taken = parcels.taken_from(each, shipment, candidates)
        if isinstance(taken, dict):
            return Parcel(shipment.id, taken, location), each
    raise _nothing_to_take(shipment, sale.open_ones, candidates)


def _nothing_to_take(
    shipment: Shipment, open_ones: Sequence[HeldShipment], candidates: Mapping[int, Sequence[int]]
) -> Rejected:
    """Why no shipment can become the parcel, naming the line."""
    for n, line in enumerate(shipment.lines):
        if not candidates[n]:
            return Rejected(
                f"the sale in Tryton has no line {line.line} ({line.sku})", field=f"shipment.lines[{n}].line"
            )
    lacking = [parcels.taken_from(each, shipment, candidates) for each in open_ones]
    n, units = next((each for each in lacking if isinstance(each, tuple)), (0, shipment.lines[0].units))
    told = f"{len(open_ones)} open shipments in Tryton hold {units} units too few of {shipment.lines[n].sku}"
    return Rejected(f"parcel {shipment.id} can't be taken: {told}", field=f"shipment.lines[{n}].units")


# --- step by step ------------------------------------------------------------------------------------------------------


async def _bring_out(
    held: HeldShipment, parcel: Parcel, command: Command[GoodsIssue], link: Link[Settings]
) -> HeldShipment:
    """Take the parcel's shipment from wherever it stands to done."""
    for _ in range(_STEPS_MAX):
        step = parcels.next_step(held, parcel)
        if step is None:
            return held
        before, held = held, await _taken(step, held, parcel, command, link)
        if step == "assign_try" and held.state == "waiting":
            held = await _short(before, command, link)
    raise Transient(f"shipment {held.number} is {held.state} and keeps being changed by somebody else")


async def _taken(
    step: str, held: HeldShipment, parcel: Parcel, command: Command[GoodsIssue], link: Link[Settings]
) -> HeldShipment:
    """One step, and what the shipment is like then. A refused button that somebody else pressed first is no refusal."""
    try:
        if step == "mark":
            left_on = {"effective_date": as_day(await day_of(link, command.body.shipment.shipped_at))}
            values = parcels.mark(held, parcel, left_on)
            await change(link, "model.stock.shipment.out.write", [held.id], values, _timestamp=parcels.as_read(held))
        else:
            await press(step, [held.id], link)
    except Rejected as refusal:
        after = await _again(held, link)
        if after.state == held.state:
            raise Rejected(f"shipment {held.number} stays {held.state}: {refusal.detail}") from refusal
        return after
    return await _again(held, link)


async def _short(held: HeldShipment, command: Command[GoodsIssue], link: Link[Settings]) -> HeldShipment:
    """Tryton counts less than what left: forced where that is allowed, else undone so that other parcels can go on."""
    if link.settings.stock_may_go_negative:
        await press("assign_force", [held.id], link)
        return await _again(held, link)
    await press("wait", [held.id], link)
    await change(link, "model.stock.shipment.out.write", [held.id], {"reference": None, "effective_date": None})
    location = command.body.shipment.location
    raise Rejected(f"Tryton counts too little stock at {location} for this parcel: count it there, then try again",
                   field="shipment.location")  # fmt: skip


async def _again(held: HeldShipment, link: Link[Settings]) -> HeldShipment:
    [now] = await rows(link, "stock.shipment.out", [["id", "=", held.id]], HeldShipment)
    return now


async def _leave_the_rest_in_order(sale: int, mine: HeldShipment, link: Link[Settings]) -> None:
    """What is left goes where this parcel went: Tryton makes its shipment with the sale's first address, which may be old."""
    held = await processed(sale, link)
    rest = [shipment for shipment in held.open_ones if shipment.delivery_address == held.shipment_address]
    await redirect(rest, mine.delivery_address, link)
