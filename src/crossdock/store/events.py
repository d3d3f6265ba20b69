"""What happened, in an order that nothing is ever added before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("events")


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two events; `at` is about when that was."""

    past: int
    """Which past of the database it is of: one that was set back to a backup continues another."""
    xid: str
    id: int
    at: datetime | None = None


BEGINNING = Position(0, "0", 0)


@dataclass(frozen=True, slots=True)
class Event:
    """One fact of one system that became known, changed or went."""

    id: int
    past: int
    xid: str
    at: datetime
    entity: str
    connection: str
    kind: str
    document: str
    fact: str
    what: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Events after a position, and the position after them; `whole` when nothing more was there."""

    events: list[Event]
    next: Position
    whole: bool


async def after(
    tx: Transaction,
    position: Position,
    channels: Sequence[str] | None,
    kind: str = "",
    types: Sequence[str] = (),
    *,
    limit: int,
) -> Happened:
    """The next events of entities of these channels (None: of all), of one kind or ('') of every, of these types or all."""
    asked = {
        "past": position.past,
        "xid": position.xid,
        "id": position.id,
        "channels": None if channels is None else list(channels),
        "kind": kind,
        "types": list(types),
        "limit": limit,
    }
    found = await rows(tx, _SQL["after"], asked)
    events = [Event(*row[3:]) for row in found if row[3] is not None]
    if len(events) == limit:
        last = events[-1]
        return Happened(events, Position(last.past, last.xid, last.id, last.at), whole=False)
    # All that is older was looked at: who follows little of much must not look at the rest again and again.
    return Happened(events, Position(found[0][0], found[0][1], 0, found[0][2]), whole=True)
