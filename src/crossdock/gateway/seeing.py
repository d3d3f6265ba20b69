"""What comes in, as metrics and traces have it: a webhook, or a request to the API."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from crossdock.observe import metrics, spans
from crossdock.observe.spans import Begun, place_in
from crossdock.store import traces
from crossdock.store.database import Transaction
from crossdock.store.inbox import Message
from crossdock.store.traces import message_name


class Arrival:
    """One webhook, timed from its last byte, and followed by its sender's trace or else by its own."""

    __slots__ = ("_began", "_clock", "_connection", "_span")

    def __init__(self, connection: str) -> None:
        self._connection, self._began, self._clock = connection, spans.now(), time.perf_counter()
        self._span: Begun | None = None

    def followed(self, message: Message, headers: Mapping[str, str]) -> Message:
        """The message, with the trace that what comes of it belongs to, where its sender began one."""
        if (tracing := spans.active()) is None:
            return message
        theirs = place_in(headers.get("traceparent", ""))
        own = None if theirs else tracing.place_of(message_name(message.connection, message.identity))
        about = {"crossdock.connection": message.connection, "crossdock.topic": message.topic}
        self._span = tracing.begin("webhook", "server", theirs, about, own=own, began=self._began)
        return replace(message, trace=self._span.place.header) if self._span and theirs else message

    def answered(self, answer: str) -> None:
        """What it was answered, in a word."""
        if (seen := metrics.active()) is not None:
            seen.webhooks.labels(self._connection, answer).inc()
            seen.webhook_seconds.observe(time.perf_counter() - self._clock)
        if self._span is not None:
            self._span.end({"crossdock.answer": answer}, "" if answer == "stored" else answer)


async def parents(tx: Transaction, entities: Collection[str]) -> Mapping[str, str]:
    """By entity, the W3C `traceparent` of the span above, where somebody else began its trace; nothing where nobody traces."""
    return await traces.parents(tx, entities) if entities and spans.active() is not None else {}


def notified(entity: str, above: Mapping[str, str]) -> Begun | None:
    """The span of one delivery to a subscriber, in the trace of what it is about; None where nobody traces."""
    if (tracing := spans.active()) is None:
        return None
    place = place_in(above.get(entity, "")) or tracing.place_of(entity)
    return tracing.begin("notify", "client", place, {"crossdock.correlation_id": entity})


def arrived(connection: str) -> Arrival | None:
    """None where nobody looks."""
    return Arrival(connection) if metrics.active() or spans.active() else None


class Request:
    """One request to the API; `operation` is what it turned out to ask."""

    __slots__ = ("_clock", "_span", "operation")

    def __init__(self) -> None:
        self.operation, self._clock = "unknown", time.perf_counter()
        self._span: Begun | None = None

    def followed(self, trace: str, theirs: str) -> str:
        """The `traceparent` of what comes of it: below `theirs`, if they sent one, else at the beginning of `trace`."""
        if (tracing := spans.active()) is not None:
            above = place_in(theirs)
            self._span = tracing.begin("request", "server", above, {}, own=None if above else place_in(trace))
        return self._span.place.header if self._span else trace

    def answered(self, status: int, entity: str = "") -> None:
        """`entity`: the correlation id, where it is known."""
        if (seen := metrics.active()) is not None:
            seen.requests.labels(self.operation, str(status)).inc()
            seen.request_seconds.labels(self.operation).observe(time.perf_counter() - self._clock)
        if self._span is not None:
            about = {"crossdock.operation": self.operation, "http.response.status_code": status}
            failed = "failed" if status >= 500 else ""
            self._span.end(about | ({"crossdock.correlation_id": entity} if entity else {}), failed)
