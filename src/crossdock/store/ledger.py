"""Money and postings by the day on which the hub heard of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime

from crossdock.store.database import Row, Transaction, rows
from crossdock.store.statements import load

_SQL = load("ledger")


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
    """Which entries: from a moment until before another, of a channel and a currency, or of any."""

    since: datetime
    until: datetime
    channel: str = ""
    currency: str = ""


async def entries(tx: Transaction, wanted: Wanted, limit: int) -> list[Entry]:
    return [Entry(*row) for row in await rows(tx, _SQL["entries"], {**asdict(wanted), "limit": limit})]


async def by_day(tx: Transaction, wanted: Wanted) -> list[Row]:
    """(day, channel, currency, what, minor units)"""
    return await rows(tx, _SQL["by_day"], asdict(wanted))
