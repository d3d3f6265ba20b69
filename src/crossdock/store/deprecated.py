"""Who asks for what is to go, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("deprecated")


class Called(NamedTuple):
    """One caller of one operation."""

    operation: str
    caller: str
    first_at: datetime
    last_at: datetime
    times: int


async def note(tx: Transaction, operation: str, caller: str) -> None:
    await run(tx, _SQL["note"], {"operation": operation, "caller": caller})


async def calls(tx: Transaction) -> list[Called]:
    return [Called(*row) for row in await rows(tx, _SQL["calls"])]
