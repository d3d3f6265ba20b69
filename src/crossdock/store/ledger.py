"""Money and postings by the day on which the hub heard of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from crossdock.store.database import Transaction, rows
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


async def entries(
    tx: Transaction, since: datetime, until: datetime, channel: str, currency: str, limit: int
) -> list[Entry]:
    about = {"since": since, "until": until, "channel": channel, "currency": currency, "limit": limit}
    return [Entry(*row) for row in await rows(tx, _SQL["entries"], about)]
