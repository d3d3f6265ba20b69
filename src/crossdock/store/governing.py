"""What people govern: partners' contracts and their versions, changes that take two people, the calendar, policies, the audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from crossdock.store.database import Row, Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("governing")


@dataclass(frozen=True, slots=True)
class Held:
    """A partner's contract; `version` 0: none of it was registered yet."""

    name: str
    owner: str
    level: str
    strict: bool
    connection: str
    topic: str
    consumers: list[str]
    made_at: datetime | None = None
    version: int = 0
    versioned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a partner's contract."""

    version: int
    schema: Any
    example: Any
    at: datetime
    by: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class Change:
    """Something one person asked for, and what another one said; `verdict` None: nobody yet."""

    id: int
    kind: str
    subject: str
    before: Any
    after: Any
    why: str
    by: str
    at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    verdict: str | None
    note: str
    expired: bool


@dataclass(frozen=True, slots=True)
class Mapped:
    """What one of our keys is called at a target."""

    connection: str
    kind: str
    key: str
    value: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """Something announced for a day."""

    id: int
    on_day: date
    what: str
    contract: str
    says: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody did."""

    id: int
    at: datetime
    by: str
    what: str
    detail: dict[str, Any]


async def contracts(tx: Transaction) -> list[Held]:
    return [Held(*row) for row in await rows(tx, _SQL["contracts"])]


async def versions(tx: Transaction, contract: str) -> list[Version]:
    """The oldest first."""
    found = await rows(tx, _SQL["versions"], {"contract": contract})
    return [Version(row[0], _decoded(row[1]), _decoded(row[2]), *row[3:]) for row in found]


async def keep_contract(tx: Transaction, held: Held) -> None:
    names = ("name", "owner", "level", "strict", "connection", "topic", "consumers")
    await run(tx, _SQL["keep_contract"], {name: getattr(held, name) for name in names})


async def keep_version(tx: Transaction, contract: str, version: Version) -> None:
    told = {"version": version.version, "by": version.by, "approved_by": version.approved_by}
    encoded = {"schema": _encoded(version.schema), "example": _encoded(version.example)}
    await run(tx, _SQL["keep_version"], {"contract": contract, **told, **encoded})


async def watched(tx: Transaction) -> dict[tuple[str, str], Any]:
    """(connection, topic) -> the schema that its messages should have."""
    return {(row[0], row[1]): _decoded(row[2]) for row in await rows(tx, _SQL["watched"])}


async def ask_change(tx: Transaction, change: Change, hours: int) -> int:
    """The request's id; an open one on the same subject is replaced."""
    about = {"kind": change.kind, "subject": change.subject, "by": change.by}
    await run(tx, _SQL["replace_change"], about)
    told = {"before": _encoded(change.before), "after": _encoded(change.after), "why": change.why, "hours": hours}
    return (await rows(tx, _SQL["ask_change"], about | told))[0][0]


async def change(tx: Transaction, id_: int) -> Change | None:
    """Locked until commit."""
    found = await rows(tx, _SQL["change"], {"id": id_})
    return _change(found[0]) if found else None


async def open_changes(tx: Transaction, limit: int = 500) -> list[Change]:
    return [_change(row) for row in await rows(tx, _SQL["open_changes"], {"limit": limit})]


async def decided_changes(tx: Transaction, limit: int = 100) -> list[Change]:
    return [_change(row) for row in await rows(tx, _SQL["decided_changes"], {"limit": limit})]


async def decide_change(tx: Transaction, id_: int, by: str, verdict: str, note: str) -> None:
    await run(tx, _SQL["decide_change"], {"id": id_, "by": by, "verdict": verdict, "note": note})


async def mapped(tx: Transaction, connection: str, kind: str, key: str) -> Mapped | None:
    """Locked until commit."""
    about = {"connection": connection, "kind": kind, "key": key}
    found = await rows(tx, _SQL["mapped"], about)
    return Mapped(connection, kind, key, *found[0]) if found else None


async def mappings(tx: Transaction, connection: str, text: str, limit: int, offset: int = 0) -> list[Mapped]:
    """The latest first."""
    asked = {"connection": connection, "text": text, "limit": limit, "offset": offset}
    return [Mapped(*row) for row in await rows(tx, _SQL["mappings"], asked)]


async def policies(tx: Transaction, limit: int = 50) -> list[tuple[str, Any, datetime]]:
    """(digest, policy, live since), the latest first."""
    found = await rows(tx, _SQL["policies"], {"limit": limit})
    return [(digest, _decoded(policy), at) for digest, policy, at in found]


async def policy_known(tx: Transaction, digest: str) -> tuple[bool, bool, bool]:
    """(it ran before, any ran before, two people have allowed it)"""
    [(ran, any_, allowed)] = await rows(tx, _SQL["policy_known"], {"digest": digest})
    return ran, any_, allowed


async def keep_policy(tx: Transaction, digest: str, policy: bytes) -> None:
    await run(tx, _SQL["keep_policy"], {"digest": digest, "policy": policy.decode()})


async def plan(tx: Transaction, on_day: date, what: str, contract: str, says: str, by: str) -> int:
    asked = {"on_day": on_day, "what": what, "contract": contract, "says": says, "by": by}
    return (await rows(tx, _SQL["plan"], asked))[0][0]


async def call_off(tx: Transaction, id_: int, by: str) -> bool:
    """Whether it was planned."""
    return bool(await rows(tx, _SQL["call_off"], {"id": id_, "by": by}))


async def planned(tx: Transaction, since: date) -> list[Planned]:
    return [Planned(*row) for row in await rows(tx, _SQL["planned"], {"since": since})]


async def decisions(tx: Transaction, text: str, limit: int, before: int = 0) -> list[Decision]:
    """The latest first; `before`: only earlier ones than that id."""
    found = await rows(tx, _SQL["decisions"], {"text": text, "limit": limit, "before": before})
    return [Decision(row[0], row[1], row[2], row[3], _decoded(row[4])) for row in found]


def _change(row: Row) -> Change:
    return Change(row[0], row[1], row[2], _decoded(row[3]), _decoded(row[4]), *row[5:])


def _encoded(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
