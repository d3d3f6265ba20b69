"""Everything on record about an entity, found by any name somebody knows it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdock.canonical.nouns import FACTS
from crossdock.store.database import Row, Transaction, rows
from crossdock.store.statements import load

_SQL = load("trace")


@dataclass(frozen=True, slots=True)
class TracedPromise:
    """One promise; `stage` and what follows it are None once it is closed."""

    entity: str
    name: str
    verb: int
    target: str
    noun: str
    cause: str
    opened_at: datetime
    stage: int | None
    actor: int | None
    deadline: datetime | None
    attempts: int | None
    blocked_on: str | None
    due_at: datetime | None
    key: str | None
    sealed_at: datetime | None
    confirmed_at: datetime | None
    remote_id: str | None
    number: str | None
    id: int
    withdrawn_at: datetime | None
    needs: list[str]
    """The slots that had to be confirmed before it was sent."""
    met: list[str]


@dataclass(frozen=True, slots=True)
class TracedIntent:
    """One intent; `stage` is None once it is resolved or replaced, `remote_id` until it is confirmed."""

    name: str
    verb: int
    target: str
    document: str
    key: str
    sealed_at: datetime
    worker: str
    cause: str
    cause_recorded_at: datetime
    code: str
    live_at: datetime | None
    in_flight: bool
    campaign: int | None
    stage: int | None
    remote_id: str | None
    body: bytes
    refs: bytes


@dataclass(frozen=True, slots=True)
class Trace:
    """The record of some entities, as stored."""

    entities: list[str]
    messages: list[Row]
    """(entity, received at, connection, topic, fate, inbox id)"""
    promises: list[TracedPromise]
    attempts: list[Row]
    """(entity, promise name, target, at, outcome, detail)"""
    expectations: list[Row]
    """(entity, name, on whom, what, until)"""
    cases: list[Row]
    """(entity, case id, title, remedy, detail, since, kind)"""
    facts: list[Row]
    """(entity, connection, kind, id, fact, recorded at, changed at, gone, body)"""
    pins: list[Row]
    """(entity, name, value, at)"""


async def entities_named(tx: Transaction, name: str, connections: Sequence[str]) -> list[str]:
    """The entities known by this name to us or to any system; a leading # and an id's path make no difference."""
    bare = name.strip()
    names = list({bare, bare.removeprefix("#"), "#" + bare.removeprefix("#"), bare.rsplit("/", 1)[-1]})
    parameters = {"name": names, "connection": list(connections), "kind": list(FACTS)}
    return [row[0] for row in await rows(tx, _SQL["entities_named"], parameters)]


async def trace(tx: Transaction, entities: Sequence[str]) -> Trace:
    about = {"entity": list(entities)}
    return Trace(
        list(entities),
        await rows(tx, _SQL["messages"], about),
        [TracedPromise(*row) for row in await rows(tx, _SQL["promises"], about)],
        await rows(tx, _SQL["attempts"], about),
        await rows(tx, _SQL["expectations"], about),
        await rows(tx, _SQL["cases"], about),
        await rows(tx, _SQL["facts"], about),
        await rows(tx, _SQL["pins"], about),
    )


async def intents(tx: Transaction, entities: Sequence[str]) -> list[TracedIntent]:
    """Every intent about these entities, the oldest first."""
    return [TracedIntent(*row) for row in await rows(tx, _SQL["intents"], {"entity": list(entities)})]
