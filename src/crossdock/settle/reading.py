"""Stored rows turned into what the pure core reads: standings and books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from crossdock.canonical.lookup import Lookup
from crossdock.canonical.nouns import FACTS, decoder
from crossdock.kernel.moments import from_micros
from crossdock.promises.campaigns import Cover
from crossdock.promises.corrections import corrected
from crossdock.promises.difference import Book, Promised, Stage, Written
from crossdock.promises.standing import Evidence, Fact, Sealed, Standing, facts_of
from crossdock.store.accounts import movements
from crossdock.store.database import Row
from crossdock.store.documents import HINT
from crossdock.store.settling import OnRecord, Unsettled

Normalise = Mapping[tuple[str, str], Callable[[Any], Any]]
Shows = Mapping[str, frozenset[type[msgspec.Struct]]]


@dataclass(frozen=True, slots=True)
class Targets:
    """What the connectors declare that the core has to know."""

    normalise: Normalise = field(default_factory=dict[tuple[str, str], Callable[[Any], Any]])
    """(connection, noun's class) -> how it will hold a value."""
    shows: Shows = field(default_factory=dict[str, frozenset[type[msgspec.Struct]]])
    """By connection, the commands it has a verb for."""
    readable: frozenset[tuple[str, str]] = frozenset()
    """(connection, kind) that can be read by id."""


@dataclass(frozen=True, slots=True)
class Read:
    """One entity as the core sees it, and what was promised about it so far."""

    unsettled: Unsettled
    standing: Standing
    book: Book
    withheld: Mapping[str, datetime]
    """Acts that only newer code would owe, and when that was found."""
    covered: Mapping[str, Cover]
    awaited: frozenset[str]


@cache
def _fact_decoder(kind: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(Lookup if kind.startswith(HINT) else FACTS[kind])


def read(batch: Sequence[Unsettled], record: OnRecord, targets: Targets, as_of: datetime) -> list[Read]:
    """One `Read` per entity of the batch, in its order."""
    documents, promises = _by_entity(record.documents), _by_entity(record.promises)
    receipts, pins, withheld = _by_entity(record.receipts), _by_entity(record.pins), _by_entity(record.withheld)
    awaited = _by_entity(record.awaited)
    reads: list[Read] = []
    for unsettled in batch:
        entity = unsettled.entity
        evidence = [_evidence(row) for row in documents[entity]]
        promised = [_promised(row) for row in promises[entity]]
        shows = targets.shows.get(entity.split(":", 2)[1])
        standing = standing_of(
            entity, evidence, promised, receipts[entity], pins[entity], as_of, shows, targets.readable
        )
        book = book_of(promised, receipts[entity], evidence, targets.normalise)
        held_back = withheld[entity]
        reads.append(
            Read(
                unsettled,
                standing,
                book,
                {row[1]: row[2] for row in held_back},
                {row[1]: _cover(row) for row in held_back if row[3] is not None},
                frozenset(row[1] for row in awaited[entity]),
            )
        )
    return reads


def _by_entity(found: Iterable[Row]) -> defaultdict[str, list[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in found:
        grouped[row[0]].append(row)
    return grouped


def standing_of(
    entity: str,
    evidence: list[Evidence],
    promised: list[Promised],
    receipts: list[Row],
    pins: list[Row],
    as_of: datetime,
    shows: frozenset[type[msgspec.Struct]] | None = None,
    readable: frozenset[tuple[str, str]] = frozenset(),
) -> Standing:
    """One entity as the core sees it; `receipts` and `pins` are rows of `store/sql/settle.sql`, in their columns' order."""
    facts = corrected(facts_of(evidence))
    own = entity.split(":", 2)
    return Standing(
        entity=entity,
        facts=tuple(fact for fact in facts if not fact.kind.startswith(HINT)),
        as_of=as_of,
        gone=any(e.gone and [e.kind, e.connection, e.id] == own for e in evidence),
        sealed=sealed_of(promised, {row[1]: row for row in receipts}),
        pins={row[1]: row[2] for row in pins},
        hints=tuple(_hint(fact) for fact in facts if fact.kind.startswith(HINT)),
        source_shows=shows,
        readable=readable,
    )


def _evidence(row: Row) -> Evidence:
    _, connection, kind, id_, fact, epoch, token, observed, recorded_at, changed_at, gone, body = row
    noun = None if gone else _fact_decoder(kind).decode(body)
    return Evidence(connection, kind, id_, fact, (epoch, token, observed), recorded_at, changed_at, gone, noun)


def _hint(fact: Fact) -> Fact:
    """A hint's identity includes when it came, so that each new one is a new reason to fetch."""
    return Fact(
        f"{fact.id}:{fact.changed_at:%Y%m%dT%H%M%S.%f}",
        fact.kind,
        fact.connection,
        fact.recorded_at,
        fact.changed_at,
        fact.body,
    )


def _cover(row: Row) -> Cover:
    _, _, _, campaign, digest, count_max, expires_at, money_max = row
    caps = msgspec.json.decode(money_max, type=dict[str, int]) if money_max else {}
    return Cover(campaign, digest, count_max, expires_at, caps)


def _promised(row: Row) -> Promised:
    _, id_, name, target, noun, cause, body, stage, sealed, last_ordinal, valid_until, within, campaign, needs = row
    held = None if stage is None else Stage(stage)
    taken = tuple(movements(within))
    waits_for = {} if needs == "{}" else msgspec.json.decode(needs, type=dict[str, str])
    desired = decoder(noun).decode(body)
    return Promised(
        id_, name, target, cause, desired, held, sealed, last_ordinal, valid_until, taken, waits_for, campaign
    )


def sealed_of(promised: Iterable[Promised], receipts: Mapping[str, Row]) -> dict[str, Sealed]:
    """What was sent or may have been, by name, with the id and the value that the target answered; `receipts` by name."""
    return {p.name: _with_answer(p, receipts.get(p.name)) for p in promised if p.sealed and not p.movable}


def _with_answer(promised: Promised, receipt: Row | None) -> Sealed:
    if receipt is None:
        return Sealed(promised.name, promised.body, confirmed=False)
    _, _, noun, _, body, _, id_ = receipt
    held = None if body is None else decoder(noun).decode(body)
    return Sealed(promised.name, promised.body, confirmed=True, remote_id=id_, held=held)


def book_of(promised: list[Promised], receipts: list[Row], evidence: list[Evidence], normalise: Normalise) -> Book:
    """What is on record about one entity's promises; `receipts` as for `standing_of`."""
    if not receipts:
        return Book(promised, normalise=normalise)
    written: dict[str, Written] = {}
    observed: dict[str, Any] = {}
    targets = {p.name: p.target for p in promised}
    for _, name, noun, at, body, repairs, _ in receipts:
        if body is None:
            continue
        written[name] = Written(decoder(noun).decode(body), repairs)
        theirs = _target_says(evidence, targets.get(name, ""), noun, at)
        if theirs is not None:
            observed[name] = theirs
    return Book(promised, written, observed, normalise)


def _said_at(evidence: Evidence) -> datetime:
    """When the target said so: a read of ours shows at the latest what was there when it began."""
    observed = evidence.version[2]
    return from_micros(observed) if observed else evidence.changed_at


def _target_says(evidence: Iterable[Evidence], target: str, noun: str, written_at: datetime) -> Any:
    """What the target itself said it holds, if it said so after we last wrote."""
    said = [
        e for e in evidence if e.connection == target and e.kind == noun and not e.gone and _said_at(e) > written_at
    ]
    return max(said, key=lambda e: e.version).body if said else None
