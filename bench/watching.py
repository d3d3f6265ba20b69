"""What PostgreSQL and the operating system say of a hub that works, and what a claim of its next work would cost now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from bench import webhooks
from bench.stage import Stage
from crossdock.store import delivery, settling
from crossdock.store.database import Database, Transaction, rows
from crossdock.store.fronts import Front
from crossdock.store.statements import load

QUEUES = ("inbox_pending", "dirty", "due")
_TARGET = "erp"
_LEASE_SECONDS = 60.0
_SEEN = """
select (select count(*) from inbox_pending) + (select count(*) from dirty) + (select count(*) from due where stage <> 5),
       (select count(*) from cases where closed_at is null),
       (select idx_scan from pg_stat_user_indexes where indexrelname = 'due_claim'),
       (select idx_tup_read from pg_stat_user_indexes where indexrelname = 'due_claim')
"""
_TABLES = "select relname, n_dead_tup, pg_total_relation_size(relid) from pg_stat_user_tables where relname = any(%s)"


@dataclass(frozen=True)
class Sample:
    """One moment, so many seconds after the begin."""

    at: float
    pinned: bool
    under_way: int
    """Messages, entities and promises that wait for the hub."""
    cases: int
    looks: int
    """How often the index of what is due was looked at so far, and how many of its entries were read."""
    entries: int
    sold: int
    """Orders so far."""
    log_bytes: int
    dead: Mapping[str, int]
    queue_bytes: int
    memory: list[float]
    """Megabytes of each hub process."""
    claim_ms: float
    claim_pages: int
    front_seconds: float
    """How long ago the oldest of what is open in that lane became due: what came after it is walked through."""


class _Undone(Exception):
    """Ends a transaction without a trace."""


@dataclass
class Probe:
    """Somebody who looks for work as a lane does, and leaves it."""

    stage: Stage
    database: Database
    _front: Front[list[datetime]] = field(default_factory=Front[list[datetime]])

    @staticmethod
    @contextlib.asynccontextmanager
    async def of(stage: Stage) -> AsyncGenerator[Probe]:
        async with Database(stage.url, by_key=True) as database:
            yield Probe(stage, database)

    async def sample(self, at: float, *, pinned: bool) -> Sample:
        under_way, cases, looks, entries = self._asked(_SEEN)[0]
        tables = self._asked(_TABLES, [*QUEUES])
        claim_ms, claim_pages, front_seconds = await self._claim()
        return Sample(
            at=at,
            pinned=pinned,
            under_way=under_way,
            cases=cases,
            looks=looks,
            entries=entries,
            sold=self.stage.told().done.get("sales", 0),
            log_bytes=webhooks.wal_position(self.stage.sql),
            dead={name: dead for name, dead, _ in tables},
            queue_bytes=sum(size for _, _, size in tables),
            memory=[hub.rss_bytes() / 1024**2 for hub in self.stage.hubs],
            claim_ms=claim_ms,
            claim_pages=claim_pages,
            front_seconds=front_seconds,
        )

    def _asked(self, query: str, *parameters: object) -> list[Any]:
        return self.stage.sql.execute(query, parameters).fetchall()  # pyright: ignore[reportArgumentType,reportCallIssue]

    async def _claim(self) -> tuple[float, int, float]:
        """Milliseconds of a claim of one promise, the pages that another one reads, and the age of their front in seconds."""
        async with self.database.transaction() as tx:
            front = await self._front.found(partial(delivery.front, tx, _TARGET))
            age = (await settling.now(tx) - min(front)).total_seconds()
        took, pages = 0.0, 0
        with contextlib.suppress(_Undone):
            async with self.database.transaction() as tx:
                began = time.perf_counter()
                await delivery.claim(tx, _TARGET, 1, _LEASE_SECONDS, front=front)
                took = time.perf_counter() - began
                raise _Undone
        with contextlib.suppress(_Undone):
            async with self.database.transaction() as tx:
                pages = await _pages(tx, front)
                raise _Undone
        return 1000 * took, pages, age


async def _pages(tx: Transaction, front: list[datetime]) -> int:
    parameters = {"target": _TARGET, "limit": 1, "lease_seconds": _LEASE_SECONDS, "probe": False, "front": front}
    [[found]] = await rows(tx, f"explain (analyze, buffers, format json) {load('deliver')['claim']}", parameters)  # pyright: ignore[reportArgumentType]
    plan = found[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
