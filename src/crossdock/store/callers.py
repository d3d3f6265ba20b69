"""Who may call: consumers with their keys and their requests of this minute, and people with their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("callers")


@dataclass(frozen=True, slots=True)
class Held:
    """A live key, with what its consumer may."""

    prefix: str
    hash: bytes
    consumer: str
    tenant: str
    connection: str
    scopes: list[str]
    per_minute: int


@dataclass(frozen=True, slots=True)
class Consumer:
    """A system that uses the API, and who answers for it."""

    name: str
    owner: str
    tenant: str
    connection: str
    scopes: list[str]
    per_minute: int
    made_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without what proves it."""

    prefix: str
    consumer: str
    made_at: datetime
    last_used_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in."""

    name: str
    roles: list[str]
    tenants: list[str]
    """Empty: all."""
    password: str
    generation: int = 1
    made_at: datetime | None = None
    ended_at: datetime | None = None
    failures: int = 0
    failed_at: datetime | None = None


async def key(tx: Transaction, prefix: str) -> Held | None:
    """The live key that begins so."""
    found = await rows(tx, _SQL["key"], {"prefix": prefix})
    return Held(*found[0]) if found else None


async def note_use(tx: Transaction, prefix: str) -> None:
    await run(tx, _SQL["used"], {"prefix": prefix})


async def count_request(tx: Transaction, caller: str) -> tuple[int, int]:
    """(requests in this minute with this one, seconds until the next minute)"""
    [(count, seconds)] = await rows(tx, _SQL["count"], {"caller": caller})
    return count, seconds


async def consumer(tx: Transaction, name: str) -> Consumer | None:
    found = await rows(tx, _SQL["consumer"], {"name": name})
    return Consumer(*found[0]) if found else None


async def consumers(tx: Transaction) -> list[Consumer]:
    return [Consumer(*row) for row in await rows(tx, _SQL["consumers"])]


async def keys(tx: Transaction, names: Sequence[str]) -> list[Key]:
    return [Key(*row) for row in await rows(tx, _SQL["keys"], {"consumer": list(names)})]


async def keep_consumer(tx: Transaction, consumer: Consumer) -> None:
    """A new one, or what may change of an old one: its owner, scopes and quota."""
    kept = {"name": consumer.name, "owner": consumer.owner, "tenant": consumer.tenant, "scopes": consumer.scopes}
    await run(tx, _SQL["keep_consumer"], {**kept, "connection": consumer.connection, "per_minute": consumer.per_minute})


async def add_key(tx: Transaction, consumer: str, prefix: str, hash_: bytes) -> None:
    await run(tx, _SQL["add_key"], {"prefix": prefix, "consumer": consumer, "hash": hash_})


async def end_key(tx: Transaction, consumer: str, prefix: str) -> bool:
    """Whether it was a live key of that consumer."""
    return bool(await rows(tx, _SQL["end_key"], {"prefix": prefix, "consumer": consumer}))


async def end_consumer(tx: Transaction, name: str) -> None:
    await run(tx, _SQL["end_consumer"], {"name": name})


async def person(tx: Transaction, name: str, *, to_change: bool = False) -> Person | None:
    """Somebody by name; locked when it is `to_change`."""
    found = await rows(tx, _SQL["person" if to_change else "person_now"], {"name": name})
    return Person(*found[0]) if found else None


async def persons(tx: Transaction) -> list[Person]:
    return [Person(*row) for row in await rows(tx, _SQL["persons"])]


async def keep_person(tx: Transaction, person: Person) -> None:
    kept = {"name": person.name, "roles": person.roles, "tenants": person.tenants, "password": person.password}
    await run(tx, _SQL["keep_person"], kept)


async def end_person(tx: Transaction, name: str) -> None:
    await run(tx, _SQL["end_person"], {"name": name})


async def note_sign_in(tx: Transaction, name: str, *, failed: bool) -> None:
    await run(tx, _SQL["sign_in_failed" if failed else "signed_in"], {"name": name})
