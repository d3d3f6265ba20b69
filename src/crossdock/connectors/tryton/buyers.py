"""Whose sale it is and which addresses it shows: known accounts, guests found or made, addresses matched or added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from crossdock.canonical.order import Order, SalesOrder
from crossdock.canonical.party import Address
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connectors.tryton.addresses import Geography, HeldAddress, Label, geography, label_held, label_of
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.rpc import Values, change, rows
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.faults import Rejected

ORDER_ADDRESS_SEQUENCE = 10
"""Behind the account's own address, which is 1."""


class PartyCode(msgspec.Struct, frozen=True):
    id: int
    code: str


@dataclass(frozen=True)
class Buyer:
    """Ids of a sale's party and of the addresses it shows."""

    party: int
    invoice_address: int
    shipment_address: int


@dataclass(frozen=True)
class _Labels:
    invoice: Label
    shipment: Label


Buyers = dict[str, Buyer | Rejected]
"""By the order's entity."""


async def buyers(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Buyers:
    """The buyer of each order; a refusal where Tryton can't hold who or where it is."""
    said = [address for command in commands for address in (command.body.order.bill_to, command.body.order.ship_to)]
    known = await geography(link, [address for address in said if address])
    found: Buyers = {}
    labels: dict[str, _Labels] = {}
    for command in commands:
        try:
            labels[command.entity] = _labels(command.body.order, known)
        except Rejected as refusal:
            found[command.entity] = refusal
    sold = [command for command in commands if command.entity in labels]
    parties, refused = await _parties(sold, link)
    found |= refused
    wanted = {entity: (party, labels[entity]) for entity, party in parties.items()}
    return found | await _addressed(wanted, link)


async def ensure_addresses(
    wanted: Sequence[tuple[int, Label]], link: Link[Settings]
) -> tuple[dict[tuple[int, Label], int], dict[tuple[int, Label], Rejected]]:
    """The ids of these (party, label), adding those that are lacking; and the refusals."""
    held = await _held(wanted, link)
    lacking = [each for each in dict.fromkeys(wanted) if each not in held]

    async def add(some: Sequence[tuple[int, Label]]) -> None:
        values = [{"party": party, "sequence": ORDER_ADDRESS_SEQUENCE, **label.values()} for party, label in some]
        for each, id_ in zip(some, await change(link, "model.party.address.create", values), strict=True):
            held[each] = id_

    return held, await isolated(lacking, add)


async def _held(wanted: Sequence[tuple[int, Label]], link: Link[Settings]) -> dict[tuple[int, Label], int]:
    """Addresses of these parties, the oldest of those that say the same."""
    parties = sorted({party for party, _ in wanted})
    there = await rows(link, "party.address", [["party", "in", parties]], HeldAddress, order=[["id", "DESC"]])
    return {(row.party, label_held(row)): row.id for row in there}


async def _addressed(wanted: Mapping[str, tuple[int, _Labels]], link: Link[Settings]) -> Buyers:
    if not wanted:
        return {}
    pairs = [(party, label) for party, both in wanted.values() for label in (both.invoice, both.shipment)]
    held, refused = await ensure_addresses(pairs, link)
    found: Buyers = {}
    for entity, (party, both) in wanted.items():
        invoice, shipment = (party, both.invoice), (party, both.shipment)
        refusal = refused.get(invoice) or refused.get(shipment)
        found[entity] = refusal or Buyer(party, held[invoice], held[shipment])
    return found


async def _parties(
    commands: Sequence[Command[SalesOrder]], link: Link[Settings]
) -> tuple[dict[str, int], dict[str, Rejected]]:
    """The account each order's customer has, and for guests a party of the order's own, found or made by its code."""
    parties = {c.entity: int(c.refs["party"]) for c in commands if "party" in c.refs}
    guests = {c.entity: c.body.order for c in commands if "party" not in c.refs}
    parties |= await _coded(list(guests), link)
    lacking = [entity for entity in guests if entity not in parties]
    mark = link.settings.shop

    async def make(some: Sequence[str]) -> None:
        values = [_guest(entity, guests[entity], mark) for entity in some]
        parties.update(zip(some, await change(link, "model.party.party.create", values), strict=True))

    refused = await isolated(lacking, make)
    if refused:  # another process may have made it meanwhile
        parties |= await _coded(list(refused), link)
    return parties, {entity: refusal for entity, refusal in refused.items() if entity not in parties}


async def _coded(codes: Sequence[str], link: Link[Settings]) -> dict[str, int]:
    if not codes:
        return {}
    # One that was put aside still holds its code.
    found = await rows(link, "party.party", [["code", "in", list(codes)]], PartyCode, active_test=False)
    return {row.code: row.id for row in found}


def _guest(code: str, order: Order, mark: str) -> Values:
    values: Values = {"code": code, "name": _name(order)}
    if order.email:
        values["contact_mechanisms"] = [["create", [{"type": "email", "value": order.email.strip(), "name": mark}]]]
    return values


def _name(order: Order) -> str:
    said = [address for address in (order.bill_to, order.ship_to) if address]
    names = [name.strip() for address in said for name in (address.company, address.name) if name.strip()]
    return next(iter(names), "") or order.email or order.number


def _labels(order: Order, known: Geography) -> _Labels:
    """Where the invoice and the goods go; an order that names one place goes there, one that names none has its name."""
    bare = Address(name=_name(order))
    invoice = label_of(order.bill_to or order.ship_to or bare, known, "bill_to")
    shipment = label_of(order.ship_to, known, "ship_to") if order.ship_to else invoice
    return _Labels(invoice, shipment)
