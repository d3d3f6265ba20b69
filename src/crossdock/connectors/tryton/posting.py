"""Posting draft invoices in lists: the day each is booked under, whether that day's period is open, and Tryton's question.

Tryton numbers by date: under a sequence, nothing may be dated before its last number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from crossdock.connect.link import Link
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.rpc import Day, Warned, as_day, change, confirm, rows
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.faults import Rejected

_OTHER_TAXES = ".invoice_taxes"
"""Tryton asks whether taxes may differ from its products' own: they may, the order's are what the buyer was charged."""
_DUE_BEFORE_TODAY = ".invoice_payment_term"
"""It asks whether an invoice may be due already: one of goods that left yesterday, while Tryton was down, is."""
_KNOWN = (_OTHER_TAXES, _DUE_BEFORE_TODAY)


class PeriodRow(msgspec.Struct, frozen=True):
    name: str
    state: str
    start_date: Day
    end_date: Day

    def covers(self, day: date) -> bool:
        return self.start_date.value <= day <= self.end_date.value


class YearRow(msgspec.Struct, frozen=True):
    start_date: Day
    end_date: Day


class SequenceRow(msgspec.Struct, frozen=True):
    """Which sequences number a fiscal year's invoices, or those of one period in it."""

    out_invoice_sequence: int | None
    out_credit_note_sequence: int | None
    year: YearRow = msgspec.field(name="fiscalyear.")
    period: YearRow | None = msgspec.field(name="period.")

    def covers(self, day: date) -> bool:
        span = self.period or self.year
        return span.start_date.value <= day <= span.end_date.value


class NumberedRow(msgspec.Struct, frozen=True):
    invoice_date: Day


@dataclass(frozen=True)
class Draft:
    """What is to be posted: on which day, and whether it is a credit note."""

    day: date
    credit: bool


async def closed(days: Collection[date], company: int, link: Link[Settings]) -> dict[date, str]:
    """Of these days, those nothing can be booked under, with the reason."""
    where = [["company", "=", company], ["type", "=", "standard"], ["end_date", ">=", as_day(min(days))],
             ["start_date", "<=", as_day(max(days))]]  # fmt: skip
    periods = await rows(link, "account.period", where, PeriodRow)
    told: dict[date, str] = {}
    for day in days:
        own = [period for period in periods if period.covers(day)]
        if not own:
            told[day] = f"Tryton has no accounting period for {day}"
        elif own[0].state != "open":
            told[day] = f"{day} is in Tryton's period {own[0].name}, which is {own[0].state}"
    return told


async def days_with_numbers(drafts: Mapping[int, Draft], company: int, link: Link[Settings]) -> dict[int, date]:
    """The day of each draft, put off to the last number's in its sequence where that is later."""
    order = [["sequence", "ASC"], ["id", "ASC"]]
    sequences = await rows(link, "account.fiscalyear.invoice_sequence", [["company", "=", company]], SequenceRow,
                           order=order)  # fmt: skip
    own = {id_: _sequence(draft, sequences) for id_, draft in drafts.items()}
    last = {sequence: await _last(sequence, link) for sequence in sorted({each for each in own.values() if each})}
    return {id_: max(draft.day, last.get(own[id_]) or draft.day) for id_, draft in drafts.items()}


def _sequence(draft: Draft, sequences: Sequence[SequenceRow]) -> int:
    for row in sequences:
        if row.covers(draft.day):
            return (row.out_credit_note_sequence if draft.credit else row.out_invoice_sequence) or 0
    return 0


async def _last(sequence: int, link: Link[Settings]) -> date | None:
    newest = [["invoice_date", "DESC"]]
    where = [["sequence", "=", sequence], ["invoice_date", "!=", None]]
    found = await rows(link, "account.invoice", where, NumberedRow, order=newest, limit=1)
    return found[0].invoice_date.value if found else None


async def post(invoices: Sequence[int], link: Link[Settings]) -> dict[int, Rejected]:
    """Post them all in one call, and tell those that Tryton refuses; one that was posted meanwhile isn't pressed again."""

    async def press(some: Sequence[int]) -> None:
        await press_post(some, link)

    async def drafts(some: Sequence[int]) -> Sequence[int]:
        where = [["id", "in", list(some)], ["state", "in", ["draft", "validated"]]]
        return [row.id for row in await rows(link, "account.invoice", where, IdRow)]

    return await isolated(invoices, press, drafts)


class IdRow(msgspec.Struct, frozen=True):
    id: int


async def press_post(invoices: Sequence[int], link: Link[Settings]) -> None:
    """Tryton's button, answering its questions that have a known answer, which it asks invoice by invoice."""
    for _ in range(len(invoices) * len(_KNOWN)):
        try:
            return await change(link, "model.account.invoice.post", list(invoices))
        except Warned as warning:
            if not warning.name.endswith(_KNOWN):
                raise
            await confirm(link, warning)
    return await change(link, "model.account.invoice.post", list(invoices))
