"""`crossdock trace`: where one order stands and how it got there, found by any name anybody knows it by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.cli.asking import ask
from crossdock.cli.money import known_names, money_block
from crossdock.cli.wording import NOBODY, Known, as_what, clock, day_and_clock, name_of, standing_of, whom
from crossdock.govern.settings import Settings
from crossdock.promises.difference import Stage
from crossdock.promises.standing import Standing
from crossdock.promises.undoing import undone_by
from crossdock.settle.looking import look
from crossdock.settle.rules import Rules, rules_seen
from crossdock.settle.statement import Statement, stated
from crossdock.store import tracing
from crossdock.store.database import Database, Transaction
from crossdock.store.inbox import Fate
from crossdock.store.tracing import Trace, TracedPromise

Event = tuple[datetime, str, str]
"""(when, what happened in a word, to what)"""
_NAME_CHARACTERS = 32


@dataclass(frozen=True)
class Traced:
    """The record of some entities, and by entity the money of the orders among them and what people call their things."""

    record: Trace
    money: Mapping[str, Statement]
    known: Mapping[str, Known]


def traced(name: str) -> Traced | None:
    """Everything on record under a name; None when nobody knows it."""
    return ask(lambda database, told: _trace(database, told, name))


async def _trace(database: Database, told: Settings, name: str) -> Traced | None:
    async with database.transaction() as tx:
        entities = await tracing.entities_named(tx, name, list(told.translators))
        return await told_of(tx, entities, told) if entities else None


async def told_of(tx: Transaction, entities: Sequence[str], settings: Settings) -> Traced:
    """Everything on record about these entities."""
    rules = await rules_seen(tx, settings)
    record, reads = await tracing.trace(tx, entities), await look(tx, entities, rules)
    standings = {read.unsettled.entity: read.standing for read in reads}
    return Traced(
        record,
        {entity: money for entity, each in standings.items() if (money := _money(each, rules)) is not None},
        {entity: known_names(standing) for entity, standing in standings.items()},
    )


async def builtins_of(tx: Transaction, entities: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """The same for machines."""
    return as_builtins(await told_of(tx, entities, settings))


def _money(standing: Standing, rules: Rules) -> Statement | None:
    """None for what is no order, and for one that these rules fail on, which has a case of its own."""
    try:
        return stated(standing, rules.policy, list(rules.owed(standing, rules.policy)))
    except Exception:  # noqa: BLE001  # what is on record about it is shown all the same
        return None


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


def events(told: Traced, entity: str) -> list[Event]:
    """The timeline of one entity, oldest first."""
    found, known = told.record, told.known.get(entity, NOBODY)
    happened = [*_received(found, entity), *_done(found, entity, known), *_failed(found, entity, known)]
    return sorted(happened, key=lambda event: event[0])


def _received(found: Trace, entity: str) -> Iterator[Event]:
    for about, at, connection, topic, fate, _ in found.messages:
        if about == entity:
            note = "" if fate == Fate.TRANSLATED else f" ({Fate(fate).name.lower()})"
            yield (at, "received", f"{topic} from {connection}{note}")


def _done(found: Trace, entity: str, known: Known) -> Iterator[Event]:
    for promise in found.promises:
        if promise.entity != entity:
            continue
        what = f"{name_of(promise.name, known)} at {promise.target}"
        yield (promise.opened_at, "promised", what)
        if promise.sealed_at is not None:
            yield (promise.sealed_at, "sealed", what)
        if promise.confirmed_at is not None:
            yield (promise.confirmed_at, "confirmed", what + as_what(promise))
        if promise.withdrawn_at is not None:
            yield (promise.withdrawn_at, "withdrawn", what)


def _failed(found: Trace, entity: str, known: Known) -> Iterator[Event]:
    for about, name, target, at, outcome, detail in found.attempts:
        if about == entity:
            yield (at, outcome, f"{name_of(name, known)} at {target}: {detail}")


def as_text(told: Traced) -> str:
    """One block per entity: its state, what is open and with whom, its money, what is expected, then the timeline."""
    now = datetime.now(UTC)
    return "\n\n".join("\n".join(_block(told, entity, now)) for entity in told.record.entities)


def _block(told: Traced, entity: str, now: datetime) -> Iterator[str]:
    found, known = told.record, told.known.get(entity, NOBODY)
    mine = [p for p in found.promises if p.entity == entity]
    kept = sum(p.confirmed_at is not None for p in mine)
    owed = [p for p in mine if p.confirmed_at is not None or p.stage is not None]
    yield f"{_title(found, entity)}    {state_of(found, entity, now)}    {kept} of {len(owed)} promises kept"
    width = max([_NAME_CHARACTERS, *(len(name_of(promise.name, known)) for promise in owed)])
    for promise in owed:
        yield "  " + _line(promise, known, width)
    if entity in told.money:
        yield from money_block(told.money[entity], owed, known)
    for about, _, on_whom, what, until in found.expectations:
        if about == entity:
            yield f"  expected, but absent so far: {what}, by {on_whom} until {day_and_clock(until)}"
    for about, case, title, remedy, detail, _, _ in found.cases:
        if about == entity:
            yield f"  case {case}: {title}: {detail}"
            yield f"    remedy: {remedy}"
    for about, name, value, at in found.pins:
        if about == entity:
            yield f"  fixed at {clock(at)}: {name} = {value}"
    yield "  timeline"
    for at, happened, what in events(told, entity):
        yield f"    {clock(at)}  {happened:<10} {what}"


def _title(found: Trace, entity: str) -> str:
    kind, connection, id_ = entity.split(":", 2)
    for about, source, noun, _, _, _, _, gone, body in found.facts:
        if about == entity and noun == kind and source == connection and not gone:
            number = _decoded(body).get("number", id_)
            return f"{kind.capitalize()} {number} of {connection}"
    return f"{kind.capitalize()} {id_} of {connection} (not seen yet)"


def _line(promise: TracedPromise, known: Known, width: int) -> str:
    text = f"{name_of(promise.name, known):<{width}} {promise.target:<10} {standing_of(promise, known)}"
    if promise.stage is None:
        return f"{text} at {clock(promise.confirmed_at)}"
    due = f", due {day_and_clock(promise.deadline)}" if promise.deadline else ""
    return f"{text}; next: {whom(promise, known)}{due}"


def as_builtins(told: Traced) -> list[dict[str, Any]]:
    """The same for machines; amounts in `money` are minor units of its currency."""
    found, now = told.record, datetime.now(UTC)
    return [
        {
            "entity": entity,
            "state": state_of(found, entity, now).lower(),
            "money": msgspec.to_builtins(told.money.get(entity)),
            "promises": [_promise(p) for p in found.promises if p.entity == entity],
            "expected": [
                {"name": r[1], "of": r[2], "what": r[3], "until": r[4]} for r in found.expectations if r[0] == entity
            ],
            "cases": [
                {"id": r[1], "title": r[2], "remedy": r[3], "detail": r[4]} for r in found.cases if r[0] == entity
            ],
            "pins": {r[1]: r[2] for r in found.pins if r[0] == entity},
            "facts": [_fact(r) for r in found.facts if r[0] == entity],
            "timeline": [{"at": at, "happened": did, "what": what} for at, did, what in events(told, entity)],
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
        "needs": [{"slot": slot, "met": slot in promise.met} for slot in promise.needs],
        "key": promise.key,
        "promised_at": promise.opened_at,
        "sealed_at": promise.sealed_at,
        "confirmed_at": promise.confirmed_at,
        "remote_id": promise.remote_id,
        "number": promise.number,
        "undone_by": undone_by(promise.noun),
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
