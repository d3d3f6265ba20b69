"""What a warehouse is asked to do: ship an order, send what is not picked yet elsewhere, add to it or leave it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from crossdock.canonical import party
from crossdock.canonical.shipment import ShipmentLine, ShipmentLines, ShipmentOrder, ShipTo
from crossdock.connect.connector import Command
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Answer, Link
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.connectors.wms import wire
from crossdock.connectors.wms.system import Settings, connector, key_header, unexpected
from crossdock.connectors.wms.translate import address_of
from crossdock.kernel.faults import Missing, Rejected, Transient, Unknown

_ASK_AFTER = timedelta(seconds=5)
_REFERENCES_A_CALL = 50
"""Fifty keys of 120 characters stay under the 8 KB that servers take as a request line."""


@connector.bulk_act(ShipmentOrder, effect=[Keyed()], size=100)
async def order_shipments(commands: Sequence[Command[ShipmentOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Ask for many orders to be shipped; the warehouse keeps one per reference for ever."""
    orders = wire.NewOrders(tuple(_new_order(command) for command in commands))
    answer = await link.http.post("/v1/shipment-orders/bulk", orders, headers=key_header(link.settings))
    if not answer.ok:
        raise unexpected(answer)
    outcomes: dict[str, Outcome] = {}
    for item in answer.decode(wire.BulkAnswer).items:
        asked = commands[item.index] if 0 <= item.index < len(commands) else None
        if asked is not None and asked.body.reference == item.reference:
            outcomes[asked.key] = _item_outcome(item, asked)
    return outcomes


@connector.find(ShipmentOrder)
async def find_shipment_orders(
    commands: Sequence[Command[ShipmentOrder]], link: Link[Settings]
) -> Mapping[str, Outcome]:
    """The orders the warehouse holds under our references, as it holds them."""
    references = sorted({command.body.reference for command in commands})
    found: dict[str, wire.HeldOrder] = {}
    for at in range(0, len(references), _REFERENCES_A_CALL):
        held = await _held(references[at : at + _REFERENCES_A_CALL], link)
        found.update({order.reference: order for order in held})
    return {
        command.key: _held_outcome(found[command.body.reference], command)
        for command in commands
        if command.body.reference in found
    }


@connector.inquire(ShipmentOrder)
async def ask_about_order(command: Command[ShipmentOrder], job: str, link: Link[Settings]) -> Outcome:
    """What became of an order that was only received."""
    answer = await link.http.get(f"/v1/shipment-orders/{quote(job, safe='')}", headers=key_header(link.settings))
    if answer.status == 404:
        return Unknown(f"the warehouse no longer knows shipment order {job}")
    if not answer.ok:
        raise unexpected(answer)
    return _held_outcome(answer.decode(wire.HeldOrder), command)


def as_held(wanted: ShipTo) -> ShipTo:
    """The address as the warehouse will keep it: blanks around cut, empty street lines out, the country in capitals."""
    address = wanted.address
    cut = {name: value.strip() for name, value in _texts(address).items()}
    street = tuple(line.strip() for line in address.street if line.strip())
    held = party.Address(**{**cut, "country": cut["country"].upper()}, street=street)
    return ShipTo(reference=wanted.reference, address=held)


@connector.state(ShipTo, size=1, normalise=as_held)
async def redirect(commands: Sequence[Command[ShipTo]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Send what is not picked yet to another address; when all is picked it is too late, and a person's matter."""
    return {command.key: await _redirect(command, link) for command in commands}


async def _redirect(command: Command[ShipTo], link: Link[Settings]) -> Outcome:
    order = command.refs.get("shipment_order") or await _id_of(command.body.reference, link)
    path = f"/v1/shipment-orders/{quote(order, safe='')}/ship-to"
    address = _wire_address(command.body.address)
    answer = await link.http.send("PUT", path, address, headers=key_header(link.settings))
    if answer.status == 409:
        return Rejected(f"too late to change the address: {_problem(answer).message}", field="address")
    if not answer.ok:
        return _refusal(_problem(answer), ())
    held = answer.decode(wire.HeldOrder)
    return Confirmed(id=held.id, body=ShipTo(reference=command.body.reference, address=address_of(held.ship_to)))


def lines_as_held(wanted: ShipmentLines) -> ShipmentLines:
    """The lines in the order of their ids, those of no units left out: what isn't named is to leave with none."""
    lines = sorted((line for line in wanted.lines if line.units), key=lambda line: line.line)
    return ShipmentLines(reference=wanted.reference, lines=tuple(lines))


@connector.state(ShipmentLines, size=1, normalise=lines_as_held)
async def set_lines(commands: Sequence[Command[ShipmentLines]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Add units, or cancel those nobody has picked yet. What is picked or gone stays in the answer: what will leave."""
    return {command.key: await _set_lines(command, link) for command in commands}


async def _set_lines(command: Command[ShipmentLines], link: Link[Settings]) -> Outcome:
    order = command.refs.get("shipment_order") or await _id_of(command.body.reference, link)
    skus = {line.sku: command.refs.get(f"product/{line.sku}", line.sku) for line in command.body.lines}
    wanted = wire.NewLines(
        tuple(wire.LineUnits(line=line.line, sku=skus[line.sku], units=line.units) for line in command.body.lines)
    )
    path = f"/v1/shipment-orders/{quote(order, safe='')}/lines"
    answer = await link.http.send("PUT", path, wanted, headers=key_header(link.settings))
    if not answer.ok:
        return _refusal(_problem(answer), command.body.lines)
    held = answer.decode(wire.HeldOrder)
    return Confirmed(id=held.id, body=_lines_of(held, command, skus))


def _lines_of(held: wire.HeldOrder, command: Command[ShipmentLines], skus: Mapping[str, str]) -> ShipmentLines:
    """What will leave in all, under our own SKUs where the warehouse has others."""
    ours = {(line.line, skus[line.sku]): line.sku for line in command.body.lines}
    lines = (
        ShipmentLine(line=line.line, sku=ours.get((line.line, line.sku), line.sku), units=line.units)
        for line in held.lines
    )
    return lines_as_held(ShipmentLines(reference=command.body.reference, lines=tuple(lines)))


async def _id_of(reference: str, link: Link[Settings]) -> str:
    held = await _held([reference], link)
    if not held:
        raise Rejected(f"the warehouse has no shipment order {reference}", field="reference")
    return held[0].id


async def _held(references: Sequence[str], link: Link[Settings]) -> tuple[wire.HeldOrder, ...]:
    query = urlencode([("reference", reference) for reference in references])
    answer = await link.http.get(f"/v1/shipment-orders?{query}", headers=key_header(link.settings))
    if not answer.ok:
        raise unexpected(answer)
    return answer.decode(wire.HeldOrders).items


def _new_order(command: Command[ShipmentOrder]) -> wire.NewOrder:
    order = command.body
    return wire.NewOrder(
        reference=order.reference,
        order_number=order.number,
        ship_to=_wire_address(order.ship_to),
        lines=tuple(
            wire.Line(line=line.line, sku=command.refs.get(f"product/{line.sku}", line.sku), units=line.units)
            for line in order.lines
        ),
    )


def _wire_address(address: party.Address) -> wire.Address:
    return wire.Address(**msgspec.structs.asdict(address))


def _texts(address: party.Address) -> dict[str, str]:
    fields: dict[str, Any] = msgspec.structs.asdict(address)
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _item_outcome(item: wire.ItemAnswer, command: Command[ShipmentOrder]) -> Outcome:
    """One item's status read as the single request's would be."""
    if item.status < 300 and item.shipment_order is not None:
        return _held_outcome(item.shipment_order, command)
    if item.status == 429:
        return Transient("item status 429: nothing happened")
    if 400 <= item.status < 500:
        return _refusal(item.problem or wire.Problem(code=str(item.status)), command.body.lines)
    return Unknown(f"item status {item.status} for {item.reference}")


def _held_outcome(held: wire.HeldOrder, command: Command[ShipmentOrder]) -> Outcome:
    match held.status:
        case "received":
            return Accepted(job=held.id, ask_after=_ASK_AFTER)
        case "rejected":
            return _refusal(held.problem or wire.Problem(code="rejected"), command.body.lines)
        case "accepted" | "picking" | "shipped" | "cancelled":
            return Confirmed(id=held.id, body=_as_it_holds(held, command))


def _as_it_holds(held: wire.HeldOrder, command: Command[ShipmentOrder]) -> ShipmentOrder:
    """Asked for in a time that is forgotten, it may have another address and other lines."""
    ours = {command.refs.get(f"product/{line.sku}", line.sku): line.sku for line in command.body.lines}
    lines = (ShipmentLine(line=line.line, sku=ours.get(line.sku, line.sku), units=line.units) for line in held.lines)
    return msgspec.structs.replace(command.body, ship_to=address_of(held.ship_to), lines=tuple(lines))


def _refusal(problem: wire.Problem, lines: Sequence[ShipmentLine]) -> Rejected:
    """The warehouse's reason; for an unknown SKU with ours, so that one mapping releases all it blocks."""
    missing = None
    if problem.code == "unknown_sku" and lines:
        ours = [line.sku for line in lines if line.line == problem.line]
        missing = Missing("product", ours[0] if ours else problem.sku or "")
    return Rejected(f"{problem.code}: {problem.message}", field=problem.field, missing=missing)


def _problem(answer: Answer) -> wire.Problem:
    try:
        return msgspec.json.decode(answer.body, type=wire.Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return wire.Problem(code=str(answer.status), message=answer.body[:200].decode(errors="replace"))
