"""Money and postings by the day on which the hub heard of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

from crossdock.store import tally
from crossdock.store.database import Row, Transaction, rows
from crossdock.store.statements import load

_SQL = load("ledger")
_EARLIER = datetime(1970, 1, 1, tzinfo=UTC)
# Lines are looked for from the first on, in spans that double: a page of them reads a part of a day, not all of it.
_SPANS = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement or posting; `minor` in minor units of its currency, always positive."""

    at: datetime
    day: date
    channel: str
    entity: str
    what: str
    id: str
    system: str
    currency: str
    minor: int
    status: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: whole days by UTC, the last one included, of a channel and a currency, or of any."""

    first: date
    last: date
    channel: str = ""
    currency: str = ""

    @property
    def since(self) -> datetime:
        return datetime(self.first.year, self.first.month, self.first.day, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        return datetime(self.last.year, self.last.month, self.last.day, tzinfo=UTC) + timedelta(days=1)


async def entries(tx: Transaction, wanted: Wanted, limit: int) -> list[Entry]:
    """The first lines of these days."""
    found: list[Entry] = []
    since, span = wanted.since, (wanted.until - wanted.since) / _SPANS
    while since < wanted.until and len(found) < limit:
        until = min(since + span, wanted.until)
        found += await entries_between(tx, wanted, since, until, limit - len(found))
        since, span = until, span * 2
    return found


async def entries_between(
    tx: Transaction, wanted: Wanted, since: datetime, until: datetime, limit: int | None = None
) -> list[Entry]:
    """The lines of a part of these days."""
    about = {**asdict(wanted), "since": since, "until": until, "limit": limit}
    return [Entry(*row) for row in await rows(tx, _SQL["entries"], about)]


async def by_day(tx: Transaction, wanted: Wanted) -> list[Row]:
    """(day, channel, currency, what, minor units)"""
    mark = await tally.mark(tx) or _EARLIER
    about = {**asdict(wanted), "since": wanted.since, "until": wanted.until, "mark": mark}
    return await rows(tx, _SQL["by_day"], about)
