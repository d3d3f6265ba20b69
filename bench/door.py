"""Signed webhooks, each durable before it is answered, by one process that does nothing else."""

from __future__ import annotations

from bench.figures import percentile, show
from bench.stage import Stage, staged

RUNS = 3
_FULL_ORDERS, _FULL_CONNECTIONS = 12_000, 128
_STEADY_ORDERS, _STEADY_CONNECTIONS, _STEADY_RATE = 4800, 64, 800


def measure() -> None:
    """As many as it takes, then at a steady 800 a second: how long each sender waits."""
    rates: list[float] = []
    costs: list[float] = []
    loads: list[float] = []
    p50s: list[float] = []
    p99s: list[float] = []
    others: list[float] = []
    with staged() as stage:
        [door] = stage.start_hubs(("door",))
        stage.send(door, 0, _FULL_ORDERS // 4, _FULL_CONNECTIONS)
        for n in range(1, RUNS + 1):
            before = stage.cpu_seconds()
            came = stage.send(door, n * _FULL_ORDERS, _FULL_ORDERS, _FULL_CONNECTIONS)
            sent = len(came.waited_seconds)
            rates.append(sent / came.seconds)
            costs.append(1000 * (stage.cpu_seconds() - before) / sent)
            loads.append(1000 * came.cpu_seconds / sent)
        for n in range(RUNS):
            before = stage.others_cpu_seconds()
            waited = _steady(stage, (RUNS + 1) * _FULL_ORDERS + n * _STEADY_ORDERS)
            others.append(round(max(0.0, stage.others_cpu_seconds() - before) / (_STEADY_ORDERS / _STEADY_RATE), 2))
            p50s.append(1000 * percentile(waited, 0.50))
            p99s.append(1000 * percentile(waited, 0.99))
    show("door", "signed webhooks stored per second, one process", rates, "1/s", target=">= 3000")
    show("door", "door and PostgreSQL", costs, "CPU-ms/webhook")
    show("door", "load generator", loads, "CPU-ms/webhook")
    show("door", "p50 at 800/s, open loop", p50s, "ms")
    show("door", "p99 at 800/s, open loop", p99s, "ms", target="<= 30", cores_used_by_others=others)


def _steady(stage: Stage, first: int) -> list[float]:
    return stage.send(stage.hubs[0], first, _STEADY_ORDERS, _STEADY_CONNECTIONS, _STEADY_RATE).waited_seconds
