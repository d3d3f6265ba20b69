"""Why one promise is as it is: its inputs, the rules it was made under, what was sealed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Row, Transaction, rows
from crossdock.store.statements import load

_SQL = load("acts")


@dataclass(frozen=True, slots=True)
class Made:
    """A promise as stored, and its rules; the JSON fields are texts."""

    id: int
    entity: str
    name: str
    verb: int
    target: str
    noun: str
    cause: str
    cause_recorded_at: datetime
    revision: int
    opened_at: datetime
    needs: str
    within: str
    pins: str
    repair: bool
    valid_until: datetime | None
    campaign: int | None
    digest: bytes
    body: bytes
    code: bytes
    version: str | None
    live_at: datetime | None


@dataclass(frozen=True, slots=True)
class Explained:
    made: Made
    intents: list[Row]
    """(ordinal, key, sealed at, worker, digest, refs, code, version, live at)"""
    outcome: Row
    """(confirmed at, remote id, number, stage, actor, deadline, attempts, blocked on, job, withdrawn at)"""
    inputs: list[Row]
    """(connection, kind, id, fact, epoch, token, digest, recorded at, changed at, gone, is the cause)"""


async def explained(tx: Transaction, promise: int) -> Explained | None:
    about = {"promise": promise}
    found = await rows(tx, _SQL["promise"], about)
    if not found:
        return None
    made = Made(*found[0])
    of = {"entity": made.entity, "cause": made.cause, "opened_at": made.opened_at}
    [outcome] = await rows(tx, _SQL["outcome"], about)
    return Explained(made, await rows(tx, _SQL["intents"], about), outcome, await rows(tx, _SQL["inputs"], of))
