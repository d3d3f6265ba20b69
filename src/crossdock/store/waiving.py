"""What has to be known of a promise before it is left undone."""

from __future__ import annotations

from dataclasses import dataclass

from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("waiving")


@dataclass(frozen=True, slots=True)
class OpenPromise:
    """`case`: the open case it is in; `waiting`: the name of another promise that waits for it."""

    entity: str
    name: str
    noun: str
    digest: bytes
    case: int | None
    waiting: str | None


async def open_promise(tx: Transaction, promise: int) -> OpenPromise | None:
    """None when it is not open, or a call about it is under way."""
    found = await rows(tx, _SQL["open_promise"], {"promise": promise})
    return OpenPromise(*found[0]) if found else None
