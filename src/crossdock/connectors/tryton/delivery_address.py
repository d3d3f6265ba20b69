"""Where a sale's goods that have not left yet go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossdock.canonical.order import ErpAddress
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton.addresses import Label, SpeltAddress, as_held, geography, label_of, read_back
from crossdock.connectors.tryton.buyers import ensure_addresses
from crossdock.connectors.tryton.rpc import rows
from crossdock.connectors.tryton.shipments import redirect, shipped_sale
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Transient


def as_kept(wanted: ErpAddress) -> ErpAddress:
    """The address as Tryton will hold it."""
    return ErpAddress(ship_to=as_held(wanted.ship_to))


@connector.state(ErpAddress, size=1, normalise=as_kept)
async def redirect_sales(commands: Sequence[Command[ErpAddress]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Every shipment that nothing was picked of goes to the wanted address; what is made for the rest later follows it."""
    return {command.key: await _redirect(command, link) for command in commands}


async def _redirect(command: Command[ErpAddress], link: Link[Settings]) -> Outcome:
    sale = await shipped_sale(int(command.refs["sale"]), link)
    wanted = command.body.ship_to
    label = label_of(wanted, await geography(link, [wanted]), "ship_to")
    address = await _address(sale.receiver, label, link)
    await redirect(sale.open_ones, address, link)
    leaving = [each.reference for each in sale.shipments if each.reference and each.state not in ("done", "cancelled")]
    if leaving:  # the shipment made for what it leaves behind takes its address, so that must be changed after it
        return Transient(f"parcel {leaving[0]} is just being issued; the address of what it leaves is set after it")
    [spelt] = await rows(link, "party.address", [["id", "=", address]], SpeltAddress, active_test=False)
    return Confirmed(id=str(sale.id), body=ErpAddress(ship_to=read_back(spelt, wanted, label)))


async def _address(party: int, label: Label, link: Link[Settings]) -> int:
    held, refused = await ensure_addresses([(party, label)], link)
    if refused:
        raise refused[party, label]
    return held[party, label]
