"""The database's clock as the hub's processes saw it last, and what waits by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from crossdock.store.database import Transaction, columns, rows, run
from crossdock.store.documents import HINT, mark_dirty
from crossdock.store.statements import load

_SQL = load("clocks")


async def begin(tx: Transaction) -> None:
    """For a database of which nobody ever looked at the clock."""
    await run(tx, _SQL["begin"])


async def look(tx: Transaction) -> tuple[datetime, datetime] | None:
    """(when somebody last looked, now) by the database's clock; nobody else looks until commit. None: somebody else does."""
    found = await rows(tx, _SQL["look"])
    return (found[0][0], found[0][1]) if found else None


async def looked(tx: Transaction) -> None:
    await run(tx, _SQL["looked"])


async def put_forward(tx: Transaction, looked_at: datetime) -> None:
    """Nobody knows how late it was before: whoever asks what was done since a time is told of what that may have dated, too."""
    await run(tx, _SQL["put_forward"], {"looked_at": looked_at})


async def wait_on(tx: Transaction, looked_at: datetime, longest: Mapping[str, float]) -> None:
    """Calls' leases and searches due after `looked_at` are put off by the time since then; `longest`: seconds that anything
    waits at a target, beyond which it was put off already."""
    await run(tx, _SQL["wait_on"], {"looked_at": looked_at, **_columns(longest)})


async def wait_no_longer(
    tx: Transaction, looked_at: datetime, longest: Mapping[str, float], lease_seconds: float
) -> None:
    """What was to happen at a time of a clock that was ahead is brought back to when it was meant; `looked_at`: by that clock."""
    times = {"looked_at": looked_at, "lease_seconds": lease_seconds, **_columns(longest)}
    await run(tx, _SQL["wait_no_longer"], times)


async def overtaken(tx: Transaction, looked_at: datetime) -> None:
    """What was heard and read under a clock that was ahead is known as of when it was, so that what comes now is newer; and
    whatever was worked out by it is worked out again: a day's limit, say, was that of another day."""
    told = {"looked_at": looked_at, "hint": HINT}
    await mark_dirty(tx, [row[0] for row in await rows(tx, _SQL["overtaken"], told)])


def _columns(longest: Mapping[str, float]) -> dict[str, object]:
    return columns(("target", "seconds"), list(longest.items()))
