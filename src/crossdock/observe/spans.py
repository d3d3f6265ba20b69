"""Spans: what each step did about one thing, as OpenTelemetry traces that join across processes. Off unless turned on.

An entity's trace follows from its key, and a message's from its name, so that every process finds the same one and nothing
has to be stored with each row. Only a trace that somebody else began is kept, beside them (`trace_context`).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from crossdock.observe.blotting import blotted

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_HEADER = re.compile("00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_LOW = 2**64 - 1
# A buffer for seconds of a busy hub: when the collector is away, spans are dropped and never waited for.
_QUEUE_MAX = 20_000
_BATCH_MAX = 2_000

Attributes = Mapping[str, str | int]


class Place(NamedTuple):
    """A span, as others refer to it."""

    trace: int
    span: int
    sampled: bool = True

    @property
    def header(self) -> str:
        """W3C `traceparent`."""
        return f"00-{self.trace:032x}-{self.span:016x}-{'01' if self.sampled else '00'}"


def place_in(header: str) -> Place | None:
    """What a W3C `traceparent` names; None when it is none."""
    found = _HEADER.fullmatch(header.strip())
    return Place(int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & 1)) if found else None


class Spans:
    """Where spans go. `share`: so much of all traces is kept, each whole or not at all, in every process alike."""

    def __init__(self, exporter: SpanExporter, share: float, about: Attributes) -> None:
        # Here and not above: half a second of imports that nobody waits for who has no use for traces.
        from crossdock.observe import exporting

        self._out = exporting.Exporting(exporter, about, _QUEUE_MAX, _BATCH_MAX)
        self._share = int(share * 2**64)

    def place_of(self, name: str) -> Place:
        """The beginning of an entity's or a message's own trace."""
        told = hashlib.blake2b(name.encode(), digest_size=24, person=b"crossdock trace").digest()
        trace = int.from_bytes(told[:16])
        return Place(trace or 1, int.from_bytes(told[16:]) or 1, (trace & _LOW) < self._share)

    def begin(
        self,
        name: str,
        kind: str,
        parent: Place | None,
        attributes: Attributes,
        *,
        own: Place | None = None,
        links: Iterable[Place] = (),
        began: int | None = None,
    ) -> Begun | None:
        """A span under way; None where its trace is not kept. `own`: where it is itself the beginning of that trace."""
        if not (parent or own or _SAMPLED).sampled:
            return None
        return Begun(self._out.start(name, kind, parent, own, tuple(links), _blotted(attributes), began))

    def tell(
        self, name: str, kind: str, parent: Place | None, attributes: Attributes, began: int, **more: object
    ) -> None:
        """A span that is over."""
        span = self.begin(name, kind, parent, attributes, began=began, **more)  # pyright: ignore[reportArgumentType]
        if span is not None:
            span.end()

    def flush(self) -> None:
        """Everything is sent, as far as it can be."""
        self._out.close()


_SAMPLED = Place(0, 0)


class Begun:
    """A span under way."""

    __slots__ = ("_span", "place")

    def __init__(self, span: Span) -> None:
        context = span.get_span_context()
        self._span, self.place = span, Place(context.trace_id, context.span_id)

    def end(self, attributes: Attributes | None = None, failed: str = "") -> None:
        """It is over now; `failed` says in a word what went wrong."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes(_blotted(attributes or {}))
        if failed:
            self._span.set_status(StatusCode.ERROR, failed)
        self._span.end()


def _blotted(attributes: Attributes) -> Attributes:
    return {name: blotted(value) if isinstance(value, str) else value for name, value in attributes.items()}


_active: list[Spans] = []


def active() -> Spans | None:
    """Where spans go; None where there is nothing to do, which is all it costs then."""
    return _active[0] if _active else None


def turn_on(spans: Spans) -> None:
    _active[:] = [spans]


def turn_off() -> None:
    """Send what there is, and trace no more."""
    for spans in _active:
        spans.flush()
    _active.clear()


def now() -> int:
    """Nanoseconds since 1970, as spans have them."""
    return time.time_ns()
