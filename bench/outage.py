"""An ERP that allows ten calls a second and is down while orders pour in: what waits, who goes first, and when it is done.

`ORDERS` and `DOWN_SECONDS` in the environment make it longer: 100000 and 1800 are half an hour's outage at a peak.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
SINGLE_ORDERS = 600
REFUNDS = 5
CALLS_PER_SECOND = 10
_RATE, _CONNECTIONS, _CALM_SECONDS = 800, 64, 5
_WAIT_SECONDS = 1800.0
_LOOKED_AT = (0.25, 0.5, 0.75)
"""Shares of the backlog that are done when its end is forecast."""
_SALES = "Order to ERP"


@dataclass
class Drained:
    """What came of one outage."""

    calm: Came
    storm: Came
    cases: list[tuple[str, str]]
    """Open while it was down: (kind, cause)."""
    seconds: float
    """From the first call that was answered again to the last sale."""
    calls: int
    forecasts: list[tuple[float, float]]
    """(seconds forecast, seconds it took) at each share."""
    refunded_after: list[float]
    """Seconds from each return's arrival to its refund, while the backlog was drained."""
    throttled: int


def measure() -> None:
    for what, orders, pace in (
        ("bulk of 50", ORDERS, "bulk_max = 50"),
        ("single calls", SINGLE_ORDERS, "bulk_max = 1\nin_flight = 10"),
    ):
        _show(what, orders, _drained(orders, f"calls_per_second = {CALLS_PER_SECOND}\nburst = 2\n{pace}"))


def _show(what: str, orders: int, drained: Drained) -> None:
    calm, storm = (1000 * percentile(each.waited_seconds, 0.99) for each in (drained.calm, drained.storm))
    notes = {"orders": orders, "down_seconds": DOWN_SECONDS, "calls": what}
    show("outage", "door p99 at 800/s, ERP up", [calm], "ms", **notes)
    show("outage", "door p99 at 800/s, ERP down", [storm], "ms", **notes)
    show("outage", "open cases while down", [len(drained.cases)], "cases", target="1", which=drained.cases, **notes)
    used = drained.calls / (CALLS_PER_SECOND * drained.seconds)
    show("outage", "allowed calls used while draining", [100 * used], "%", target=">= 95", **notes)
    show("outage", "calls beyond what the ERP allows", [drained.throttled], "calls", target="0", **notes)
    off = [100 * (said / took - 1) for said, took in drained.forecasts]
    show("outage", "drain forecast, off by", off, "%", target="within 20", **notes)
    show(
        "outage", "return to refund while draining, median", drained.refunded_after, "s", drain=drained.seconds, **notes
    )


def _drained(orders: int, pace: str) -> Drained:
    """Customers and a few shipped orders first; then calm, an outage with all the orders in it, and its end."""
    cast = Cast(standins=("till",), roles={"payments": "erp"}, erp_calls_per_second=CALLS_PER_SECOND, erp_pace=pace)
    with staged(cast) as stage:
        known = webhooks.CUSTOMERS if "= 50" in pace else 2 * REFUNDS
        stage.start_hubs(("door", "settle"), ("deliver",))
        _sell(stage, known)
        calm = stage.send(stage.hubs[0], known, calm_count := _calm(orders), _CONNECTIONS, _RATE)
        first = known + calm_count
        _until_sold(stage, first)
        with _down(stage) as cases:
            storm = stage.send(stage.hubs[0], first, orders, _CONNECTIONS, _RATE)
        return _drain(stage, first, orders, calm, storm, cases)


def _calm(orders: int) -> int:
    return min(_RATE * _CALM_SECONDS, orders)


def _sell(stage: Stage, count: int) -> None:
    """So many orders are sold; the first few of them have left, and are paid."""
    webhooks.store(stage.url, 0, count, lambda: None)
    _until_sold(stage, count)
    facts = (fact for n in range(REFUNDS) for fact in left_and_paid(webhooks.entity_of(n), order_of(n), "erp"))
    webhooks.store_messages(stage.url, facts, lambda: None)
    _until(stage, "invoices", REFUNDS)
    stage.settle_down()


@contextmanager
def _down(stage: Stage) -> Iterator[list[tuple[str, str]]]:
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


def _drain(stage: Stage, first: int, orders: int, calm: Came, storm: Came, cases: list[tuple[str, str]]) -> Drained:
    calls, throttled = _first_call(stage)
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
    refunds = [at - told_at for key, at in stage.arrivals(stage.erp).items() if "/refund:" in key]
    if len(refunds) != REFUNDS or stage.told(stage.erp).done["sales"] != first + orders:
        raise Stuck(f"{len(refunds)} refunds, and {stage.told(stage.erp).done}")
    forecasts = [(said, ended - at) for at, said in looked]
    return Drained(
        calm, storm, cases, ended - began, told.calls - calls, forecasts, refunds, told.throttled - throttled
    )


def _first_call(stage: Stage) -> tuple[int, int]:
    """Calls and refusals so far, as soon as it is called again."""
    while True:
        try:
            before = stage.told(stage.erp)
            break
        except OSError:
            time.sleep(0.02)
    while stage.told(stage.erp).calls == before.calls:
        time.sleep(0.02)
    return before.calls, before.throttled


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
