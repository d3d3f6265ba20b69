"""What targets confirmed since some moment: for when one of them was set back to an earlier state, and may have forgotten it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from crossdock.store import documents
from crossdock.store.database import Transaction, may_read_by_ranges, rows, run
from crossdock.store.statements import load

_SQL = load("receipts")


class Receipted(NamedTuple):
    """A confirmed act, as it was asked for and as its target named it."""

    promise: int
    entity: str
    name: str
    noun: str
    key: str
    sealed_at: datetime
    refs: bytes
    body: bytes
    age_seconds: float | None
    """Since its target confirmed it; None where a clock that was ahead has dated that."""
    remote_id: str
    number: str
    is_missed: bool
    """A case says that it is missing."""


async def acts_since(tx: Transaction, connection: str, since: datetime) -> list[int]:
    """The promises of all of them: once through all receipts since then, which no index tells apart by connection."""
    await may_read_by_ranges(tx)
    return (await rows(tx, _SQL["acts_since"], {"connection": connection, "since": since}))[0][0]


async def acts(tx: Transaction, promises: Sequence[int]) -> list[Receipted]:
    """These, by promise."""
    return [Receipted(*row) for row in await rows(tx, _SQL["acts"], {"promise": list(promises)})]


async def there_after_all(tx: Transaction, promises: Sequence[int]) -> None:
    await run(tx, _SQL["there_after_all"], {"promise": list(promises)})


async def write_again(tx: Transaction, connection: str, since: datetime) -> int:
    """States that were told since then are told again, as they should be now; answers how many."""
    found = await rows(tx, _SQL["write_again"], {"connection": connection, "since": since})
    await documents.mark_dirty(tx, {row[0] for row in found})
    return len(found)
