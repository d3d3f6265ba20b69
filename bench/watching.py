"""What PostgreSQL and the operating system say of a hub that works, and what a claim of its next work would cost now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from bench import webhooks
from bench.stage import Stage
from crossdock.store import delivery, settling
from crossdock.store.database import Database, Transaction, rows, run
from crossdock.store.statements import load

QUEUES = ("inbox_pending", "dirty", "due")
_TARGET = "erp"
_LANES = ("erp", "shop", "warehouse")
_LEASE_SECONDS = 60.0
_PINNED_SAMPLES_MIN = 4
_WORK = """
select (select count(*) from inbox_pending) + (select count(*) from dirty) + (select count(*) from due where stage <> 5),
       (select count(*) from cases where closed_at is null)
"""
_LOOKS = "select idx_scan, idx_tup_read from pg_stat_user_indexes where indexrelname = 'due_claim'"
_OWN_LOOKS = (
    "select pg_stat_get_xact_numscans('due_claim'::regclass), pg_stat_get_xact_tuples_returned('due_claim'::regclass)"
)
# At once and not within a second: what is counted as ours is taken off what all have read.
_SAID_AT_ONCE = "select pg_stat_force_next_flush()"
_TABLES = "select relname, n_dead_tup, pg_total_relation_size(relid) from pg_stat_user_tables where relname = any(%s)"


@dataclass(frozen=True)
class Work:
    """Messages, entities and promises that wait for the hub, and open cases."""

    under_way: int
    cases: int


@dataclass(frozen=True)
class Looks:
    """How often the index of what is due was looked at so far, and how many of its entries were read."""

    scans: int = 0
    entries: int = 0

    def __add__(self, other: Looks) -> Looks:
        return Looks(self.scans + other.scans, self.entries + other.entries)

    def __sub__(self, other: Looks) -> Looks:
        return Looks(self.scans - other.scans, self.entries - other.entries)


@dataclass(frozen=True)
class Claim:
    """What a claim of one promise costs."""

    ms: float
    pages: int
    front_seconds: float
    """How long ago the oldest of what is open in that lane became due: what came after it is walked through."""


@dataclass(frozen=True)
class Sample:
    """One moment, so many seconds after the begin."""

    at: float
    pinned: bool
    work: Work
    looks: Looks
    """The hub's, without ours."""
    walk_entries: int
    """What looking up the front of each lane reads."""
    claim: Claim
    sold: int
    """Orders so far."""
    log_bytes: int
    dead: Mapping[str, int]
    queue_bytes: int
    memory: Sequence[float]
    """Megabytes of each hub process."""


class _Undone(Exception):
    """Ends a transaction without a trace."""


@dataclass
class Probe:
    """Somebody who looks for work as a lane does, and leaves it."""

    stage: Stage
    database: Database
    _own: Looks = Looks()

    @staticmethod
    @contextlib.asynccontextmanager
    async def of(stage: Stage) -> AsyncGenerator[Probe]:
        async with Database(stage.url, by_key=True) as database:
            yield Probe(stage, database)

    async def sample(self, at: float, *, pinned: bool) -> Sample:
        walk_entries, front = await self._walk()
        claim = await self._claim(front)
        tables = self._asked(_TABLES, [*QUEUES])
        return Sample(
            at=at,
            pinned=pinned,
            work=Work(*self._asked(_WORK)[0]),
            looks=Looks(*self._asked(_LOOKS)[0]) - self._own,
            walk_entries=walk_entries,
            claim=claim,
            sold=self.stage.told().done.get("sales", 0),
            log_bytes=webhooks.wal_position(self.stage.sql),
            dead={name: dead for name, dead, _ in tables},
            queue_bytes=sum(size for _, _, size in tables),
            memory=[hub.rss_bytes() / 1024**2 for hub in self.stage.hubs],
        )

    def _asked(self, query: str, *parameters: object) -> list[Any]:
        return self.stage.sql.execute(query, parameters).fetchall()  # pyright: ignore[reportArgumentType,reportCallIssue]

    async def _walk(self) -> tuple[int, list[datetime]]:
        """How many entries it takes to find the front of every lane, and where that of the ERP's is."""
        before = self._own.entries
        fronts: dict[str, list[datetime]] = {}
        async with self._looking() as tx:
            for lane in _LANES:
                fronts[lane] = await delivery.front(tx, lane)
        return self._own.entries - before, fronts[_TARGET]

    async def _claim(self, front: list[datetime]) -> Claim:
        took, pages, age = 0.0, 0, 0.0
        async with self._looking() as tx:
            age = (await settling.now(tx) - min(front)).total_seconds()
            began = time.perf_counter()
            await delivery.claim(tx, _TARGET, 1, _LEASE_SECONDS, front=front)
            took = time.perf_counter() - began
        async with self._looking() as tx:
            pages = await pages_read(tx, _TARGET, 1, front)
        return Claim(1000 * took, pages, age)

    @contextlib.asynccontextmanager
    async def _looking(self) -> AsyncGenerator[Transaction]:
        """A transaction of which nothing stays but the count of what it read, as ours."""
        with contextlib.suppress(_Undone):
            async with self.database.transaction() as tx:
                yield tx
                [own] = await rows(tx, _OWN_LOOKS)
                self._own += Looks(*own)
                await run(tx, _SAID_AT_ONCE)
                raise _Undone


async def pages_read(tx: Transaction, target: str, limit: int, front: Sequence[datetime]) -> int:
    """How many pages a claim of so many reads that begins there; it leases them until the transaction is rolled back."""
    parameters = {"target": target, "limit": limit, "lease_seconds": _LEASE_SECONDS, "probe": False, "front": front}
    [[found]] = await rows(tx, f"explain (analyze, buffers, format json) {load('deliver')['claim']}", parameters)  # pyright: ignore[reportArgumentType]
    plan = found[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


class Report:
    """A session that reads from one snapshot for a while, and for a few samples on a machine where each takes long."""

    def __init__(self, url: str, begins: float, ends: float) -> None:
        self._sql = psycopg.connect(url, autocommit=True)
        self._begins, self._ends = begins, ends
        self._seen = 0

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self._sql.close()

    def at(self, seconds: float) -> bool:
        """Whether the snapshot is held now."""
        holds = self._begins <= seconds and (seconds < self._ends or self._seen < _PINNED_SAMPLES_MIN)
        self._seen += holds
        if holds and not self._held:
            self._sql.execute("begin isolation level repeatable read")
        if holds:
            self._sql.execute("select 1")
        elif self._held:
            self._sql.execute("rollback")
        return holds

    @property
    def _held(self) -> bool:
        return self._sql.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
