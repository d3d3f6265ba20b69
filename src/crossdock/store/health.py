"""What can be asked of a database about its own health."""

from __future__ import annotations

from datetime import datetime

from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("health")


async def durability(tx: Transaction) -> dict[str, str]:
    """The server settings that decide whether what was committed survives a crash."""
    return dict(await rows(tx, _SQL["durability"]))


async def clock(tx: Transaction) -> datetime:
    return (await rows(tx, _SQL["clock"]))[0][0]


async def size(tx: Transaction) -> int:
    """Bytes."""
    return (await rows(tx, _SQL["size"]))[0][0]


async def brakes(tx: Transaction) -> list[tuple[str, str]]:
    """(connection, reason) of every stopped lane."""
    return [(connection, reason) for connection, reason in await rows(tx, _SQL["brakes"])]


async def oldest_pending(tx: Transaction) -> float:
    """Seconds."""
    return (await rows(tx, _SQL["oldest_pending"]))[0][0]
