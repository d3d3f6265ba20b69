"""What the REST API was asked: each idempotency key once, what became of it, and the facts whose authority the API is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Transaction, rows, run
from crossdock.store.inbox import Fate
from crossdock.store.statements import load

_SQL = load("operations")


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that was asked; `fate` is None once its message is not kept any more."""

    id: str
    entity: str
    kind: str
    thing: str
    at: datetime
    fate: int | None
    reason: str | None

    @property
    def state(self) -> str:
        return "translated" if self.fate is None else Fate(self.fate).name.lower()


@dataclass(frozen=True, slots=True)
class OwnFact:
    """A return or allowance as the API last told it."""

    kind: str
    id: str
    token: int
    body: bytes


async def claim(tx: Transaction, id_: str, client: str, key: str, request: bytes) -> tuple[str, bytes] | None:
    """None when the key is new, and this operation's from now on; else which operation it asked for, and what."""
    asked = {"id": id_, "client": client, "key": key, "request": request}
    if await rows(tx, _SQL["claim"], asked):
        return None
    [(earlier, what)] = await rows(tx, _SQL["claimed"], {"client": client, "key": key})
    return earlier, what


async def describe(tx: Transaction, id_: str, entity: str, kind: str, thing: str) -> None:
    await run(tx, _SQL["describe"], {"id": id_, "entity": entity, "kind": kind, "thing": thing})


async def operation(tx: Transaction, id_: str, client: str, connection: str) -> Operation | None:
    """An operation of this client; nobody else's."""
    found = await rows(tx, _SQL["operation"], {"id": id_, "client": client, "connection": connection})
    return Operation(*found[0]) if found else None


async def lock_entity(tx: Transaction, entity: str) -> None:
    """Nobody else's request about this entity is decided before this transaction is over."""
    await rows(tx, _SQL["lock_entity"], {"entity": entity})


async def own_facts(tx: Transaction, entity: str) -> list[OwnFact]:
    return [OwnFact(*row) for row in await rows(tx, _SQL["own_facts"], {"entity": entity})]


async def entity_of(tx: Transaction, kind: str, id_: str) -> str | None:
    """The entity a fact of the API's is about."""
    found = await rows(tx, _SQL["own_fact"], {"kind": kind, "id": id_})
    return found[0][0] if found else None


async def next_number(tx: Transaction) -> int:
    return (await rows(tx, _SQL["next_id"]))[0][0]


async def keep(tx: Transaction, entity: str, fact: OwnFact) -> None:
    """A new version of a fact; the entity must be locked."""
    asked = {"kind": fact.kind, "id": fact.id, "entity": entity, "token": fact.token, "body": fact.body}
    await run(tx, _SQL["keep"], asked)
