"""Stored inbox to the stand-ins' receipts, by two hub processes: how many orders a second, at how much processor time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import webhooks
from bench.figures import show
from bench.stage import Stage, staged

BULK_ORDERS, SINGLE_ORDERS = 9000, 4500
RUNS = 3
WORK = ("settle", "deliver")
_WAIT_SECONDS = 120.0
_DONE = ("sales", "shipment-orders", "references")


@dataclass
class Used:
    """Processor seconds used so far, and Unix seconds."""

    hub: float
    postgres: float
    standin: float
    others: float
    at: float


@dataclass
class Run:
    """One run: `count` orders from stored to done, and the processor seconds that took."""

    count: int
    seconds: float
    hub: float
    postgres: float
    standin: float
    others: float
    """What everything else on the machine used meanwhile."""

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def ms(self, cpu_seconds: float) -> float:
        return 1000 * cpu_seconds / self.count


def measure() -> None:
    """The figures of bulk calls, and of the same connector called for one thing at a time."""
    with staged() as stage:
        runs = _runs(stage, BULK_ORDERS, "")
    rates, others = [run.rate for run in runs], disturbance(runs)
    show("orders", "orders per second, bulk of 100", rates, "1/s", target=">= 1500", cores_used_by_others=others)
    show(
        "orders",
        "hub and PostgreSQL",
        [run.ms(run.hub + run.postgres) for run in runs],
        "CPU-ms/order",
        target="<= 1.5",
    )
    show("orders", "hub", [run.ms(run.hub) for run in runs], "CPU-ms/order")
    show("orders", "PostgreSQL", [run.ms(run.postgres) for run in runs], "CPU-ms/order")
    show("orders", "stand-in", [run.ms(run.standin) for run in runs], "CPU-ms/order")
    with staged() as stage:
        runs = _runs(stage, SINGLE_ORDERS, "bulk_max = 1\nin_flight = 50")
    rates, others = [run.rate for run in runs], disturbance(runs)
    show("orders", "orders per second, single calls", rates, "1/s", target=">= 800", cores_used_by_others=others)
    show("orders", "hub and PostgreSQL, single calls", [run.ms(run.hub + run.postgres) for run in runs], "CPU-ms/order")
    show("orders", "stand-in, single calls", [run.ms(run.standin) for run in runs], "CPU-ms/order")


def disturbance(runs: Sequence[Run]) -> list[float]:
    """How many cores other programs used during each run; a tenth spoils a rate, processor time less."""
    return [round(max(0.0, run.others / run.seconds), 2) for run in runs]


def _runs(stage: Stage, count: int, connection: str) -> list[Run]:
    warm(stage, connection)
    return [run(stage, webhooks.CUSTOMERS + n * count, count) for n in range(RUNS)]


def warm(stage: Stage, connection: str = "") -> None:
    """Two hub processes that have worked already, and every customer's account at the ERP."""
    stage.start_hubs(WORK, WORK, connection=connection)
    time.sleep(3)  # the two share the entities from their next beat on, after 2.5 s
    webhooks.store(stage.url, 0, webhooks.CUSTOMERS, lambda: None)
    stage.wait_for_done("references", webhooks.CUSTOMERS, _WAIT_SECONDS)
    stage.settle_down()


def run(stage: Stage, first: int, count: int) -> Run:
    """Store orders, and wait until all three things of each are at the stand-in and recorded.

    The clock starts when the whole inbox becomes visible: storing is the door's work, and measured there.
    """
    before = webhooks.store(stage.url, first, count, lambda: used(stage))
    for kind in _DONE:
        told = stage.wait_for_done(kind, first + count, _WAIT_SECONDS)
    stage.settle_down()
    return since(before, used(stage), count, told.last_at)


def since(before: Used, after: Used, count: int, last_at: float) -> Run:
    """The run between two moments; `last_at` is when the last thing of it arrived."""
    return Run(
        count,
        last_at - before.at,
        after.hub - before.hub,
        after.postgres - before.postgres,
        after.standin - before.standin,
        after.others - before.others,
    )


def used(stage: Stage) -> Used:
    hub = sum(each.cpu_seconds() for each in stage.hubs)
    return Used(hub, stage.postgres_cpu_seconds(), stage.told().cpu_seconds, stage.others_cpu_seconds(), time.time())
