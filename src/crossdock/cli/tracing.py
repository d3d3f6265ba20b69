"""`crossdock trace`: where one order stands and how it got there, found by any name anybody knows it by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.cli.asking import ask
from crossdock.cli.wording import as_what, clock, day_and_clock, name_of, standing_of, whom
from crossdock.govern.settings import Settings
from crossdock.promises.difference import Stage
from crossdock.store import tracing
from crossdock.store.database import Database
from crossdock.store.inbox import Fate
from crossdock.store.tracing import Trace, TracedPromise

Event = tuple[datetime, str, str]
"""(when, what happened in a word, to what)"""


def traced(name: str) -> Trace | None:
    """Everything on record under a name; None when nobody knows it."""
    return ask(lambda database, told: _trace(database, told, name))


async def _trace(database: Database, told: Settings, name: str) -> Trace | None:
    async with database.transaction() as tx:
        entities = await tracing.entities_named(tx, name, list(told.translators))
        return await tracing.trace(tx, entities) if entities else None


def state_of(found: Trace, entity: str, now: datetime) -> str:
    """The one state the entity is in: the worst that applies."""
    mine = [p for p in found.promises if p.entity == entity and p.stage is not None]
    waits = [row for row in found.expectations if row[0] == entity]
    deadlines = [p.deadline for p in mine if p.deadline] + [row[4] for row in waits]
    if any(row[0] == entity for row in found.cases):
        return "CASE"
    if deadlines and min(deadlines) < now:
        return "OVERDUE"
    if any(p.stage in (Stage.READY, Stage.CALLING) and p.actor != 5 for p in mine):
        return "IN FLIGHT"
    return "WAITING" if mine or waits else "CONVERGED"


def events(found: Trace, entity: str) -> list[Event]:
    """The timeline of one entity, oldest first."""
    return sorted([*_received(found, entity), *_done(found, entity), *_failed(found, entity)], key=lambda e: e[0])


def _received(found: Trace, entity: str) -> Iterator[Event]:
    for about, at, connection, topic, fate, _ in found.messages:
        if about == entity:
            note = "" if fate == Fate.TRANSLATED else f" ({Fate(fate).name.lower()})"
            yield (at, "received", f"{topic} from {connection}{note}")


def _done(found: Trace, entity: str) -> Iterator[Event]:
    for promise in found.promises:
        if promise.entity != entity:
            continue
        what = f"{name_of(promise.name)} at {promise.target}"
        yield (promise.opened_at, "promised", what)
        if promise.sealed_at is not None:
            yield (promise.sealed_at, "sealed", what)
        if promise.confirmed_at is not None:
            yield (promise.confirmed_at, "confirmed", what + as_what(promise))
        if promise.withdrawn_at is not None:
            yield (promise.withdrawn_at, "withdrawn", what)


def _failed(found: Trace, entity: str) -> Iterator[Event]:
    for about, name, target, at, outcome, detail in found.attempts:
        if about == entity:
            yield (at, outcome, f"{name_of(name)} at {target}: {detail}")


def as_text(found: Trace) -> str:
    """One block per entity: its state, what is open and with whom, what is expected, then the timeline."""
    now = datetime.now(UTC)
    return "\n\n".join("\n".join(_block(found, entity, now)) for entity in found.entities)


def _block(found: Trace, entity: str, now: datetime) -> Iterator[str]:
    mine = [p for p in found.promises if p.entity == entity]
    kept = sum(p.confirmed_at is not None for p in mine)
    owed = [p for p in mine if p.confirmed_at is not None or p.stage is not None]
    yield f"{_title(found, entity)}    {state_of(found, entity, now)}    {kept} of {len(owed)} promises kept"
    for promise in owed:
        yield "  " + _line(promise)
    for about, _, on_whom, what, until in found.expectations:
        if about == entity:
            yield f"  expected, but absent so far: {what}, by {on_whom} until {day_and_clock(until)}"
    for about, case, title, remedy, detail, _ in found.cases:
        if about == entity:
            yield f"  case {case}: {title}: {detail}"
            yield f"    remedy: {remedy}"
    for about, name, value, at in found.pins:
        if about == entity:
            yield f"  fixed at {clock(at)}: {name} = {value}"
    yield "  timeline"
    for at, happened, what in events(found, entity):
        yield f"    {clock(at)}  {happened:<10} {what}"


def _title(found: Trace, entity: str) -> str:
    kind, connection, id_ = entity.split(":", 2)
    for about, source, noun, _, _, _, _, gone, body in found.facts:
        if about == entity and noun == kind and source == connection and not gone:
            number = _decoded(body).get("number", id_)
            return f"{kind.capitalize()} {number} of {connection}"
    return f"{kind.capitalize()} {id_} of {connection} (not seen yet)"


def _line(promise: TracedPromise) -> str:
    text = f"{name_of(promise.name):<32} {promise.target:<10} {standing_of(promise)}"
    if promise.stage is None:
        return f"{text} at {clock(promise.confirmed_at)}"
    due = f", due {day_and_clock(promise.deadline)}" if promise.deadline else ""
    return f"{text}; next: {whom(promise)}{due}"


def as_builtins(found: Trace) -> list[dict[str, Any]]:
    """The same for machines."""
    now = datetime.now(UTC)
    return [
        {
            "entity": entity,
            "state": state_of(found, entity, now).lower(),
            "promises": [_promise(p) for p in found.promises if p.entity == entity],
            "expected": [
                {"name": r[1], "of": r[2], "what": r[3], "until": r[4]} for r in found.expectations if r[0] == entity
            ],
            "cases": [
                {"id": r[1], "title": r[2], "remedy": r[3], "detail": r[4]} for r in found.cases if r[0] == entity
            ],
            "pins": {r[1]: r[2] for r in found.pins if r[0] == entity},
            "facts": [_fact(r) for r in found.facts if r[0] == entity],
            "timeline": [{"at": at, "happened": did, "what": what} for at, did, what in events(found, entity)],
        }
        for entity in found.entities
    ]


def _promise(promise: TracedPromise) -> dict[str, Any]:
    return {
        "id": promise.id,
        "name": promise.name,
        "target": promise.target,
        "standing": standing_of(promise),
        "next_actor": whom(promise) or None,
        "deadline": promise.deadline,
        "attempts": promise.attempts,
        "cause": promise.cause,
        "key": promise.key,
        "promised_at": promise.opened_at,
        "sealed_at": promise.sealed_at,
        "confirmed_at": promise.confirmed_at,
        "remote_id": promise.remote_id,
        "number": promise.number,
    }


def _fact(row: tuple[Any, ...]) -> dict[str, Any]:
    _, connection, kind, id_, fact, recorded_at, changed_at, gone, body = row
    return {
        "fact": fact,
        "kind": kind,
        "from": connection,
        "id": id_,
        "recorded_at": recorded_at,
        "changed_at": changed_at,
        "gone": gone,
        "body": _decoded(body),
    }


def _decoded(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body) if body else {}
