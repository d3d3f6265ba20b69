"""What is translated and settled, as metrics and traces have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import structlog

from crossdock.kernel.moments import to_micros
from crossdock.observe import metrics, spans
from crossdock.observe.spans import Place, Spans, place_in
from crossdock.store import traces
from crossdock.store.database import Row, Transaction
from crossdock.store.inbox import Fate, Outcome, Pending
from crossdock.store.settling import Unsettled
from crossdock.store.traces import message_name

log = structlog.get_logger("crossdock")

Parents = Mapping[str, str]
"""By the name of an entity or message, the W3C `traceparent` of the span above it, where somebody else began the trace."""


async def parents(tx: Transaction, names: Sequence[str]) -> Parents:
    """Nothing, and nothing is asked, where nobody traces."""
    return await traces.parents(tx, names) if names and spans.active() is not None else {}


async def followed(tx: Transaction, outcomes: Sequence[Outcome], evidence: Sequence[Row]) -> Parents:
    """What messages speak of for the first time is followed by their senders' traces from now on."""
    if spans.active() is None:
        return {}
    names = {each.message.id: _name(each.message) for each in outcomes}
    known = await traces.parents(tx, [*names.values(), *(entity for entity, _, _ in evidence)])
    anew = {entity: known[names[id_]] for entity, id_, _ in evidence if names[id_] in known and entity not in known}
    return known | await traces.remember(tx, anew)


def translated(outcomes: Sequence[Outcome], evidence: Sequence[Row], above: Parents, now: datetime) -> None:
    """A batch of messages was translated and committed."""
    for each in outcomes:
        if each.fate == Fate.QUARANTINED:
            message = each.message
            log.warning("message quarantined", connection=message.connection, topic=message.topic, message=message.id)
    if (seen := metrics.active()) is not None:
        fates = Counter((each.message.connection, each.fate.name.lower()) for each in outcomes)
        for labels, count in fates.items():
            seen.messages.labels(*labels).inc(count)
        for each in outcomes:
            seen.message_seconds.observe(max(0.0, (now - each.message.received_at).total_seconds()))
    if (tracing := spans.active()) is not None:
        for outcome, entity in _spoken_of(outcomes, evidence):
            _tell_received(tracing, outcome, entity, above)


def _spoken_of(outcomes: Sequence[Outcome], evidence: Sequence[Row]) -> Iterator[tuple[Outcome, str]]:
    """Messages with what they speak of: nothing, one entity, or some."""
    about: dict[int, list[str]] = {}
    for entity, id_, _ in evidence:
        about.setdefault(id_, []).append(entity)
    yield from ((each, entity) for each in outcomes for entity in about.get(each.message.id, [""]))


def _tell_received(tracing: Spans, outcome: Outcome, entity: str, above: Parents) -> None:
    message, name = outcome.message, _name(outcome.message)
    theirs = place_in(above.get(name, ""))
    sent = theirs or tracing.place_of(name)
    about = {
        "crossdock.connection": message.connection,
        "crossdock.topic": message.topic,
        "crossdock.fate": outcome.fate.name.lower(),
        **({"crossdock.correlation_id": entity} if entity else {}),
    }
    place = place_of(tracing, entity, above) if entity else sent
    began = to_micros(message.received_at) * 1000
    # Of what has a trace of its own a sender's holds the receipt, and from there leads to it.
    parent, link = (theirs, place) if theirs and theirs.trace != place.trace else (place, sent)
    tracing.tell("receive", "consumer", parent, about, began, links=(link,))


def place_of(tracing: Spans, entity: str, above: Parents) -> Place:
    """Where an entity's spans belong: below the one its sender began, or in a trace of its own."""
    return place_in(above.get(entity, "")) or tracing.place_of(entity)


def settled(batch: Sequence[Unsettled], opened: Mapping[str, int], above: Parents, began: int) -> None:
    """A batch of entities was settled and committed; `opened` promises of each, begun at so many nanoseconds."""
    if (seen := metrics.active()) is not None:
        seen.settled.inc(len(batch))
    if (tracing := spans.active()) is None:
        return
    for each in batch:
        entity = each.entity
        about = {"crossdock.correlation_id": entity, "crossdock.opened": opened.get(entity, 0)}
        if each.settled_at is None and entity not in above:
            kind = entity.partition(":")[0]
            tracing.tell(kind, "internal", None, about, began, own=tracing.place_of(entity))
        tracing.tell("settle", "internal", place_of(tracing, entity, above), about, began)


def _name(message: Pending) -> str:
    return message_name(message.connection, message.message_id)
