"""Credit notes, and further invoices: what was billed and is not owed any more, and what is owed beyond what was billed.

Each is a sale of its own, as a Tryton user would make it for a return: its origin is the order's sale, and its web id is the
command's key, which is unique in the database, so that no key is ever posted twice. Its lines have no product, for no goods
move and no unit is sold or taken back: they carry the order line's text, the account that line was billed to, and one unit
of exactly the net amount. The taxes that Tryton computes on the draft are then set to those that were commanded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from crossdock.canonical.returns import CreditMemo, SupplementaryInvoice
from crossdock.connect.connector import Command
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Outcome
from crossdock.connectors.tryton.correction_values import (
    Difference,
    DraftRow,
    SaleRow,
    amounts_of,
    invoice_values,
    sale_values,
)
from crossdock.connectors.tryton.invoices import POSTED, HeldInvoice, as_posted
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.posting import Draft, closed, days_with_numbers, post
from crossdock.connectors.tryton.reference import Reference, days_of, reference
from crossdock.connectors.tryton.rpc import Values, as_day, change, rows, write
from crossdock.connectors.tryton.sales import HeldSale
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.kernel.faults import Rejected, Unknown

BATCH = 50


class MadeSale(HeldSale, frozen=True):
    invoices: tuple[int, ...]


@connector.bulk_act(CreditMemo, effect=[Keyed()], size=BATCH)
async def post_credit_memos(commands: Sequence[Command[CreditMemo]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """One posted credit note per command; the amounts of its receipt are negative."""
    return await _post(_credits(commands), link)


@connector.bulk_act(SupplementaryInvoice, effect=[Keyed()], size=BATCH)
async def post_supplements(
    commands: Sequence[Command[SupplementaryInvoice]], link: Link[Settings]
) -> Mapping[str, Outcome]:
    """One posted invoice per command."""
    return await _post(_supplements(commands), link)


@connector.find(CreditMemo)
async def find_credit_memos(commands: Sequence[Command[CreditMemo]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The credit notes that are posted; one that was cut halfway is sent again, which takes it forward."""
    return await _found(_credits(commands), link)


@connector.find(SupplementaryInvoice)
async def find_supplements(
    commands: Sequence[Command[SupplementaryInvoice]], link: Link[Settings]
) -> Mapping[str, Outcome]:
    return await _found(_supplements(commands), link)


def _credits(commands: Sequence[Command[CreditMemo]]) -> list[Difference]:
    return [
        Difference(each.key, each.refs, -1, each.body.number, each.body.currency, each.body.memo_date, "memo_date",
                   each.body.reason, each.body.lines)
        for each in commands
    ]  # fmt: skip


def _supplements(commands: Sequence[Command[SupplementaryInvoice]]) -> list[Difference]:
    return [
        Difference(each.key, each.refs, 1, each.body.number, each.body.currency, each.body.invoice_date,
                   "invoice_date", each.body.reason, each.body.lines)
        for each in commands
    ]  # fmt: skip


# --- step by step ------------------------------------------------------------------------------------------------------


@dataclass
class _Run:
    """One batch: what is wanted by key, the day of each, and who was refused why."""

    link: Link[Settings]
    about: Reference
    wanted: Mapping[str, Difference]
    days: Mapping[str, date] = field(default_factory=dict[str, date])
    refused: dict[str, Rejected] = field(default_factory=dict[str, Rejected])

    async def held(self) -> dict[str, MadeSale]:
        where = [["web_shop", "=", self.about.shop], ["web_id", "in", list(self.wanted)]]
        return {sale.web_id: sale for sale in await rows(self.link, "sale.sale", where, MadeSale)}

    async def invoices(self, held: Mapping[str, MadeSale]) -> dict[str, DraftRow]:
        """The one invoice of each: should processing have made two, the first is it, for every process alike."""
        ids = {id_: key for key, sale in held.items() for id_ in sale.invoices}
        where = [["id", "in", sorted(ids)], ["state", "!=", "cancelled"]]
        found = await rows(self.link, "account.invoice", where, DraftRow) if ids else []
        return {ids[invoice.id]: invoice for invoice in sorted(found, key=lambda row: row.id, reverse=True)}


async def _found(wanted: Sequence[Difference], link: Link[Settings]) -> dict[str, Outcome]:
    run = _Run(link, await reference(link), {each.key: each for each in wanted})
    invoices = await run.invoices(await run.held())
    return {key: as_posted(invoice) for key, invoice in invoices.items() if invoice.state in POSTED}


async def _post(wanted: Sequence[Difference], link: Link[Settings]) -> dict[str, Outcome]:
    days = dict(zip([each.key for each in wanted], await days_of(link, [each.dated for each in wanted]), strict=True))
    run = _Run(link, await reference(link), {each.key: each for each in wanted}, days)
    held = await run.held()
    invoices = await run.invoices(held)
    open_ = [each for each in wanted if each.key not in invoices or invoices[each.key].state not in POSTED]
    if open_:
        await _check_days(run, open_)
        held = await _take_forward(run, await _make(run, held))
        invoices = await run.invoices(held)
        await _post_drafts(run, invoices)
        invoices = await run.invoices(held)
    return {each.key: _outcome(run, each.key, held, invoices) for each in wanted}


def _outcome(run: _Run, key: str, held: Mapping[str, MadeSale], invoices: Mapping[str, DraftRow]) -> Outcome:
    """A refusal counts only while it isn't posted: it may come from printing, after it was."""
    if key in invoices and invoices[key].state in POSTED:
        return as_posted(invoices[key])
    if key in run.refused:
        return run.refused[key]
    if key in held and held[key].state == "cancelled":
        return Rejected(f"sale {held[key].number or held[key].id} was cancelled in Tryton", field="state")
    return Unknown("Tryton answered, but it isn't posted")


async def _check_days(run: _Run, open_: Sequence[Difference]) -> None:
    """Refused before anything is made: what can't be booked leaves no draft behind."""
    told = await closed({run.days[each.key] for each in open_}, run.about.company, run.link)
    for each in open_:
        if reason := told.get(run.days[each.key]):
            run.refused[each.key] = Rejected(f"{reason}; date it later, or open the period", field=each.date_field)


async def _make(run: _Run, held: Mapping[str, MadeSale]) -> dict[str, MadeSale]:
    """The sales that aren't there yet, created in one list."""
    lacking = [each for key, each in run.wanted.items() if key not in held and key not in run.refused]
    billed = await _billed(lacking, run.link)
    values: dict[str, Values] = {}
    for each in lacking:
        try:
            values[each.key] = sale_values(each, billed, run.about)
        except Rejected as refusal:
            run.refused[each.key] = refusal

    async def create(some: Sequence[str]) -> None:
        await change(run.link, "model.sale.sale.create", [values[key] for key in some])

    async def remaining(some: Sequence[str]) -> Sequence[str]:
        there = await run.held()  # another process may have been first
        return [key for key in some if key not in there]

    run.refused |= await isolated(list(values), create, remaining)
    return await run.held() if values else dict(held)


async def _take_forward(run: _Run, held: Mapping[str, MadeSale]) -> dict[str, MadeSale]:
    """Quoted, confirmed and processed, each from where it stands; processing makes the draft invoice."""
    now = dict(held)
    for button, state in (("quote", "draft"), ("confirm", "quotation"), ("process", "confirmed")):
        fitting = [key for key, sale in now.items() if sale.state == state and key not in run.refused]
        if fitting:
            await _press(run, button, state, {key: now[key].id for key in fitting})
            now = await run.held()
    return now


async def _press(run: _Run, button: str, state: str, sales: Mapping[str, int]) -> None:
    async def press(some: Sequence[str]) -> None:
        await change(run.link, f"model.sale.sale.{button}", [sales[key] for key in some])

    async def remaining(some: Sequence[str]) -> Sequence[str]:
        held = await run.held()
        return [key for key in some if key in held and held[key].state == state]

    run.refused |= await isolated(list(sales), press, remaining)


# --- what the sale says ------------------------------------------------------------------------------------------------


async def _billed(wanted: Sequence[Difference], link: Link[Settings]) -> dict[int, SaleRow]:
    ids = sorted({id_ for each in wanted for id_ in each.sales})
    found = await rows(link, "sale.sale", [["id", "in", ids]], SaleRow) if ids else []
    return {sale.id: sale for sale in found}


# --- the invoice -------------------------------------------------------------------------------------------------------


async def _post_drafts(run: _Run, invoices: Mapping[str, DraftRow]) -> None:
    """Date, complete and post the drafts, all in one write and one press."""
    drafts = {key: invoice for key, invoice in invoices.items() if invoice.state == "draft" and key not in run.refused}
    if not drafts:
        return
    dated = {invoice.id: Draft(run.days[key], run.wanted[key].sign < 0) for key, invoice in drafts.items()}
    days = await days_with_numbers(dated, run.about.company, run.link)
    billed = await _billed([run.wanted[key] for key in drafts], run.link)
    values: dict[str, Values] = {}
    for key, invoice in drafts.items():
        try:
            values[key] = invoice_values(run.wanted[key], invoice, billed, run.about)
        except Rejected as refusal:
            run.refused[key] = refusal

    async def complete(some: Sequence[str]) -> None:
        changes = [(drafts[key].id, values[key] | {"invoice_date": as_day(days[drafts[key].id])}) for key in some]
        await write(run.link, "account.invoice", changes)

    run.refused |= await isolated(list(values), complete)
    exact = await _exact(run, [key for key in values if key not in run.refused], drafts)
    keys = {drafts[key].id: key for key in exact}
    run.refused |= {keys[id_]: refusal for id_, refusal in (await post(list(keys), run.link)).items()}


async def _exact(run: _Run, keys: Sequence[str], drafts: Mapping[str, DraftRow]) -> list[str]:
    """Those whose draft now says what was commanded; the others are told, and stay drafts."""
    ids = {drafts[key].id: key for key in keys}
    found = await rows(run.link, "account.invoice", [["id", "in", list(ids)]], HeldInvoice) if ids else []
    exact: list[str] = []
    for invoice in found:
        key = ids[invoice.id]
        net, tax = amounts_of(run.wanted[key])
        if (invoice.untaxed_amount.value, invoice.tax_amount.value) == (net, tax):
            exact.append(key)
        else:
            told = f"net {invoice.untaxed_amount.value} and tax {invoice.tax_amount.value} instead of {net} and {tax}"
            run.refused[key] = Rejected(f"Tryton's draft invoice {invoice.id} says {told}", field="lines")
    return exact
