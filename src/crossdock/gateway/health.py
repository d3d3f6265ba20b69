"""Whether a process lives (`/healthz`), whether it can do its work (`/readyz`, which says why not), and its metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from crossdock.gateway.api import App
from crossdock.gateway.door import Receive, Scope, Send, answer
from crossdock.observe import metrics
from crossdock.observe.gauges import Sample
from crossdock.observe.logs import told
from crossdock.store import figures, gauges, health, migrate
from crossdock.store.database import Database
from crossdock.store.leases import Leases

log = structlog.get_logger("crossdock")

_ANSWER_SECONDS_MAX = 2.0
# Reading takes at most a fiftieth of one core, and a backlog of a million open promises takes a second to read.
_REST_SHARE = 50
_REST_SECONDS = 5.0
_READ_MILLISECONDS_MAX = 10_000
_JSON, _PROBLEM = b"application/json", b"application/problem+json"
_LOST = (psycopg.Error, PoolTimeout, TimeoutError)


class Health:
    """Of one process; `leaving` once it was told to stop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_current = False
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await answer(send, 200, b'{"status":"ok"}', _JSON)
        elif reasons := await self.reasons():
            body = {"type": "urn:crossdock:problem:not-ready", "status": 503, "detail": "; ".join(reasons)}
            await answer(send, 503, msgspec.json.encode(body | {"reasons": reasons}), _PROBLEM)
        else:
            await answer(send, 200, b'{"status":"ready"}', _JSON)

    async def reasons(self) -> list[str]:
        """Why it can't do its work; none when it can."""
        return [*(["it was told to stop"] if self.leaving else []), *await self._without_database()]

    async def _without_database(self) -> list[str]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX), self._database.transaction() as tx:
                await health.clock(tx)
                missing = [] if self._is_current else await migrate.missing(tx)
        except _LOST:
            return ["the database can't be reached"]
        self._is_current = not missing
        return [f"the database lacks migration {name}" for name in missing]


class Lookout:
    """`/metrics`, for whoever reaches the address it listens at; beside it the process's health."""

    def __init__(self, health: Health, reports: Database, pools: Mapping[str, Database], leases: Leases) -> None:
        """`reports`: connections with the planner's own choice; `pools`: the process's, by name."""
        self._health, self._reports, self._pools, self._leases = health, reports, pools, leases
        self._read_at, self._rest_seconds = -1e9, 0.0
        self._samples: list[Sample] = []
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PATHS:
            await self._health(scope, receive, send)
        elif scope["path"] == "/metrics" and (seen := metrics.active()) is not None:
            async with self._turn:
                await self._look(seen)
            await answer(send, 200, seen.exposed(), metrics.CONTENT_TYPE)
        else:
            await answer(send, 404, b"", b"text/plain")

    async def _look(self, seen: metrics.Metrics) -> None:
        loads = {name: each.load() for name, each in self._pools.items()}
        for name, load in loads.items():
            seen.pool.labels(name, "used").set(load.used)
            seen.pool.labels(name, "idle").set(load.idle)
            seen.pool_waits.labels(name).set(load.waiting)
        seen.buckets.set(len(self._leases.held))
        if time.monotonic() > self._read_at + self._rest_seconds:
            await self._read()
        age = time.monotonic() - self._read_at
        known = [Sample("crossdock_observed_age_seconds", (), age)] if self._samples else []
        seen.told = [*self._samples, *known]

    async def _read(self) -> None:
        """What the database says; while it says nothing, nothing is said of it, for old figures look like new ones."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(_READ_MILLISECONDS_MAX / 1000), self._reports.transaction() as tx:
                await figures.have_patience(tx, _READ_MILLISECONDS_MAX)
                self._samples = await gauges.read(tx, await health.clock(tx))
        except _LOST as error:
            self._samples = []
            log.warning("metrics: nothing read", **told(error))
        self._read_at = time.monotonic()
        self._rest_seconds = max(_REST_SECONDS, (self._read_at - began) * _REST_SHARE)


PATHS = ("/healthz", "/readyz")


def with_health(health: Health, otherwise: App) -> App:
    """One app: the health at its paths, everything else as before."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await (health if scope["path"] in PATHS else otherwise)(scope, receive, send)

    return serve
