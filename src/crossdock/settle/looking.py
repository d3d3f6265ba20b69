"""Entities as the pure core sees them, for those who only look: the command line, the API, auditors."""

from __future__ import annotations

from collections.abc import Sequence

from crossdock.settle.reading import Read, read
from crossdock.settle.rules import Rules
from crossdock.store import settling
from crossdock.store.database import Transaction


async def look(tx: Transaction, entities: Sequence[str], rules: Rules) -> list[Read]:
    """One `Read` for each entity that is known, read as settling reads it, its standing at this moment."""
    batch = await settling.entities_by_key(tx, entities)
    record = await settling.on_record(tx, batch, rules.code)
    return read(batch, record, rules.targets, record.as_of)
