"""OpenTelemetry itself; imported only where traces are turned on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, set_span_in_context

if TYPE_CHECKING:
    from crossdock.observe.spans import Place

_FLAGS = TraceFlags(TraceFlags.SAMPLED)
_KINDS = {kind.name.lower(): kind for kind in SpanKind}


class _Ids(RandomIdGenerator):
    """Random, unless the next span is to be a place that others know already."""

    wanted: Place | None = None

    def generate_trace_id(self) -> int:
        return self.wanted.trace if self.wanted else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.wanted.span if self.wanted else super().generate_span_id()

    def is_trace_id_random(self) -> bool:
        return self.wanted is None


class Exporting:
    """A tracer whose spans are sent in the background, in batches; a collector that is away holds nothing up."""

    def __init__(self, exporter: SpanExporter, about: Mapping[str, str | int], queue_max: int, batch_max: int) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(resource=Resource(dict(about)), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=queue_max, max_export_batch_size=batch_max)
        )
        self._tracer = self._provider.get_tracer("crossdock")

    def start(
        self,
        name: str,
        kind: str,
        parent: Place | None,
        own: Place | None,
        links: Sequence[Place],
        attributes: Mapping[str, str | int],
        began: int | None,
    ) -> Span:
        above = set_span_in_context(NonRecordingSpan(_context(parent) if parent else SpanContext(0, 0, False)))
        self._ids.wanted = own
        try:
            return self._tracer.start_span(
                name, above, _KINDS[kind], dict(attributes), [Link(_context(each)) for each in links], began
            )
        finally:
            self._ids.wanted = None

    def close(self) -> None:
        self._provider.shutdown()


def _context(place: Place) -> SpanContext:
    return SpanContext(place.trace, place.span, True, _FLAGS)


def by_http(url: str, headers: Mapping[str, str]) -> SpanExporter:
    """To an OTLP collector, such as `http://127.0.0.1:4318/v1/traces`."""
    return OTLPSpanExporter(endpoint=url, headers=dict(headers) or None)
