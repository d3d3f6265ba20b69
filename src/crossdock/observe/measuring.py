"""The metrics there are, in Prometheus' terms. Labels are names of the settings or lists of ours: never ids, never persons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from crossdock.observe.gauges import GAUGES, Sample

# Seconds. A webhook is answered in milliseconds, a slow ERP in tens of seconds, and an act is kept in minutes or days.
_DOOR_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_CALL_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ACT_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """What this process counts, and what it was told last of the whole hub."""

    def __init__(self, version: str, limits: Mapping[str, tuple[str, int]]) -> None:
        """`limits`: by what an act is called, its workflow and in how many minutes it should be confirmed."""
        self.limits = limits
        self._registry = registry = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"crossdock_{name}", says, labels, registry=registry)

        def histogram(name: str, says: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"crossdock_{name}_seconds", says, labels, buckets=buckets, registry=registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"crossdock_{name}", says, labels, registry=registry)

        self.webhooks = counter("webhooks", "Webhooks by what they were answered.", "connection", "answer")
        says = "From a webhook's last byte to its answer."
        self.webhook_seconds = histogram("webhook_duration", says, _DOOR_SECONDS)
        self.requests = counter("api_requests", "Requests to the API.", "operation", "status")
        says = "From a request's head to its answer."
        self.request_seconds = histogram("api_request_duration", says, _DOOR_SECONDS, "operation")
        self.messages = counter("messages_translated", "Messages by what became of them.", "connection", "fate")
        self.message_seconds = histogram("message_delay", "From receipt to translation.", _ACT_SECONDS)
        self.settled = counter("entities_settled", "Entities whose promises were worked out.")
        says = "Rounds of a loop that found something to do."
        self.rounds = histogram("round_duration", says, _DOOR_SECONDS, "loop")
        self.failures = counter("round_failures", "Rounds of a loop that ended in an error.", "loop")
        says = "Promises that were called for, by what became of it."
        self.calls = counter("calls", says, "connection", "noun", "outcome")
        says = "From sending a call to its answer; one call may be for many promises."
        self.call_seconds = histogram("call_duration", says, _CALL_SECONDS, "connection")
        self.acts = counter("acts_kept", "Acts that were confirmed, in time or late.", "workflow", "in_time")
        says = "From when an act's cause was known to its confirmation."
        self.act_seconds = histogram("act_duration", says, _ACT_SECONDS, "workflow")
        self.pool = gauge("database_connections", "This process's connections to the database.", "pool", "state")
        self.pool_waits = gauge("database_requests_waiting", "Who waits for such a connection.", "pool")
        self.buckets = gauge("buckets_held", "Shares of the entities that this process settles.")
        for workflow in {name for name, _ in limits.values()}:  # so that a ratio of nothing late is 0 and no gap
            for in_time in ("yes", "no"):
                self.acts.labels(workflow, in_time)
        Info("crossdock_build", "The version that runs.", registry=registry).info({"version": version})
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.told: Sequence[Sample] = ()
        registry.register(_Told(self))

    def count_act(self, name: str, seconds: float) -> None:
        """An act was confirmed so long after its cause was known."""
        workflow, minutes = self.limits.get(name.partition(":")[0], ("", 0))
        if workflow:
            self.acts.labels(workflow, "yes" if seconds <= minutes * 60 else "no").inc()
            self.act_seconds.labels(workflow).observe(seconds)

    def exposed(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Told:
    """What was read of the database last, as Prometheus has it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        return [_family(name) for name in GAUGES]

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        families = {name: _family(name) for name in GAUGES}
        for name, labels, value in self._metrics.told:
            families[name].add_metric(labels, value)
        return families.values()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    says, labels = GAUGES[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(name, says, labels=labels)
