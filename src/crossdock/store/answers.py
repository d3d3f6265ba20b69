"""What systems answered when they were asked, for those who are content with an answer of some age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("answers")


class Kept(NamedTuple):
    """An answer as it was given at a moment; `body` is JSON, null where the system knew no such thing."""

    connection: str
    at: datetime
    age_seconds: float
    body: bytes


async def kept(tx: Transaction, connections: Sequence[str], noun: str, key: str) -> list[Kept]:
    """The last answer of each of these systems, the latest first."""
    asked = {"connection": list(connections), "noun": noun, "key": key}
    return [Kept(*row) for row in await rows(tx, _SQL["kept"], asked)]


async def keep(tx: Transaction, connection: str, noun: str, key: str, at: datetime, body: bytes) -> None:
    await run(tx, _SQL["keep"], {"connection": connection, "noun": noun, "key": key, "at": at, "body": body})


class Customer(NamedTuple):
    """Somebody who is known, with the number of their account at each system that has one."""

    entity: str
    connections: list[str]
    at: datetime
    age_seconds: float
    accounts: dict[str, str]


async def customers(tx: Transaction, entities: Sequence[str]) -> list[Customer]:
    """Those of these that a system tells of."""
    return [Customer(*row) for row in await rows(tx, _SQL["customers"], {"entity": list(entities)})]
