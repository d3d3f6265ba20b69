"""What is called and what came of it, as logs, metrics and traces have it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import structlog

from crossdock.connect.documents import Reading
from crossdock.connect.link import Link
from crossdock.connect.receipts import Accepted, Confirmed, Partial
from crossdock.deliver.sealing import Ready
from crossdock.kernel.faults import Fault, NotSent
from crossdock.observe import metrics, spans
from crossdock.observe.spans import Begun, Place, Spans, place_in
from crossdock.promises.obligations import Verb
from crossdock.store import flow, traces
from crossdock.store.database import Transaction
from crossdock.store.delivery import Claimed

log = structlog.get_logger("crossdock")
A = TypeVar("A")

Parents = Mapping[str, str]
"""By entity, the W3C `traceparent` of the span above, where somebody else began its trace."""
NOBODYS: Parents = {}


async def parents(tx: Transaction, claimed: Sequence[Claimed]) -> Parents:
    """Nothing, and nothing is asked, where nobody traces."""
    if spans.active() is None or not claimed:
        return {}
    return await traces.parents(tx, {each.entity for each in claimed})


async def called(
    what: str,
    connection: str,
    part: Sequence[Ready],
    link: Link[object],
    above: Parents,
    calling: Awaitable[Mapping[int, A]],
) -> Mapping[int, A]:
    """One call, for one promise or for many: timed, counted, and told in each one's trace, which it takes along."""
    seen, tracing = metrics.active(), spans.active()
    if seen is None and tracing is None:
        answers = await calling
        _log_faults(part, connection, answers)
        return answers
    began, clock = spans.now(), time.perf_counter()
    span = _begun(tracing, what, connection, part, above) if tracing else None
    link.http.trace = span.place.header if span else ""
    answers = await calling
    words = {each.claimed.promise: _word(answers.get(each.claimed.promise)) for each in part}
    if seen is not None:
        seen.call_seconds.labels(connection).observe(time.perf_counter() - clock)
        for each in part:
            seen.calls.labels(connection, each.claimed.noun, words[each.claimed.promise]).inc()
    if tracing is not None:
        _tell(tracing, what, connection, part, above, words, began, span)
    _log_faults(part, connection, answers)
    return answers


def _begun(tracing: Spans, what: str, connection: str, part: Sequence[Ready], above: Parents) -> Begun | None:
    """The span that travels: that of the one promise, or one that is linked to the traces of many."""
    about = {"crossdock.connection": connection, "crossdock.noun": part[0].claimed.noun}
    if len(part) == 1:
        place = _place(tracing, part[0], above)
        return tracing.begin(what, "client", place, about | _of(part[0]))
    links = [_place(tracing, each, above) for each in part]
    return tracing.begin(f"{what} many", "client", None, about | {"crossdock.count": len(part)}, links=links)


def _tell(
    tracing: Spans,
    what: str,
    connection: str,
    part: Sequence[Ready],
    above: Parents,
    words: Mapping[int, str],
    began: int,
    span: Begun | None,
) -> None:
    if len(part) == 1:
        if span is not None:
            word = words[part[0].claimed.promise]
            span.end({"crossdock.outcome": word}, _failed(word))
        return
    if span is not None:
        span.end()
    for each in part:
        word = words[each.claimed.promise]
        about = {"crossdock.connection": connection, "crossdock.noun": each.claimed.noun, "crossdock.outcome": word}
        one = tracing.begin(
            what,
            "client",
            _place(tracing, each, above),
            about | _of(each),
            links=(span.place,) if span else (),
            began=began,
        )
        if one is not None:
            one.end(failed=_failed(word))


def _of(each: Ready) -> dict[str, str | int]:
    claimed = each.claimed
    about = {"crossdock.correlation_id": claimed.entity, "crossdock.promise": claimed.name}
    return about | {"crossdock.attempts": claimed.attempts, "crossdock.ordinal": claimed.ordinal}


def _place(tracing: Spans, each: Ready, above: Parents) -> Place:
    entity = each.claimed.entity
    return place_in(above.get(entity, "")) or tracing.place_of(entity)


_FINE = ("confirmed", "accepted", "read", "absent")


def _failed(word: str) -> str:
    return "" if word in _FINE else word


def _word(answer: object) -> str:
    """What came of it, one of a short list."""
    match answer:
        case Confirmed():
            return "confirmed"
        case Accepted():
            return "accepted"
        case Partial():
            return "partial"
        case Reading():
            return "read"
        case NotSent():
            return "not_sent"
        case Fault():
            return type(answer).__name__.lower()
        case _:
            return "absent"


def _log_faults(part: Sequence[Ready], connection: str, answers: Mapping[int, object]) -> None:
    for each in part:
        claimed, answer = each.claimed, answers.get(each.claimed.promise)
        if isinstance(answer, Fault):
            log.info(
                "call failed",
                correlation_id=claimed.entity,
                connection=connection,
                noun=claimed.noun,
                promise=claimed.promise,
                outcome=_word(answer),
                attempts=claimed.attempts,
            )


async def kept(tx: Transaction, confirmed: Sequence[Claimed]) -> Sequence[tuple[str, float]]:
    """By name, in how many seconds from their cause these acts were confirmed just now."""
    acts = [each.promise for each in confirmed if each.verb == Verb.ACT]
    return await flow.seconds(tx, acts) if acts and metrics.active() is not None else ()


def count_kept(acts: Sequence[tuple[str, float]]) -> None:
    """Once what confirms them is committed."""
    if (seen := metrics.active()) is not None:
        for name, seconds in acts:
            seen.count_act(name, seconds)
