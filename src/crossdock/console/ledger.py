"""The books by day, channel and currency: what came in, went back, was sold, invoiced and credited; to its lines, and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from crossdock.console.asking import Answered, Asked, Denied
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.console.wording import amount
from crossdock.store import figures, tally
from crossdock.store import ledger as store
from crossdock.store.database import Row, Transaction
from crossdock.store.figures import Figure
from crossdock.store.ledger import Entry, Wanted

_TITLES = ("day", "at", "channel", "entity", "what", "id", "system", "amount", "currency", "status")
COLUMNS = ("captured", "refunded", "disputed", "sold", "invoiced", "billed further", "credited")
_DAYS = 7
_DAYS_MAX = 92
# An export is read and sent in spans of time, so that a day of any size is one file: so many lines hold up the door 20 ms.
_SPAN = timedelta(minutes=1)
_FEW, _MANY = 1_000, 3_000
_LINES_SHOWN = 500
_REASONS_SHOWN = 20
# A spreadsheet runs a cell that begins so as a formula; a quotation mark in front makes it text (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


@dataclass(frozen=True)
class Line:
    """One day of one channel in one currency; amounts in minor units by column."""

    day: date
    channel: str
    currency: str
    sums: Counter[str] = field(default_factory=Counter[str])

    @property
    def kept(self) -> int:
        """What came in and stayed."""
        return self.sums["captured"] - self.sums["refunded"] - self.sums["disputed"]


@dataclass(frozen=True)
class Span:
    """Whole days by UTC, the last one included."""

    first: date
    last: date


async def books(desk: Desk, asked: Asked, person: Person) -> Answered:
    span = span_of(asked.of_query("from"), asked.of_query("to"), datetime.now(UTC).date())
    day = asked.of_query("day")
    async with desk.looking() as tx:
        table = lines_of(await store.by_day(tx, _wanted(asked, span)))
        lines = await _lines(tx, asked, day)
        mark, counted = await tally.mark(tx), (await figures.figures(tx)).get("unreconciled")
    return desk.pages.page(
        "books.html",
        asked,
        person,
        span=span,
        table=table,
        totals=totals(table),
        columns=COLUMNS,
        channel=asked.of_query("channel"),
        currency=asked.of_query("currency"),
        day=day,
        mark=mark,
        reasons=_reasons(counted)[:_REASONS_SHOWN],
        counted=counted,
        lines=lines[:_LINES_SHOWN],
        more=len(lines) > _LINES_SHOWN,
    )


def _reasons(counted: Figure | None) -> list[dict[str, Any]]:
    """Why orders differ, as last counted."""
    told: list[dict[str, Any]] = [] if counted is None or counted.value is None else counted.value["reasons"]
    return [{**each, "since": datetime.fromisoformat(each["since"])} for each in told]


async def _lines(tx: Transaction, asked: Asked, day: str) -> list[Entry]:
    if not day:
        return []
    span = span_of(day, day, datetime.now(UTC).date())
    return await store.entries(tx, _wanted(asked, span), _LINES_SHOWN + 1)


async def export(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Every line of these days as CSV, amounts in the currency's own decimals."""
    span = span_of(asked.of_query("from"), asked.of_query("to"), datetime.now(UTC).date())
    name = f"books-{span.first}-{span.last}.csv"
    told = (b"content-disposition", f'attachment; filename="{name}"'.encode())
    sheet = _sheet(desk, _wanted(asked, span))
    return Answered(200, as_csv((), _TITLES).encode(), b"text/csv; charset=utf-8", (told,), sheet)


async def _sheet(desk: Desk, wanted: Wanted) -> AsyncIterator[bytes]:
    since, span = wanted.since, _SPAN
    while since < wanted.until:
        until = min(since + span, wanted.until)
        async with desk.looking() as tx:
            lines = await store.entries_between(tx, wanted, since, until)
        yield as_csv(lines).encode()
        since, span = until, span * 2 if len(lines) < _FEW else span / 2 if len(lines) > _MANY else span


def _wanted(asked: Asked, span: Span) -> Wanted:
    return Wanted(span.first, span.last, asked.of_query("channel"), asked.of_query("currency"))


def span_of(first: str, last: str, today: date) -> Span:
    """The days that were asked for; the last week when none were. `Denied` when they are none, or too many."""
    try:
        end = date.fromisoformat(last) if last else today
        start = date.fromisoformat(first) if first else end - timedelta(days=_DAYS - 1)
    except (ValueError, OverflowError) as error:
        raise Denied(422, "That is no day", "Write days as 2026-11-22.") from error
    if not start <= end or (end - start).days >= _DAYS_MAX or end.year > today.year + 1:
        raise Denied(422, "Those are no days to show", f"At most {_DAYS_MAX} days, the first before the last.")
    return Span(start, end)


def lines_of(sums: Iterable[Row]) -> list[Line]:
    """One line for each day, channel and currency, in the order they come in."""
    found: dict[tuple[date, str, str], Line] = {}
    for day, channel, currency, what, minor in sums:
        found.setdefault((day, channel, currency), Line(day, channel, currency)).sums[what] += minor
    return list(found.values())


def totals(lines: Iterable[Line]) -> list[Line]:
    """Of each currency; currencies never add up."""
    found: dict[str, Line] = {}
    for line in lines:
        found.setdefault(line.currency, Line(line.day, "", line.currency)).sums.update(line.sums)
    return [found[currency] for currency in sorted(found)]


def as_csv(entries: Iterable[Entry], titles: Sequence[str] = ()) -> str:
    written = io.StringIO()
    sheet = csv.writer(written)
    if titles:
        sheet.writerow(titles)
    for each in entries:
        money = amount(each.minor, each.currency).rpartition(" ")[0].replace(",", "")
        texts = [each.channel, each.entity, each.what, each.id, each.system]
        sheet.writerow(
            [each.day, each.at.astimezone(UTC).isoformat(), *map(harmless, texts), money, harmless(each.currency),
             harmless(each.status)]
        )  # fmt: skip
    return written.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula, wherever it comes from."""
    return "'" + text if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text
