"""Fields of traffic that no contract knows, counted by whose they are: their names, never what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("traffic")
_LOCK = 0x0C055D0D
FIELDS_MAX = 200
"""Of one contract of one consumer or connection; what makes up names of its own is not kept name by name."""


class Message(NamedTuple):
    connection: str
    topic: str
    body: bytes


class Strange(NamedTuple):
    """A field of somebody's messages that the contract doesn't know, or that it misses."""

    whose: str
    contract: str
    field: str
    what: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What was looked at, of all that came in."""

    whose: str
    contract: str
    messages: int
    since: datetime
    last_at: datetime
    unknown: int
    missing: int


@dataclass(frozen=True, slots=True)
class Field:
    field: str
    what: str
    messages: int
    first_at: datetime
    last_at: datetime


async def turn(tx: Transaction, seconds: float) -> datetime | None:
    """Since when nobody has looked; None while it is not our turn."""
    await run(tx, _SQL["begin"])
    found = await rows(tx, _SQL["take_turn"], {"lock": _LOCK, "seconds": seconds})
    return found[0][0] if found else None


async def recent(tx: Transaction, since: datetime, messages: int, each: int, bytes_max: int) -> list[Message]:
    """The latest messages since then: so many at most, and so many of each connection and topic."""
    asked = {"since": since, "messages": messages, "each": each, "bytes": bytes_max}
    return [Message(*row) for row in await rows(tx, _SQL["recent"], asked)]


async def note(tx: Transaction, sampled: Mapping[tuple[str, str], int], strange: Mapping[Strange, int]) -> None:
    """Count (whose, contract) -> messages, and in how many of them each field was strange."""
    counted: list[Row] = [(*about, count) for about, count in sorted(sampled.items())]
    await run(tx, _SQL["sampled"], columns(("whose", "contract", "messages"), counted))
    found: list[Row] = [(*each, count) for each, count in sorted(strange.items())]
    if found:
        told = columns(("whose", "contract", "field", "what", "messages"), found)
        await run(tx, _SQL["noticed"], told | {"fields": FIELDS_MAX})


async def samples(tx: Transaction, whose: str = "") -> list[Sample]:
    return [Sample(*row) for row in await rows(tx, _SQL["samples"], {"whose": whose})]


async def fields(tx: Transaction, whose: str, contract: str) -> list[Field]:
    return [Field(*row) for row in await rows(tx, _SQL["fields"], {"whose": whose, "contract": contract})]


async def forget(tx: Transaction, of: Sequence[tuple[str, str]]) -> None:
    """Counting begins anew for each (whose, contract)."""
    for whose, contract in of:
        await run(tx, _SQL["forget"], {"whose": whose, "contract": contract})
