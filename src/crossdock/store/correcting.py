"""What has to be known of a thing before a person corrects what its source says of it."""

from __future__ import annotations

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("correcting")


async def stated(tx: Transaction, connection: str, kind: str, id_: str) -> tuple[str | None, bytes] | None:
    """(entity, body); None when its source says nothing of it."""
    found = await rows(tx, _SQL["stated"], {"connection": connection, "kind": kind, "id": id_})
    return (found[0][0], found[0][1]) if found else None


async def hold(tx: Transaction, connection: str, kind: str, id_: str) -> None:
    """Nobody else corrects this thing, and its source says nothing else of it, until commit."""
    await run(tx, _SQL["hold"], {"connection": connection, "kind": kind, "id": id_})


async def corrections(tx: Transaction, people: str, entity: str) -> list[bytes]:
    return [row[0] for row in await rows(tx, _SQL["corrections"], {"people": people, "entity": entity})]


async def under_way(tx: Transaction, people: str, entity: str) -> bool:
    """Whether somebody's correction is about to be heard of."""
    return bool(await rows(tx, _SQL["under_way"], {"people": people, "entity": entity}))
