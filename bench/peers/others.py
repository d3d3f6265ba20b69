"""Celery with Redis, DBOS and PgQueuer, each as it comes, and tuned for durability by its own documentation."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

from bench.peers import environments
from bench.peers.environments import PROGRAMS
from bench.peers.peer import Peer
from bench.peers.running import run
from bench.peers.stores import Postgres, Redis


class Program(Peer):
    """A peer that is a program of `programs/`, in an environment of its own."""

    lock: ClassVar[str]
    packages: ClassVar[Sequence[str]]

    @property
    def _bin(self) -> str:
        return str(environments.environment(self.lock))

    def environment(self) -> Mapping[str, str]:
        return {
            "PYTHONPATH": str(PROGRAMS),
            "PEER_ERP": self.erp,
            "PEER_STORE": self.store.address,
            "PEER_VARIANT": self.variant,
            "PGQUEUER_DSN": self.store.address,
        }

    def door_command(self) -> Sequence[str]:
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning", "--no-access-log"]
        return [f"{self._bin}/uvicorn", f"{self.lock}_shop:web", *words]

    def versions(self) -> dict[str, str]:
        return {**environments.versions(self.lock, self.packages), **super().versions()}


class OnPostgres(Program):
    """One whose store is a PostgreSQL."""

    configuration: ClassVar[Mapping[str, str]] = {
        "PostgreSQL": "the server and the settings that Crossdock has: fsync and synchronous_commit on"
    }

    def new_store(self) -> Postgres:
        return Postgres(self.folder / "postgres")

    def counted(self, query: str) -> int:
        assert isinstance(self.store, Postgres)
        return self.store.count(query)


class Celery(Program):
    name, variant, lock = "Celery with Redis", "default", "celery"
    packages = ("celery", "kombu", "redis")
    configuration: ClassVar[Mapping[str, str]] = {}
    redis_options: ClassVar[Mapping[str, str]] = {}

    def new_store(self) -> Redis:
        return Redis(self.folder / "redis", self.redis_options)

    def prepare(self) -> None:
        """A queue needs nothing to be made."""

    def worker_commands(self) -> Sequence[Sequence[str]]:
        # One worker, which forks a process for each core by itself.
        return [[f"{self._bin}/celery", "--app", "celery_shop", "worker", "--loglevel", "WARNING"]]

    def held(self) -> int:
        assert isinstance(self.store, Redis)
        return int(self.store.ask("llen", "celery")) + int(self.store.ask("hlen", "unacked"))


class TunedCelery(Celery):
    variant = "tuned"
    redis_options: ClassVar[Mapping[str, str]] = {"appendonly": "yes", "appendfsync": "always"}
    configuration: ClassVar[Mapping[str, str]] = {
        "task_acks_late": "True",
        "task_reject_on_worker_lost": "True",
        "worker_prefetch_multiplier": "1",
        "visibility_timeout": "15 s (by itself an hour)",
        "unacked_restore_interval, unacked_restore_throttle": "5 s, 1",
        "autoretry_for, retry_backoff, max_retries": "requests.RequestException, True, None",
        "Redis appendonly, appendfsync": "yes, always",
    }


class Dbos(OnPostgres):
    name, variant, lock = "DBOS", "default", "dbos"
    packages = ("dbos", "psycopg", "sqlalchemy")

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "PEER_WORKER": "prepare"}

    def prepare(self) -> None:
        run([*self._worker(), "prepare"], self.environment(), self.folder / "prepare.log")

    def worker_commands(self) -> Sequence[Sequence[str]]:
        return [self._worker()] * 2

    def _worker(self) -> list[str]:
        return [f"{self._bin}/python", str(PROGRAMS / "dbos_shop.py")]

    def held(self) -> int:
        waiting = "status in ('ENQUEUED', 'PENDING', 'DELAYED')"
        return self.counted(f"select count(*) from dbos.workflow_status where {waiting}")


class TunedDbos(Dbos):
    variant = "tuned"
    configuration: ClassVar[Mapping[str, str]] = {
        "workflow_id": "the order's reference, so that a webhook that comes again starts nothing",
        "executor_id": "one for each worker, kept over restarts",
        "application_version": "set, not worked out",
        "worker_concurrency, polling_interval_sec": "32, 0.1",
        "retries_allowed, max_attempts": "True, 10",
        **OnPostgres.configuration,
    }


class PgQueuer(OnPostgres):
    name, variant, lock = "PgQueuer", "default", "pgqueuer"
    packages = ("pgqueuer", "asyncpg", "aiohttp")

    def prepare(self) -> None:
        self._pgq("install")

    def worker_commands(self) -> Sequence[Sequence[str]]:
        return [[f"{self._bin}/python", str(PROGRAMS / "pgqueuer_shop.py")]] * 2

    def held(self) -> int:
        return self.counted("select count(*) from pgqueuer where status in ('queued', 'picked')")

    def _pgq(self, *words: str) -> None:
        run([f"{self._bin}/pgq", *words], self.environment(), self.folder / "prepare.log")


class TunedPgQueuer(PgQueuer):
    variant = "tuned"
    configuration: ClassVar[Mapping[str, str]] = {
        "dedupe_key, on_conflict": "the order's reference, skip",
        "heartbeat_timeout, dequeue_timeout": "10 s each (by themselves 30 s)",
        "batch_size": "25 (by itself 10)",
        "DatabaseRetryEntrypointExecutor": "10 attempts",
        "pgq autovac": "run",
        "durability": "durable, as it comes",
        **OnPostgres.configuration,
    }

    def prepare(self) -> None:
        super().prepare()
        self._pgq("autovac")


OTHERS: Sequence[type[Peer]] = (Celery, TunedCelery, Dbos, TunedDbos, PgQueuer, TunedPgQueuer)

assert sys.platform == "linux", "what a killed tree of processes used is read from /proc"
