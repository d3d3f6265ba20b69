"""What people work at: cases found by filter, with their items and history, and decisions that nobody overwrites."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from crossdock.store.database import Row, Transaction, rows, run
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.statements import load

_SQL = load("desk")
_VALUED_MAX = 500
_STUCK_EACH = 8


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which open cases; empty means any. `quiet`: only snoozed ones (True), only others (False), or all (None)."""

    kind: str = ""
    system: str = ""
    whose: str = ""
    """A person; `-` for nobody's."""
    quiet: bool | None = False
    text: str = ""
    channels: tuple[str, ...] | None = None
    """The connections whose things are meant, those of a tenant for instance; None: all."""

    @property
    def parameters(self) -> dict[str, object]:
        told = msgspec.structs.asdict(self)
        return {**told, "channels": None if self.channels is None else list(self.channels)}


@dataclass(frozen=True, slots=True)
class Group:
    """A case: everything with one cause."""

    id: int
    cause: str
    kind: str
    system: str
    title: str
    remedy: str
    opened_at: datetime
    revision: int
    assignee: str | None
    quiet_until: int | None
    items: int
    first_at: datetime | None
    last_at: datetime | None
    recent: int
    """Items of the last hour."""
    example: str
    worth: dict[str, int]
    """Of its orders as last counted: minor units by currency."""
    closed_at: datetime | None = None
    closed_by: str | None = None

    @property
    def quiet(self) -> bool:
        return self.quiet_until is not None and self.quiet_until >= self.items


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a case is about; promise and what follows it only where it is about one."""

    entity: str
    promise: int
    at: datetime
    detail: str
    field: str | None
    name: str | None
    target: str | None
    noun: str | None
    stage: int | None
    attempts: int | None
    body: bytes | None


class Facet(NamedTuple):
    kind: str
    system: str
    assignee: str
    cases: int
    items: int


class Overtaken(Exception):
    """Somebody else has decided since; the text says who and what, and nothing was changed."""


async def facets(tx: Transaction, quiet: bool | None) -> list[Facet]:
    return [Facet(*row) for row in await rows(tx, _SQL["facets"], {"quiet": quiet})]


async def groups(tx: Transaction, wanted: Filter, limit: int, offset: int = 0) -> list[Group]:
    about = {**wanted.parameters, "limit": limit, "offset": offset}
    return [_group(row) for row in await rows(tx, _SQL["groups"], about)]


async def case_by_id(tx: Transaction, id_: int) -> Group | None:
    found = await rows(tx, _SQL["case_by_id"], {"id": id_})
    return _group(found[0]) if found else None


def _group(row: Row) -> Group:
    worth = msgspec.json.decode(row[15], type=dict[str, int])
    told: list[Any] = [*row[:15], worth, *row[16:]]
    return Group(*told)


async def items(tx: Transaction, case_id: int, limit: int, offset: int = 0) -> list[Item]:
    found = await rows(tx, _SQL["items"], {"id": case_id, "limit": limit, "offset": offset})
    return [Item(*row) for row in found]


async def bodies(tx: Transaction, entities: Collection[str]) -> dict[str, list[bytes]]:
    """By entity, what is said of it."""
    found: dict[str, list[bytes]] = {}
    for entity, body in await rows(tx, _SQL["bodies"], {"entity": sorted(entities)}):
        found.setdefault(entity, []).append(body)
    return found


async def attempts(tx: Transaction, promises: Sequence[int]) -> dict[int, list[Row]]:
    """promise -> (at, outcome, detail) of its latest calls."""
    found: dict[int, list[Row]] = {}
    for promise, *rest in await rows(tx, _SQL["attempts"], {"promise": list(promises)}):
        found.setdefault(promise, []).append(tuple(rest))
    return found


async def worth_of(tx: Transaction, entities: Sequence[str]) -> dict[str, int]:
    """What the orders among the first 500 of these entities come to: minor units by currency."""
    return dict(await rows(tx, _SQL["worth"], {"entity": sorted(set(entities))[:_VALUED_MAX]}))


async def numbers_of(tx: Transaction, entities: Sequence[str]) -> dict[str, str]:
    """What people call these orders."""
    return dict(await rows(tx, _SQL["numbers"], {"entity": list(set(entities))}))


async def history(tx: Transaction, case_id: int) -> list[Row]:
    """(at, by, what, detail as JSON)"""
    return await rows(tx, _SQL["history"], {"id": case_id})


async def earlier(tx: Transaction, cause: str) -> list[Row]:
    """(id, opened at, closed at, closed by)"""
    return await rows(tx, _SQL["earlier"], {"cause": cause})


async def trends(tx: Transaction, cases: Sequence[int]) -> dict[int, list[int]]:
    """By case how many items came in each two hours of the last day, the oldest first."""
    found = {case: [0] * 12 for case in cases}
    for case, nth, count in await rows(tx, _SQL["trend"], {"id": list(cases)}):
        found[case][nth] += count
    return found


async def similar(tx: Transaction, found: Group) -> list[Row]:
    """(id, title, closed at, closed by, decided at, by, what, detail as JSON or None) of cases much like it that are over."""
    about = {"kind": found.kind, "system": found.system, "cause": found.cause, "title": found.title}
    return await rows(tx, _SQL["similar"], about)


async def siblings(tx: Transaction, connection: str, kind: str, key: str) -> list[Row]:
    """(key, value, by, at) of mappings like the wanted one."""
    return await rows(tx, _SQL["siblings"], {"connection": connection, "kind": kind, "key": key})


async def blocked_on(tx: Transaction, key: str, limit: int) -> tuple[int, int, list[Row]]:
    """How many promises and entities wait for this, and some of them: (promise, entity, name, target)."""
    [(promises, entities)] = await rows(tx, _SQL["blocked_count"], {"key": key})
    return promises, entities, await rows(tx, _SQL["blocked"], {"key": key, "limit": limit})


async def message(tx: Transaction, connection: str, message_id: str) -> Row | None:
    """(id, received at, topic, reason, body) of a message, as long as it is kept."""
    found = await rows(tx, _SQL["message"], {"connection": connection, "message_id": message_id})
    return found[0] if found else None


async def hold_case(tx: Transaction, case_id: int, seen: int) -> None:
    """Nobody else decides about this case until commit; `Overtaken` when it isn't as the person saw it."""
    found = await rows(tx, _SQL["lock_case"], {"id": case_id})
    if not found:
        raise NotDecidable(f"there is no case {case_id}")
    revision, closed_at, closed_by, title = found[0]
    if closed_at is not None:
        raise Overtaken(f"“{title}” is closed already, by {closed_by}.")
    if revision != seen:
        word = await rows(tx, _SQL["last_word"], {"id": case_id})
        who = f"{word[0][0]} did “{word[0][1]}” meanwhile" if word else "it has changed meanwhile"
        raise Overtaken(f"{who}.")


async def assign(decider: Decider, case_id: int, assignee: str | None) -> None:
    was = await rows(decider.tx, _SQL["assign"], {"id": case_id, "assignee": assignee})
    before = was[0][0] if was else None
    await decider.record("assign", case=case_id, before=before or "nobody", to=assignee or "nobody")


async def snooze(decider: Decider, case_id: int, *, quiet: bool) -> None:
    """Out of sight until it has more items than now; it stays open."""
    await run(decider.tx, _SQL["snooze"], {"id": case_id, "quiet": quiet})
    await decider.record("snooze" if quiet else "wake", case=case_id)


async def stuck(tx: Transaction, part: str, limit: int, offset: int = 0) -> list[Row]:
    """(entity, since, deadline, promises, one's name, target, stage, case or None)"""
    about: dict[str, object] = {"part": part, "limit": limit, "offset": offset}
    # Ten thousand bodies are not read for a page of a hundred: mostly the first promises that are held up fill it.
    first_max = _STUCK_EACH * (limit + offset)
    first = [row[0] for row in await rows(tx, _SQL["stuck_first"], {"limit": first_max})]
    found = await rows(tx, _SQL["stuck_page"], about | {"promise": first})
    if len(found) == limit or len(first) < first_max:
        return found
    return await rows(tx, _SQL["stuck_page"], about | {"promise": None})


async def unbound(tx: Transaction, limit: int, offset: int = 0) -> list[Row]:
    """(connection, kind, id, what it says it is about, since)"""
    return await rows(tx, _SQL["unbound_page"], {"limit": limit, "offset": offset})


async def stamp(tx: Transaction, what: str, which: str) -> str:
    """A text that changes whenever something about this entity, case, job or the home page does."""
    about: dict[str, object] = {"entity": which} if what == "entity" else {"id": int(which)} if which else {}
    found = await rows(tx, _SQL[f"{what}_stamp"], about)
    return str(found[0][0]) if found else ""
