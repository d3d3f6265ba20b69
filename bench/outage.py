"""An ERP that allows ten calls a second and is down while orders pour in: what waits, who goes first, and when it is done.

`ORDERS`, `SINGLE_ORDERS` and `DOWN_SECONDS` in the environment make it longer: 100000 and 1800 are half an hour's outage at a
peak, which ten calls of 50 a second drain in some four minutes. Nothing is simulated but the systems outside; by single calls so
many would take six hours, so that 1,500 stand for them unless more are asked for. `CALLS=bulk` (or `single`) plays those only.
The door has a process of its own: the loops of one process take turns, and in a rush it would wait for what is being settled.
Its p99 is told of every five seconds, and what is held against each other is the median of those with the ERP up and down: the
rush while it is down is longer, and whatever else a machine does in a second of it would count as the outage's. A rush of a few
seconds, as before single calls, is too short for that, and its p99 is told without a target.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bench import webhooks
from bench.figures import percentile, show
from bench.load import Came
from bench.returns import left_and_paid, order_of, returned
from bench.stage import Cast, Stage, Stuck, staged
from crossdock.govern.workflows import limits_of
from crossdock.promises.policy import Deadlines
from crossdock.store.database import Database
from crossdock.store.flow import flow
from crossdock.store.inbox import Message

ORDERS, DOWN_SECONDS = int(os.environ.get("ORDERS", "20000")), float(os.environ.get("DOWN_SECONDS", "45"))
SINGLE_ORDERS = int(os.environ.get("SINGLE_ORDERS", "1500"))
_PLAYED = os.environ.get("CALLS", "")
REFUNDS = 5
CALLS_PER_SECOND = 10
_RATE, _CONNECTIONS, _CALM_SECONDS, _SLICE_SECONDS = 800, 64, 25, 5
_WAIT_SECONDS = 1800.0 + max(ORDERS, SINGLE_ORDERS) / CALLS_PER_SECOND
_LOOKED_AT = (0.25, 0.5, 0.75)
"""Shares of the backlog that are done when its end is forecast."""
_SALES = "Order to ERP"
# `bench/door.py` allows as much at the same rate when nothing else happens.
_DOOR_MS, _DOOR_TIMES, _DOOR_SLICES_MIN = 30, 1.2, 3
# Of what waited when refunds were asked for; who waits for his turn finds nothing left.
_STILL_WAITING_PERCENT = 75


@dataclass
class Storm:
    """What came in before and while it was down."""

    before: Came
    meanwhile: Came
    unstored: int
    """Messages that were acknowledged meanwhile, and not in the inbox by then."""
    cases: list[tuple[str, str]]
    """Open when it came back: (kind, cause)."""


@dataclass
class Drained:
    """What came of it afterwards."""

    seconds: float
    """From the first call that was answered again to the last sale."""
    calls: int
    throttled: int
    forecasts: list[tuple[float, float]]
    """(seconds forecast, seconds it took) at each share."""
    refunded_after: list[float]
    """Seconds from each return's arrival to its refund, while the backlog was drained."""
    still_waiting: float
    """Of the sales that waited when the returns arrived, the share that did when the last of them was refunded."""


@dataclass(frozen=True)
class Figure:
    metric: str
    values: Sequence[float]
    unit: str
    target: str
    met: bool
    which: Sequence[object] = ()


def measure() -> None:
    if _PLAYED not in ("", "bulk", "single"):
        sys.exit(f"CALLS={_PLAYED} names no calls; it is bulk or single, and both where it isn't set")
    missed: list[str] = []
    for what, orders, pace in (
        ("bulk of 50", ORDERS, "bulk_max = 50"),
        ("single calls", SINGLE_ORDERS, "bulk_max = 1\nin_flight = 10"),
    ):
        if _PLAYED not in what:
            continue
        storm, drained = _played(orders, f"calls_per_second = {CALLS_PER_SECOND}\nburst = 2\n{pace}")
        notes = {"orders": orders, "down_seconds": DOWN_SECONDS, "calls": what}
        show("outage", "door p99 at 800/s, ERP up", _p99s_ms(storm.before), "ms", **notes)
        show("outage", "door p99 at 800/s, ERP down", _p99s_ms(storm.meanwhile), "ms", **notes)
        show("outage", "return to refund while draining", drained.refunded_after, "s", drain=drained.seconds, **notes)
        for each in figures_of(storm, drained):
            which = {"which": each.which} if each.which else {}
            show("outage", each.metric, each.values, each.unit, target=each.target, met=each.met, **which, **notes)
            missed += [] if each.met else [f"{each.metric} ({what})"]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


def _p99s_ms(came: Came) -> list[float]:
    """Of every few seconds; what is left over at the end belongs to the last of them."""
    waited, size = came.waited_seconds, _RATE * _SLICE_SECONDS
    begins = range(0, max(1, len(waited) - size + 1), size)
    return [1000 * percentile(waited[at : None if at == begins[-1] else at + size], 0.99) for at in begins]


def figures_of(storm: Storm, drained: Drained) -> list[Figure]:
    """What is asked of an outage, and whether it was so."""
    used = 100 * drained.calls / (CALLS_PER_SECOND * drained.seconds)
    off = [100 * (said / took - 1) for said, took in drained.forecasts]
    waiting = 100 * drained.still_waiting
    return [
        Figure("acknowledged, and not stored", [storm.unstored], "messages", "0", storm.unstored == 0),
        *_door(_p99s_ms(storm.before), _p99s_ms(storm.meanwhile)),
        Figure("open cases while down", [len(storm.cases)], "cases", "1", len(storm.cases) == 1, storm.cases),
        Figure("allowed calls used while draining", [used], "%", ">= 95", used >= 95),
        Figure("calls beyond what the ERP allows", [drained.throttled], "calls", "0", drained.throttled == 0),
        Figure("drain forecast, off by", off, "%", "within 20", max(map(abs, off)) <= 20),
        Figure(
            "still waiting of the backlog when the last refund was paid",
            [waiting],
            "%",
            f">= {_STILL_WAITING_PERCENT}",
            waiting >= _STILL_WAITING_PERCENT,
        ),
    ]


def _door(up: Sequence[float], down: Sequence[float]) -> Iterator[Figure]:
    most, is_ = max(_DOOR_MS, _DOOR_TIMES * median(up)), median(down)
    if len(down) >= _DOOR_SLICES_MIN:
        yield Figure("door p99 at 800/s, ERP down, median", [is_], "ms", f"<= {most:.0f}", is_ <= most)


def _played(orders: int, pace: str) -> tuple[Storm, Drained]:
    """Customers and a few shipped orders first; then calm, an outage with all the orders in it, and its end."""
    cast = Cast(standins=("till",), roles={"payments": "erp"}, erp_calls_per_second=CALLS_PER_SECOND, erp_pace=pace)
    with staged(cast) as stage:
        known = webhooks.CUSTOMERS if "= 50" in pace else 2 * REFUNDS
        stage.start_hubs(("door",), ("settle", "deliver"))
        _sell(stage, known)
        before = stage.send(stage.hubs[0], known, calm_count := _calm(orders), _CONNECTIONS, _RATE)
        first = known + calm_count
        _until_sold(stage, first)
        with _down(stage) as cases:
            stored = _stored(stage)
            meanwhile = stage.send(stage.hubs[0], first, orders, _CONNECTIONS, _RATE)
            unstored = webhooks.events(first, orders) - (_stored(stage) - stored)
        return Storm(before, meanwhile, unstored, cases), _drain(stage, first, orders)


def _stored(stage: Stage) -> int:
    """Told by another connection: what it sees is committed."""
    return stage.count("select count(*) from inbox_seen where connection = 'shop'")


def _calm(orders: int) -> int:
    return min(_RATE * _CALM_SECONDS, orders // 4)


def _sell(stage: Stage, count: int) -> None:
    """So many orders are sold; the first few of them have left, and are paid."""
    webhooks.store(stage.url, 0, count, lambda: None)
    _until_sold(stage, count)
    facts = (fact for n in range(REFUNDS) for fact in left_and_paid(webhooks.entity_of(n), order_of(n), "erp"))
    webhooks.store_messages(stage.url, facts, lambda: None)
    _until(stage, "invoices", REFUNDS)
    stage.settle_down()


@contextmanager
def _down(stage: Stage) -> Generator[list[tuple[str, str]]]:
    """The ERP is off the network for so long, or until all is sent; gives the cases that are open at the end of it."""
    began, cases = time.monotonic(), list[tuple[str, str]]()
    stage.erp.process.send_signal(signal.SIGUSR1)
    yield cases
    time.sleep(max(0.0, DOWN_SECONDS - (time.monotonic() - began)))
    cases += _cases(stage)
    stage.erp.process.send_signal(signal.SIGUSR2)


def _cases(stage: Stage) -> list[tuple[str, str]]:
    found = stage.sql.execute("select kind, cause from cases where closed_at is null order by 2").fetchall()
    return [(str(kind), str(cause)) for kind, cause in found]


def _drain(stage: Stage, first: int, orders: int) -> Drained:
    calls = _calls_before_it_is_called_again(stage)
    began, looked, told_at = time.time(), list[tuple[float, float]](), 0.0
    for share in _LOOKED_AT:
        _until_sold(stage, first + int(share * orders))
        looked.append((time.time(), asyncio.run(_forecast(stage.url))))
        if not told_at:
            told_at = time.time()
            webhooks.store_messages(stage.url, _returns(), lambda: None)
    _until_sold(stage, first + orders)
    ended, told = time.time(), stage.told(stage.erp)
    stage.settle_down(_WAIT_SECONDS)
    arrived = stage.arrivals(stage.erp)
    sold, refunded = ([at for key, at in arrived.items() if what in key] for what in ("/sale/", "/refund:"))
    if len(refunded) != REFUNDS or len(sold) != first + orders:
        raise Stuck(f"{len(refunded)} refunds, and {len(sold)} sales of {first + orders}")
    return Drained(
        seconds=ended - began,
        calls=told.calls - calls,
        throttled=stage.told(stage.erp).throttled,
        forecasts=[(said, ended - at) for at, said in looked],
        refunded_after=[at - told_at for at in refunded],
        still_waiting=sum(at > max(refunded) for at in sold) / sum(at > told_at for at in sold),
    )


def _calls_before_it_is_called_again(stage: Stage) -> int:
    while True:
        try:
            before = stage.told(stage.erp).calls
            break
        except OSError:
            time.sleep(0.02)
    while stage.told(stage.erp).calls == before:
        time.sleep(0.02)
    return before


async def _forecast(url: str) -> float:
    """Seconds until the sales are done, as the console says."""
    async with Database(url) as database, database.transaction() as tx:
        sales = (await flow(tx, limits_of(Deadlines())))[_SALES]
    return sales.drains_in or 0.0


def _returns() -> Iterator[Message]:
    return (returned(webhooks.entity_of(n), order_of(n)) for n in range(REFUNDS))


def _until_sold(stage: Stage, count: int) -> None:
    _until(stage, "sales", count)


def _until(stage: Stage, kind: str, count: int) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while stage.told(stage.erp).done.get(kind, 0) < count:
        if time.monotonic() > until:
            raise Stuck(f"the ERP has {stage.told(stage.erp).done} and not {count} {kind}")
        time.sleep(0.05)
