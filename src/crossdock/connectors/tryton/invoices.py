"""The invoice of one parcel: found through its shipment, dated and posted once.

Tryton makes a draft invoice for what each shipment brought. What has no goods (delivery, rounding, services) it invoices as
soon as the sale is confirmed, in a draft of its own: its lines move into the first parcel's invoice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from crossdock.canonical.shipment import Invoice, InvoicePosting
from crossdock.connect.connector import Command
from crossdock.connect.effects import Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton.planned import sales_in
from crossdock.connectors.tryton.posting import press_post
from crossdock.connectors.tryton.reference import day_of
from crossdock.connectors.tryton.rpc import Amount, Code, Day, Values, as_day, change, rows
from crossdock.connectors.tryton.shipments import process
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import AnyMoney, from_decimal, minor_digits

# As for shipments; posting prints the invoice inside the request, which takes seconds on a busy server. One that is posted
# later than that is found posted by the next look, or refuses to be posted again.
FOUND = Searchable("the shipment whose goods it invoices", timedelta(seconds=1), timedelta(seconds=20))
POSTED = ("posted", "paid")


class InvoiceLine(msgspec.Struct, frozen=True):
    id: int
    origin: str | None
    stock_moves: tuple[int, ...]


class HeldInvoice(msgspec.Struct, frozen=True):
    id: int
    number: str | None
    state: str
    untaxed_amount: Amount
    tax_amount: Amount
    total_amount: Amount
    currency: Code = msgspec.field(name="currency.")
    lines: tuple[InvoiceLine, ...] = msgspec.field(name="lines.")


class BilledLine(msgspec.Struct, frozen=True):
    invoice: int | None


class BilledMove(msgspec.Struct, frozen=True):
    invoice_lines: tuple[BilledLine, ...] = msgspec.field(name="invoice_lines.")


class BilledShipment(msgspec.Struct, frozen=True):
    id: int
    outgoing: tuple[BilledMove, ...] = msgspec.field(name="outgoing_moves.")

    @property
    def invoices(self) -> set[int]:
        lines = [line for move in self.outgoing for line in move.invoice_lines]
        return {line.invoice for line in lines if line.invoice}


class DatedInvoice(msgspec.Struct, frozen=True):
    invoice_date: Day


@connector.act(InvoicePosting, effect=[FOUND])
async def post_invoice(command: Command[InvoicePosting], link: Link[Settings]) -> Outcome:
    """Post the invoice that arose from the parcel's goods issue."""
    held = await (_invoice_of(command, link) if command.body.shipment else _invoice_of_sale(command, link))
    if held.state not in POSTED:
        day = await day_of(link, command.body.invoice_date)
        await _complete(held, day, command, link)
        held = await _posted(held, day, link)
    return as_posted(held)


@connector.find(InvoicePosting)
async def find_posted(commands: Sequence[Command[InvoicePosting]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The parcels, and the sales that are invoiced whole, whose invoice is posted."""
    parcels = [command for command in commands if command.body.shipment]
    billed = await _billed(sorted({int(command.refs["issue"]) for command in parcels}), link) if parcels else {}
    found: dict[str, Outcome] = {}
    for command in commands:
        if command.body.shipment:
            continue
        whole = await _first_invoice(int(command.refs["sale"]), link)
        if whole is not None and whole.state in POSTED:
            found[command.key] = as_posted(whole)
    for command in parcels:
        own = [invoice for invoice in billed.get(int(command.refs["issue"]), ()) if invoice.state in POSTED]
        if len(own) == 1:
            found[command.key] = as_posted(own[0])
    return found


def as_posted(held: HeldInvoice) -> Confirmed:
    """Amounts as Tryton has them: a credit note's are negative."""
    number = held.number or ""
    net, tax, total = (_money(each, held) for each in (held.untaxed_amount, held.tax_amount, held.total_amount))
    return Confirmed(id=str(held.id), aliases=(number,), body=Invoice(number=number, net=net, tax=tax, total=total))


def _money(amount: Amount, held: HeldInvoice) -> AnyMoney:
    currency = held.currency.code or ""
    return from_decimal(amount.value.quantize(Decimal(1).scaleb(-minor_digits(currency))), currency)


# --- which invoice -----------------------------------------------------------------------------------------------------


async def _invoice_of(command: Command[InvoicePosting], link: Link[Settings]) -> HeldInvoice:
    shipment = int(command.refs["issue"])
    held = (await _billed([shipment], link)).get(shipment)
    if not held:  # the sale's processing, which makes it, was lost in a crash
        await process(int(command.refs["sale"]), link)
        held = (await _billed([shipment], link)).get(shipment)
    if not held:
        raise Rejected(f"no invoice arose from parcel {command.body.shipment} in Tryton", field="issue")
    if len(held) > 1:
        told = ", ".join(str(invoice.number or invoice.id) for invoice in held)
        raise Rejected(f"the parcel is on several invoices in Tryton ({told}); post them there", field="issue")
    return held[0]


async def _invoice_of_sale(command: Command[InvoicePosting], link: Link[Settings]) -> HeldInvoice:
    """Tryton makes it when it processes the sale; whatever corrects it comes later."""
    sale = int(command.refs["sale"])
    held = await _first_invoice(sale, link)
    if held is None:  # the sale's processing was lost in a crash
        await process(sale, link)
        held = await _first_invoice(sale, link)
    if held is None:
        raise Rejected(f"no invoice arose from sale {sale} in Tryton", field="sale")
    return held


async def _first_invoice(sale: int, link: Link[Settings]) -> HeldInvoice | None:
    where = [["sales", "in", [sale]], ["state", "!=", "cancelled"]]
    found = await rows(link, "account.invoice", where, HeldInvoice, order=[["id", "ASC"]], limit=1)
    return found[0] if found else None


async def _billed(shipments: Sequence[int], link: Link[Settings]) -> dict[int, list[HeldInvoice]]:
    """The invoices of each shipment, leaving out those that were cancelled."""
    billed = await rows(link, "stock.shipment.out", [["id", "in", list(shipments)]], BilledShipment)
    ids = sorted(set[int]().union(*(each.invoices for each in billed)))
    where = [["id", "in", ids], ["state", "!=", "cancelled"]]
    held = {invoice.id: invoice for invoice in await rows(link, "account.invoice", where, HeldInvoice)} if ids else {}
    return {each.id: [held[id_] for id_ in sorted(each.invoices & held.keys())] for each in billed}


# --- completing and posting --------------------------------------------------------------------------------------------


async def _complete(held: HeldInvoice, day: date, command: Command[InvoicePosting], link: Link[Settings]) -> None:
    """Date the invoice and take in what else the sale has to pay; the drafts emptied so are deleted.

    Emptying marks them in the same transaction, so that after a cut they are found again by the mark.
    """
    if not command.body.shipment:  # all of the sale is in it
        await change(link, "model.account.invoice.write", [held.id], {"invoice_date": as_day(day)})
        return
    emptied = f"moved into invoice {held.id}"
    where = [["sales", "in", sales_in(command.refs)], ["state", "=", "draft"], ["id", "!=", held.id]]
    others = await rows(link, "account.invoice", where, HeldInvoice)
    strays = [other for other in others if not any(line.stock_moves for line in other.lines)]
    values: Values = {"invoice_date": as_day(day)}
    marks: list[object] = []
    if strays:
        values["lines"] = [["add", [line.id for stray in strays for line in stray.lines]]]
        marks = [[stray.id for stray in strays], {"reference": emptied}]
    await change(link, "model.account.invoice.write", *marks, [held.id], values)
    empty = await rows(link, "account.invoice", [["reference", "=", emptied], ["state", "=", "draft"]], HeldInvoice)
    if empty:
        await change(link, "model.account.invoice.delete", [invoice.id for invoice in empty])


async def _posted(held: HeldInvoice, day: date, link: Link[Settings]) -> HeldInvoice:
    """Post it; where a later number is out already, under that number's date, for numbers must follow dates."""
    refusal = await _post(held, link)
    if refusal is not None and (later := await _later_date(day, link)):
        await change(link, "model.account.invoice.write", [held.id], {"invoice_date": as_day(later)})
        refusal = await _post(held, link)
    [now] = await rows(link, "account.invoice", [["id", "=", held.id]], HeldInvoice)
    if now.state not in POSTED:
        raise refusal or Rejected(f"Tryton left invoice {held.id} {now.state}")
    return now


async def _post(held: HeldInvoice, link: Link[Settings]) -> Rejected | None:
    """A refusal counts only while it isn't posted: it may come from printing, after it was."""
    try:
        await press_post([held.id], link)
    except Rejected as refusal:
        return refusal
    return None


async def _later_date(day: date, link: Link[Settings]) -> date | None:
    where = [["type", "=", "out"], ["number", "!=", None], ["invoice_date", ">", as_day(day)]]
    latest = [["invoice_date", "DESC"]]
    found = await rows(link, "account.invoice", where, DatedInvoice, order=latest, limit=1)
    return found[0].invoice_date.value if found else None
