"""Events on their way to subscribers: claimed by subscription, under a fence, and recorded attempt by attempt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from crossdock.store.database import Transaction, columns, rows, run
from crossdock.store.events import Position
from crossdock.store.statements import load

_SQL = load("subscriptions")


@dataclass(frozen=True, slots=True)
class Turn:
    """A subscription that is this process's to tell, until its lease ends."""

    id: str
    consumer: str
    tenant: str
    connection: str
    url: str
    types: list[str]
    past: int
    xid: str
    event: int
    at: datetime
    fence: int
    failures: int
    failing_since: datetime | None
    now: datetime

    @property
    def position(self) -> Position:
        return Position(self.past, self.xid, self.event, self.at)

    @property
    def mine(self) -> dict[str, object]:
        return {"id": self.id, "fence": self.fence}


class Outgoing(NamedTuple):
    """An event as it goes out."""

    id: int
    event: str
    entity: str
    attempts: int
    failed_at: datetime | None
    body: bytes


class Queued(NamedTuple):
    """An event that begins its way."""

    event: str
    type: str
    entity: str
    body: bytes


class Attempt(NamedTuple):
    """What came of sending one event; one that stays is sent again after `wait_seconds`."""

    notification: int
    outcome: str
    leaves: bool
    status: int | None
    detail: str
    seconds: float
    wait_seconds: float


async def claim(tx: Transaction, lease_seconds: float, without: Collection[str] = ()) -> Turn | None:
    """The one that is due for longest; none of these consumers'."""
    found = await rows(tx, _SQL["claim"], {"lease_seconds": lease_seconds, "without": list(without)})
    return Turn(*found[0]) if found else None


async def is_full(tx: Transaction, turn: Turn, limit: int, limit_in_all: int) -> bool:
    """Whether so many wait that nothing refused holds up, or so many in all."""
    limits = {"limit": limit, "limit_in_all": limit_in_all}
    [(going, every)] = await rows(tx, _SQL["waiting"], {"id": turn.id, **limits})
    return going >= limit or every >= limit_in_all


async def enqueue(tx: Transaction, turn: Turn, events: Sequence[Queued], next_: Position) -> None:
    """These are on their way, and all that is older was looked at."""
    place = {"past": next_.past, "xid": next_.xid, "event_id": next_.id, "at": next_.at}
    await run(tx, _SQL["enqueue"], {**turn.mine, **place, **columns(Queued._fields, list(events))})


async def heads(tx: Transaction, turn: Turn, limit: int) -> list[Outgoing]:
    found = await rows(tx, _SQL["heads"], {**turn.mine, "limit": limit})
    return [Outgoing(*row) for row in found]


async def record(tx: Transaction, turn: Turn, attempts: Sequence[Attempt], *, took: bool) -> None:
    """What came of them; `took`: the receiver took one at least."""
    await run(tx, _SQL["record"], {**turn.mine, **columns(Attempt._fields, list(attempts))})
    await run(tx, _SQL["took" if took else "took_nothing"], turn.mine)


async def leave(tx: Transaction, turn: Turn, wait_seconds: float) -> None:
    await run(tx, _SQL["leave"], {**turn.mine, "wait_seconds": wait_seconds})


async def disable(tx: Transaction, turn: Turn, reason: str) -> bool:
    """Whether it was active, and is as it was when the turn began."""
    return bool(await rows(tx, _SQL["disable"], {**turn.mine, "reason": reason}))
