"""The inbox: every message, raw and durable before it is acknowledged, stored once and translated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from crossdock.kernel.ids import digest
from crossdock.observe import spans
from crossdock.store import cases, traces
from crossdock.store.cases import Raised
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.fronts import LATE_SECONDS
from crossdock.store.statements import load
from crossdock.store.traces import message_name

_SQL = load("inbox")
MESSAGE = "message:"
"""What the name of a message in a case begins with."""
SET_ASIDE = "quarantine"
"""The kind of their cases."""
# An index entry has room for 2,700 bytes; no vendor's message id comes near this.
_IDENTITY_CHARACTERS_MAX = 400


class Fate(IntEnum):
    """What became of a message; every message has exactly one."""

    PENDING = 0
    TRANSLATED = 1
    IGNORED = 2
    QUARANTINED = 3


@dataclass(frozen=True, slots=True)
class Message:
    """A message as received. Without an id of the vendor's, its topic and body are its identity."""

    connection: str
    topic: str
    body: bytes
    message_id: str | None = None
    observed: int = 0
    quarantined: str | None = None
    """Why it is stored aside at once and not translated; None for an ordinary message."""
    trace: str = ""
    """W3C `traceparent` of what brought it, where its sender began a trace."""

    @property
    def identity(self) -> str:
        if self.message_id and len(self.message_id) <= _IDENTITY_CHARACTERS_MAX and "\0" not in self.message_id:
            return self.message_id
        return digest(f"{self.message_id}\0{self.topic}\0".encode() + (b"" if self.message_id else self.body)).hex()


@dataclass(frozen=True, slots=True)
class Pending:
    """A stored message waiting to be translated."""

    id: int
    received_at: datetime
    connection: str
    topic: str
    message_id: str
    observed: int
    body: bytes
    epoch: int
    heard_at: datetime
    """When it was received, dated back where a clock that was ahead has been put right since, and no later than now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    message: Pending
    fate: Fate
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the inbox, by time, connection and entity; None means all."""

    since: datetime
    until: datetime
    connection: str | None = None
    entity: str | None = None

    def parameters(self) -> dict[str, object]:
        return {"since": self.since, "until": self.until, "connection": self.connection, "entity": self.entity}


_MESSAGE = ("connection", "topic", "message_id", "observed", "outcome", "reason", "body")
_FATE = _MESSAGE.index("outcome")


async def store(tx: Transaction, messages: Sequence[Message]) -> int:
    """Store messages, each once; answers how many were new and are to be translated."""
    stored = {(message.connection, message.identity): _stored(message) for message in reversed(messages)}
    known = columns(("connection", "message_id"), list(stored))
    fresh = [stored[row[0], row[1]] for row in await rows(tx, _SQL["know_messages"], known)]
    if fresh:
        await run(tx, _SQL["store_messages"], columns(_MESSAGE, fresh))
        if spans.active() is not None:
            await traces.remember(
                tx, {message_name(each.connection, each.identity): each.trace for each in messages if each.trace}
            )
    await cases.raise_cases(
        tx, [_aside(m.connection, m.topic, m.identity, m.quarantined) for m in messages if m.quarantined]
    )
    return sum(row[_FATE] == Fate.PENDING for row in fresh)


def _aside(connection: str, topic: str, message: str, reason: str) -> Raised:
    """The case a quarantined message is part of; one for each topic."""
    return Raised(
        f"quarantine:{connection}:{topic}",
        SET_ASIDE,
        f"{topic} messages of {connection} can't be translated",
        "Correct the source or the connector, then: crossdock retry <case>",
        reason,
        f"{MESSAGE}{connection}:{message}",
    )


def _stored(message: Message) -> Row:
    fate = Fate.QUARANTINED if message.quarantined else Fate.PENDING
    return (
        message.connection,
        message.topic[:_IDENTITY_CHARACTERS_MAX].replace("\0", ""),
        message.identity,
        message.observed,
        int(fate),
        message.quarantined,
        message.body,
    )


async def front(tx: Transaction) -> datetime:
    """Since when anything is pending."""
    return (await rows(tx, _SQL["front"], {"late_seconds": LATE_SECONDS}))[0][0]


async def take_pending(tx: Transaction, limit: int, since: datetime | None = None) -> list[Pending]:
    """Take messages to translate, from their front on; they are pending again if the transaction doesn't commit."""
    return [Pending(*row) for row in await rows(tx, _SQL["take_pending"], {"limit": limit, "front": since})]


async def record_outcomes(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Say what became of messages; those that can't be translated become cases."""
    aside = [
        _aside(o.message.connection, o.message.topic, o.message.message_id, o.reason or "")
        for o in outcomes
        if o.fate == Fate.QUARANTINED
    ]
    await cases.raise_cases(tx, aside)
    records: list[Row] = [(o.message.id, o.message.received_at, int(o.fate), o.reason) for o in outcomes]
    await run(tx, _SQL["record_outcomes"], columns(("id", "received_at", "outcome", "reason"), records))


async def put_back(tx: Transaction, part: Part) -> int:
    """Make a part of the inbox pending again, and its messages' cases over until they fail again; answers how many messages."""
    await run(tx, _SQL["leave_cases"], {**part.parameters(), "prefix": MESSAGE})
    return (await rows(tx, _SQL["put_back"], part.parameters()))[0][0]


async def read_again(tx: Transaction, case_id: int) -> int:
    """Make the messages of a case pending again, as far as they are kept; answers how many."""
    return (await rows(tx, _SQL["read_again"], {"case": case_id, "prefix": MESSAGE}))[0][0]


async def read_part(tx: Transaction, part: Part) -> list[Pending]:
    return [Pending(*row) for row in await rows(tx, _SQL["read_part"], part.parameters())]


async def entities_in(tx: Transaction, part: Part) -> list[str]:
    """The entities that messages of a part of the inbox speak of."""
    return [row[0] for row in await rows(tx, _SQL["entities_in"], part.parameters())]
