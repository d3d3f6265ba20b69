"""From a webhook's departure to the ERP stand-in's receipt of its sale, at a steady 800 orders a second."""

from __future__ import annotations

from bench import webhooks
from bench.figures import percentile, show
from bench.orders import warm
from bench.stage import Stage, staged

RUNS = 3
_RATE, _SECONDS, _CONNECTIONS = 800, 8, 64
_WARM_SECONDS = 2.0
_WAIT_SECONDS = 60.0


def measure() -> None:
    """Two hub processes: one takes in and settles, the other delivers.

    Shared out like this no two loops divide the same queue, so that batches are twice as large as when both do everything.
    """
    p50s: list[float] = []
    p99s: list[float] = []
    costs: list[float] = []
    others: list[float] = []
    with staged() as stage:
        warm(stage)
        stage.stop_hubs()
        stage.start_hubs(("door", "settle"), ("deliver",))
        for n in range(RUNS):
            before, others_before = stage.cpu_seconds(), stage.others_cpu_seconds()
            waited = _run(stage, webhooks.CUSTOMERS + n * _RATE * _SECONDS)
            costs.append(1000 * (stage.cpu_seconds() - before) / (_RATE * _SECONDS))
            others.append(round((stage.others_cpu_seconds() - others_before) / _SECONDS, 2))
            p50s.append(1000 * percentile(waited, 0.50))
            p99s.append(1000 * percentile(waited, 0.99))
    told = {"target": "<= 60", "cores_used_by_others": others}
    show("latency", "p50 received to ERP receipt at 800 orders/s", p50s, "ms", **told)
    show("latency", "p99 received to ERP receipt at 800 orders/s", p99s, "ms", target="<= 250")
    show("latency", "hub and PostgreSQL, door included", costs, "CPU-ms/order")


def _run(stage: Stage, first: int) -> list[float]:
    """Seconds each order took, those of the first two seconds left out: they find the caches cold."""
    count = _RATE * _SECONDS
    came = stage.send(stage.hubs[0], first, count, _CONNECTIONS, _RATE)
    stage.wait_for_done("sales", first + count, _WAIT_SECONDS)
    stage.settle_down()
    arrived = {key.partition("/sale/")[0]: at for key, at in stage.arrivals().items() if "/sale/" in key}
    warm_at = min(came.sent_at.values()) + _WARM_SECONDS
    return [arrived[webhooks.entity_of(n)] - sent for n, sent in came.sent_at.items() if sent >= warm_at]
