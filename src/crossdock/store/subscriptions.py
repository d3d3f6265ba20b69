"""Subscriptions as consumers hold them: what they are told of, where, under which secrets, and from which place on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from crossdock.store.database import Transaction, rows, run
from crossdock.store.events import Position
from crossdock.store.statements import load

_SQL = load("subscriptions")

State = Literal["active", "paused", "disabled"]
TEST_TYPE = "crossdock.test"


class Wanted(NamedTuple):
    """What a consumer says of its subscription."""

    url: str
    types: list[str]
    note: str
    state: State


@dataclass(frozen=True, slots=True)
class Subscription:
    """One as it stands; `at`: what happened until then was looked through for it."""

    id: str
    consumer: str
    tenant: str
    url: str
    types: list[str]
    note: str
    state: State
    reason: str
    revision: int
    made_at: datetime
    changed_at: datetime
    at: datetime
    failing_since: datetime | None
    succeeded_at: datetime | None
    waiting: int


class SecretKept(NamedTuple):
    """A live secret, sealed; one that `ends_at` some time is being followed by another."""

    name: str
    sealed: bytes
    made_at: datetime
    ends_at: datetime | None


class Notice(NamedTuple):
    """One event for one subscription: waiting, or one attempt at it."""

    id: int
    event: str
    type: str
    entity: str
    attempts: int
    due_at: datetime | None
    at: datetime | None = None
    outcome: str | None = None
    status: int | None = None
    detail: str | None = None
    seconds: float | None = None


def causes(id_: str) -> tuple[str, str]:
    """The causes of its cases: it is disabled, and some of its events were given up."""
    return (f"subscription:{id_}", f"subscription:{id_}:given_up")


async def add(tx: Transaction, id_: str, consumer: str, wanted: Wanted) -> None:
    await run(tx, _SQL["add"], {"id": id_, "consumer": consumer, **wanted._asdict()})


async def count(tx: Transaction, consumer: str) -> int:
    """How many a consumer has; nobody adds one of theirs until commit."""
    await run(tx, _SQL["hold_consumer"], {"consumer": consumer})
    return (await rows(tx, _SQL["count"], {"consumer": consumer}))[0][0]


async def change(tx: Transaction, id_: str, wanted: Wanted) -> None:
    await run(tx, _SQL["change"], {"id": id_, **wanted._asdict()})


async def close(tx: Transaction, id_: str) -> None:
    await run(tx, _SQL["close"], {"id": id_})


async def held(
    tx: Transaction,
    *,
    id_: str = "",
    consumer: str = "",
    tenants: Sequence[str] | None = None,
    after: tuple[datetime | None, str] = (None, ""),
    limit: int | None = None,
) -> list[Subscription]:
    """Those that have not ended: all, or only one, only a consumer's, only some tenants'; so many `after` (made at, id)."""
    at, after_id = after
    asked = {"id": id_, "consumer": consumer, "tenants": None if tenants is None else list(tenants)}
    asked |= {"after_at": at, "after_id": after_id, "limit": limit}
    return [Subscription(*row) for row in await rows(tx, _SQL["held"], asked)]


async def lock(tx: Transaction, id_: str) -> None:
    """Nobody else edits it until commit."""
    await rows(tx, _SQL["lock"], {"id": id_})


async def add_secret(tx: Transaction, subscription: str, name: str, sealed: bytes, old_ends_seconds: float) -> None:
    """The secret that signs from now on; the one before it still does, for so long."""
    await run(tx, _SQL["follow_secrets"], {"subscription": subscription, "seconds": old_ends_seconds})
    await run(tx, _SQL["add_secret"], {"name": name, "subscription": subscription, "sealed": sealed})


async def secrets(tx: Transaction, subscription: str) -> list[SecretKept]:
    """The live ones, the newest first."""
    found = await rows(tx, _SQL["secrets"], {"subscription": subscription})
    return [SecretKept(name, bytes(sealed), made_at, ends_at) for name, sealed, made_at, ends_at in found]


async def place_of(tx: Transaction, since: datetime) -> Position:
    return Position(*(await rows(tx, _SQL["place"], {"since": since}))[0])


async def move(tx: Transaction, id_: str, to: Position) -> None:
    """It is told what comes after that place, again or for the first time, and nothing else."""
    await run(tx, _SQL["move"], {"id": id_, "past": to.past, "xid": to.xid, "event": to.id, "at": to.at})


async def add_one(tx: Transaction, id_: str, event: str, entity: str, body: bytes) -> None:
    """A test event, at once."""
    told = {"id": id_, "event": event, "type": TEST_TYPE, "entity": entity, "body": body}
    await run(tx, _SQL["add_one"], told)
    await run(tx, _SQL["hurry"], {"id": id_})


async def on_the_way(tx: Transaction, id_: str, after: int, limit: int) -> list[Notice]:
    return [Notice(*row) for row in await rows(tx, _SQL["on_the_way"], {"id": id_, "after": after, "limit": limit})]


async def ended(
    tx: Transaction, id_: str, outcomes: Sequence[str], before: tuple[datetime, int] | None, limit: int
) -> list[Notice]:
    at, after = before or (None, 0)
    asked = {"id": id_, "outcome": list(outcomes), "at": at, "after": after, "limit": limit}
    return [Notice(*row) for row in await rows(tx, _SQL["ended"], asked)]


async def of_event(tx: Transaction, id_: str, event: str) -> tuple[Notice | None, list[Notice]]:
    """(the event while it waits, every attempt at it)"""
    waiting = await rows(tx, _SQL["of_event"], {"id": id_, "event": event})
    attempts = await rows(tx, _SQL["attempts"], {"id": id_, "event": event})
    return (Notice(*waiting[0]) if waiting else None), [Notice(*row) for row in attempts]
