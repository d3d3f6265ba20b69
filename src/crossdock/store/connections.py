"""How each connection is: its budget, its brake, what is open for it, and how its calls went."""

from __future__ import annotations

from collections.abc import Sequence

from crossdock.store.database import Row, Transaction, rows
from crossdock.store.statements import load

_SQL = load("connections")


async def standing(tx: Transaction, connections: Sequence[str]) -> list[Row]:
    """(name, rate, burst, points, updated at, spent, started at, brake's kind, reason, since, probe at, probes, epoch)"""
    return await rows(tx, _SQL["standing"], {"connection": list(connections)})


async def backlog(tx: Transaction) -> dict[str, Row]:
    """target -> (open, ready, blocked, in a case or in doubt, late, the earliest deadline)"""
    return {row[0]: row[1:] for row in await rows(tx, _SQL["backlog"])}


async def recent_failures(tx: Transaction) -> dict[str, dict[str, int]]:
    """target -> outcome -> how many calls of the last hour."""
    found: dict[str, dict[str, int]] = {}
    for target, outcome, count in await rows(tx, _SQL["recent"]):
        found.setdefault(target, {})[outcome] = count
    return found


async def workers(tx: Transaction) -> list[Row]:
    """(id, host, pid, version, settles, seconds since it was heard of)"""
    return await rows(tx, _SQL["workers"])
