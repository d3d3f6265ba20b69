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


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks for what under which key."""

    id: str
    client: str
    route: str
    key: str
    request: bytes
    trace: str

    def parameters(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the same key asked before, and was answered."""

    id: str
    request: bytes
    status: int
    answer: bytes
    tag: str = ""
    """Its ETag, where it had one."""
    about: str = ""
    """The entity whose business it was."""


async def hold_key(tx: Transaction, claim: Claim) -> bool:
    """Whether nobody else is doing what this key asks for."""
    return (await rows(tx, _SQL["hold_key"], claim.parameters()))[0][0]


async def claim(tx: Transaction, wanted: Claim) -> Earlier | None:
    """None when the key is new, and this operation's from now on; the key must be held."""
    if await rows(tx, _SQL["claim"], wanted.parameters()):
        return None
    [found] = await rows(tx, _SQL["claimed"], wanted.parameters())
    return Earlier(*found)


async def keep_answer(tx: Transaction, given: Earlier) -> None:
    """What is answered to an operation, now and to every repeat."""
    told = {"id": given.id, "status": given.status, "answer": given.answer, "tag": given.tag, "about": given.about}
    await run(tx, _SQL["keep_answer"], told)


async def describe(tx: Transaction, id_: str, entity: str, kind: str, thing: str, connection: str) -> None:
    """What an operation came to, and by which connection its message came in."""
    asked = {"id": id_, "entity": entity, "kind": kind, "thing": thing, "connection": connection}
    await run(tx, _SQL["describe"], asked)


async def operation(tx: Transaction, id_: str, client: str) -> Operation | None:
    """An operation of this client; nobody else's."""
    found = await rows(tx, _SQL["operation"], {"id": id_, "client": client})
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
