"""Claiming 200 promises when a thousand, ten thousand, a hundred thousand or a million of them are due.

Each backlog is a database of its own on one server. All are filled and written out before anything is measured: while a
checkpoint goes on, the first change of each page puts all of it into the log, and the largest backlog was measured right after
its fill of gigabytes. They are claimed from in turn, claim by claim, so that whatever else the machine does befalls all of them.

Claims begin at random places of the queue, and are rolled back. The first at a place finds it as a lane does that works off a
backlog: what has left the memory is read, some 170 pages, most of them bodies, and 27 are written whole into the log. That is so
wherever the database is larger than its memory, however much waits. What is judged is the claim after it, at the same places:
what else is due must not be in its way. Processor time is PostgreSQL's; on a busy machine it and the pages say more than time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from statistics import median
from typing import TypeVar

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from bench.figures import show
from bench.stage import Stage, staged
from bench.watching import pages_read
from crossdock.store import delivery
from crossdock.store.database import Database, Transaction, rows
from crossdock.store.migrate import migrate

BACKLOGS = (1_000, 10_000, 100_000, 1_000_000)
RUNS = 5
_CLAIM, _LEASE_SECONDS = 200, 60.0
# What so many claims read stays in the memory of all four.
_PLACES, _AGAIN, _PLANS = 50, 2, 3
_PRIORITIES = 3
_TARGET = "<= 1.2"

T = TypeVar("T")
Front = Sequence[datetime]

# Three promises an order, of three priorities, all of them due at the ERP.
_FILL = """
with numbered as (
    select n, 'order:shop:' || (6000000000000 + n / 3) as entity,
           (array['sale', 'shipment_order', 'order_reference'])[1 + n %% 3] as name
    from generate_series(0, %(due)s - 1) n
), entities as (
    insert into entity (key, bucket, revision, settled, settled_at)
    select entity, (n / 3) %% 256, 1, 1, now() from numbered on conflict do nothing
), bodies as (
    insert into promise (id, entity, name, verb, target, noun, cause, cause_recorded_at, code, in_flight, revision,
                         opened_at, first_ordinal, document, needs, within, pins, repair, digest, body)
    select n, entity, name, 2, 'erp', 'sales_order', 'order:shop:' || n, now(), '\\x00', false, 1, now(), 1, name,
           '{}', '[]', '{}', false, '\\x00', convert_to(repeat('an order of five lines, ', 60), 'UTF8')
    from numbered
)
insert into due (promise, entity, target, priority, due_at, ordinal, deadline, document)
select n, entity, 'erp', 1 + n %% 3, now() - interval '1 hour' + n * interval '1 ms', 1, now() + interval '1 hour', name
from numbered
"""


@dataclass
class Costs:
    """What claims took, one figure a run."""

    ms: list[float] = field(default_factory=list[float])
    cpu_ms: list[float] = field(default_factory=list[float])


@dataclass
class Backlog:
    """A database with so many due, the one connection that claims from it, and what its claims took."""

    due: int
    sql: psycopg.Connection
    database: Database
    backend: psutil.Process
    since: datetime
    """When the first became due, the others a millisecond after each other."""
    first: Costs = field(default_factory=Costs)
    again: Costs = field(default_factory=Costs)
    pages: list[float] = field(default_factory=list[float])

    def place(self, luck: random.Random) -> Front:
        """The front of a lane that has come somewhere with a claim of the most urgent ahead of it."""
        return [self.since + timedelta(milliseconds=luck.uniform(0, self.due - _PRIORITIES * _CLAIM))] * 5

    def cpu_seconds(self) -> float:
        used = self.backend.cpu_times()
        return used.user + used.system


def measure() -> None:
    """The whole statement with its rows fetched; the processor time is that of its transaction."""
    with staged() as stage:
        urls = [_filled(stage, due) for due in BACKLOGS]
        stage.sql.execute("checkpoint")
        backlogs = asyncio.run(_claimed_from(urls))
    for each in backlogs:
        what = f"claim {_CLAIM} of {each.due:,} due"
        show("backlog", what, each.again.ms, "ms")
        show("backlog", f"{what}, PostgreSQL", each.again.cpu_ms, "CPU-ms")
        show("backlog", f"{what}, pages", each.pages, "pages")
        show("backlog", f"{what}, where nobody did before", each.first.ms, "ms")
        show("backlog", f"{what}, where nobody did before, PostgreSQL", each.first.cpu_ms, "CPU-ms")
    for less, more in pairwise(backlogs):
        what = f"from {less.due:,} to {more.due:,} due"
        show("backlog", f"{what}, a claim takes", _times(less.again.ms, more.again.ms), "times", target=_TARGET)
        cpu = _times(less.again.cpu_ms, more.again.cpu_ms)
        show("backlog", f"{what}, PostgreSQL uses", cpu, "times", target=_TARGET)
        show("backlog", f"{what}, it touches", _times(less.pages, more.pages), "times", target=_TARGET)
        cpu = _times(less.first.cpu_ms, more.first.cpu_ms)
        show("backlog", f"{what}, where nobody did before, PostgreSQL uses", cpu, "times")


def _times(less: Sequence[float], more: Sequence[float]) -> list[float]:
    return [b / a for a, b in zip(less, more, strict=True)]


def _filled(stage: Stage, due: int) -> str:
    name = f"due_{due}"
    stage.sql.execute(f"create database {name}")  # pyright: ignore[reportArgumentType,reportCallIssue]
    url = make_conninfo(stage.url, dbname=name)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as sql:
        sql.execute(_FILL, {"due": due})
        sql.execute("vacuum analyze entity, promise, due")
    return url


async def _claimed_from(urls: Sequence[str]) -> list[Backlog]:
    async with contextlib.AsyncExitStack() as stack:
        backlogs = [await _opened(stack, url) for url in urls]
        luck = random.Random(0)
        for each in backlogs:  # its plans are made from here on
            await _undone(each, partial(_claim, front=each.place(luck)))
        for _ in range(RUNS):
            await _run(backlogs, luck)
        return backlogs


async def _opened(stack: contextlib.AsyncExitStack, url: str) -> Backlog:
    sql = stack.enter_context(psycopg.connect(url, autocommit=True))
    database = await stack.enter_async_context(Database(url, connections_max=1, by_key=True))
    async with database.transaction() as tx:
        [[pid, due, since]] = await rows(tx, "select pg_backend_pid(), count(*), min(due_at) from due")
    return Backlog(due, sql, database, psutil.Process(pid), since)


async def _run(backlogs: Sequence[Backlog], luck: random.Random) -> None:
    for each in backlogs:
        each.sql.execute("vacuum due")
    places = [[each.place(luck) for _ in range(_PLACES)] for each in backlogs]
    await _claim_in_turn(backlogs, places, [each.first for each in backlogs])
    await _claim_in_turn(backlogs, [each * _AGAIN for each in places], [each.again for each in backlogs])
    for each, where in zip(backlogs, places, strict=True):
        each.pages.append(median([await _undone(each, partial(_pages, front=place)) for place in where[-_PLANS:]]))


async def _claim_in_turn(
    backlogs: Sequence[Backlog], places: Sequence[Sequence[Front]], costs: Sequence[Costs]
) -> None:
    before = [each.cpu_seconds() for each in backlogs]
    took: list[list[float]] = [[] for _ in backlogs]
    for turn in zip(*places, strict=True):
        for each, place, ms in zip(backlogs, turn, took, strict=True):
            ms.append(await _undone(each, partial(_claim, front=place)))
    for each, used, ms, cost in zip(backlogs, before, took, costs, strict=True):
        cost.ms.append(median(ms))
        cost.cpu_ms.append(1000 * (each.cpu_seconds() - used) / len(ms))


class _Undone(Exception):
    """Ends the transaction without a trace."""


async def _undone(backlog: Backlog, ask: Callable[[Transaction], Awaitable[T]]) -> T:
    found: list[T] = []
    with contextlib.suppress(_Undone):
        async with backlog.database.transaction() as tx:
            found.append(await ask(tx))
            raise _Undone
    return found[0]


async def _claim(tx: Transaction, front: Front) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    claimed = await delivery.claim(tx, "erp", _CLAIM, _LEASE_SECONDS, front=front)
    took = time.perf_counter() - began
    assert len(claimed) == _CLAIM
    return 1000 * took


async def _pages(tx: Transaction, front: Front) -> int:
    return await pages_read(tx, "erp", _CLAIM, front)
