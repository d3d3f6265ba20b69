"""What a sale still ships: units that nobody wants any more are cancelled in Tryton, so that the sale can become done.

Tryton plans every unit of a sale line until it is shipped, or cancelled and then ignored by somebody. So a shipment that
holds too much is lowered first; processing the sale makes a shipment of its own for what was taken off; a shipment of which
nothing is wanted is cancelled; and cancelled moves of which nothing is wanted are ignored, as a person would in the sale's
shipment exception. Every step is decided anew from what is there, so a cut run is simply run again.

Units cancelled by a person, which the order still wants, are left for that person's decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from crossdock.canonical.order import OpenLine, OpenUnits
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton import planned
from crossdock.connectors.tryton.parcels import HeldShipment, as_read
from crossdock.connectors.tryton.planned import Lowered, PlannedSale
from crossdock.connectors.tryton.rpc import change, rows, write
from crossdock.connectors.tryton.sales import WHOLE
from crossdock.connectors.tryton.shipments import press
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected, Transient

_STEPS_MAX = 12
"""The longest way is process, lower each shipment, cancel, ignore, drop the invoice: more means somebody works against us."""


@connector.state(OpenUnits)
async def cancel_units(commands: Sequence[Command[OpenUnits]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Nothing is planned any more that isn't wanted; answers what the sales ship in all, which may be more than wanted."""
    return {command.key: await _cancel(command, link) for command in commands}


async def _cancel(command: Command[OpenUnits], link: Link[Settings]) -> Outcome:
    for _ in range(_STEPS_MAX):
        sales = await _sales(command, link)
        if not await _step(command.body, sales, link):
            return _outcome(command.body, sales)
    raise Transient(f"the sale {command.refs['sale']} keeps being changed by somebody else")


def _outcome(wanted: OpenUnits, sales: Sequence[PlannedSale]) -> Outcome:
    lines = [(line, planned.units(line.line, line.sku, sales)) for line in wanted.lines]
    # None: Tryton ships no such line (a service), so there is nothing to cancel and nothing to tell.
    held = tuple(
        line if units is None else OpenLine(line=line.line, sku=line.sku, units=units) for line, units in lines
    )
    leaving = [shipment.reference for sale in sales for shipment in sale.shipments if planned.is_leaving(shipment)]
    if leaving and any(now.units > line.units for now, line in zip(held, wanted.lines, strict=True)):
        return Transient(f"parcel {leaving[0]} is just being issued; what it leaves is cancelled after it")
    return Confirmed(id=str(sales[0].id), body=msgspec.structs.replace(wanted, lines=held))


async def _sales(command: Command[OpenUnits], link: Link[Settings]) -> list[PlannedSale]:
    """The order's sales that the units speak of, the first first."""
    ids = planned.sales_in(command.refs)[: command.body.parts]
    found = {sale.id: sale for sale in await rows(link, "sale.sale", [["id", "in", ids]], PlannedSale)}
    if lacking := [id_ for id_ in ids if id_ not in found]:
        raise Rejected(f"Tryton has no sale with the id {lacking[0]}", field="sale")
    return [found[id_] for id_ in ids]


async def _step(wanted: OpenUnits, sales: Sequence[PlannedSale], link: Link[Settings]) -> bool:
    """Do the next thing; False when all is as wanted."""
    if unprocessed := [sale.id for sale in sales if sale.is_unprocessed]:
        await change(link, "model.sale.sale.process", unprocessed)
        return True
    plan = planned.plan(wanted, sales)
    if plan.cancelled:
        for shipment in plan.cancelled:
            await _change_shipment("cancel", shipment, link)
    elif plan.lowered:
        await _lower(plan.lowered[0], link)
    elif plan.ignored:
        await _ignore(plan.ignored, link)
    elif drafts := [each.id for sale in sales for each in sale.shipments if each.is_open and each.state == "draft"]:
        await press("wait", drafts, link)
    else:
        return await _drop_invoices(wanted, sales, link)
    return True


async def _lower(lowered: Lowered, link: Link[Settings]) -> None:
    """Only a draft's moves can be written; what is taken off is planned by the sale's next processing."""
    shipment = lowered.shipment
    if shipment.state == "assigned":
        await _change_shipment("wait", shipment, link)
    elif shipment.state == "waiting":
        await _change_shipment("draft", shipment, link)
    else:
        moves = [["write", [move], {"quantity": units}] for move, units in lowered.keeps.items() if units]
        gone = [move for move, units in lowered.keeps.items() if not units]
        await change(link, "model.stock.shipment.out.write", [shipment.id], {"moves": [*moves, ["delete", gone]]})


async def _change_shipment(button: str, shipment: HeldShipment, link: Link[Settings]) -> None:
    """Under the version that was read: a parcel may have claimed the shipment meanwhile."""
    method = f"model.stock.shipment.out.{button}"
    await change(link, method, [shipment.id], _timestamp=as_read(shipment))


async def _ignore(moves: Mapping[int, Sequence[int]], link: Link[Settings]) -> None:
    """The sale's next processing takes it out of its exception."""
    await write(link, "sale.line", [(line, {"moves_ignored": [["add", list(ids)]]}) for line, ids in moves.items()])


async def _drop_invoices(wanted: OpenUnits, sales: Sequence[PlannedSale], link: Link[Settings]) -> bool:
    """Delivery and the like are invoiced in a draft as soon as a sale is confirmed: where nothing ships, nobody owes it."""
    if any(line.units for line in wanted.lines) or any(sale.has_goods for sale in sales):
        return False
    sales = [sale for sale in sales if sale.invoice_method != WHOLE]  # invoiced as it was ordered, and credited
    if drafts := [invoice.id for sale in sales for invoice in sale.invoices if invoice.state == "draft"]:
        await change(link, "model.account.invoice.cancel", drafts)
        return True
    dropped = {sale.id: sale.dropped for sale in sales if sale.dropped}
    if dropped:
        values = [(id_, {"invoices_ignored": [["add", invoices]]}) for id_, invoices in dropped.items()]
        await write(link, "sale.sale", values)
    return bool(dropped)
