"""Where a peer keeps its queue: a Redis of its own, a PostgreSQL of its own, or both, each in a folder, each to be killed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil
import psycopg

from bench.peers.running import Running, cpu_seconds_of, kill, start, tree_of, until_open
from crossdock.simulators.ports import port_for_good
from crossdock.store.postgres import start_or_attach

_RECOVERED_SECONDS = 90.0
_ONE_AT_A_TIME = threading.Lock()
"""The lock that the wheel starts a server under is one between processes, not between threads."""


class Missing(RuntimeError):
    """A program that the measurement needs isn't installed; the message says which, and the remedy."""


class Store(Protocol):
    """A queue's home."""

    address: str

    def start(self) -> None: ...
    def killed(self) -> None: ...
    def stop(self) -> None: ...
    def cpu_seconds(self) -> float: ...
    def bytes_used(self) -> int:
        """Memory of a Redis, disk of a PostgreSQL."""
        ...

    def versions(self) -> dict[str, str]: ...


@dataclass
class Redis:
    """redis-server as Debian's package brings it, with its own default settings but for the port, the folder and `options`."""

    folder: Path
    options: Mapping[str, str]
    address: str = ""
    port: int = 0
    _running: Running | None = field(default=None)

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Missing("redis-server isn't installed; on Debian: apt-get install redis-server")
        self.port = self.port or port_for_good()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        for name, value in self.options.items():
            words += [f"--{name}", value]
        self._running = start([program, *words], {}, self.folder / "redis.log")
        until_open(self.port, self._running)
        while b"PONG" not in self.ask("ping"):  # it listens before it has read what it kept
            time.sleep(0.1)

    def killed(self) -> None:
        assert self._running
        self._running.killed()

    def stop(self) -> None:
        if self._running:
            self._running.stop()

    def cpu_seconds(self) -> float:
        assert self._running
        return self._running.cpu_seconds()

    def bytes_used(self) -> int:
        told = self.ask("info", "memory").decode()
        return int(next(line.split(":")[1] for line in told.splitlines() if line.startswith("used_memory:")))

    def ask(self, *words: str) -> bytes:
        """What redis-cli, of the same package, says to a command."""
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, check=False, timeout=30).stdout

    def versions(self) -> dict[str, str]:
        told = self.ask("info", "server").decode()
        return {"Redis": next(line.split(":")[1] for line in told.splitlines() if line.startswith("redis_version:"))}


@dataclass
class Postgres:
    """The PostgreSQL that the hub brings, with the settings that it gives it: every commit is on disk."""

    folder: Path
    address: str = ""

    def start(self) -> None:
        """Start it; the wheel waits for ten seconds, and reading the log again after a kill may take longer."""
        until = time.monotonic() + _RECOVERED_SECONDS
        while True:
            try:
                with _ONE_AT_A_TIME:
                    self.address = start_or_attach(self.folder).url
                    return
            except subprocess.SubprocessError:
                if time.monotonic() > until:
                    raise
            time.sleep(1)

    def killed(self) -> None:
        kill(self._tree())

    def stop(self) -> None:
        if tree := self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                tree[0].send_signal(2)  # fast
                tree[0].wait(30)

    def cpu_seconds(self) -> float:
        return cpu_seconds_of(self._tree())

    def bytes_used(self) -> int:
        return self.count("select pg_database_size(current_database())")

    def count(self, query: str) -> int:
        with psycopg.connect(self.address, autocommit=True) as sql:
            found = sql.execute(query).fetchone()  # pyright: ignore[reportArgumentType,reportCallIssue]
        assert found
        return int(found[0])

    def versions(self) -> dict[str, str]:
        with psycopg.connect(self.address) as sql:
            return {"PostgreSQL": sql.info.parameter_status("server_version") or ""}

    def _tree(self) -> list[psutil.Process]:
        with contextlib.suppress(FileNotFoundError):
            # Below 0 while `initdb` has it for itself.
            return tree_of(abs(int((self.folder / "postmaster.pid").read_text().split()[0])))
        return []


@dataclass
class RedisAndPostgres:
    """A Redis that holds the queue, and a PostgreSQL that holds what waits in it."""

    redis: Redis
    postgres: Postgres
    address: str = ""

    def start(self) -> None:
        self.redis.start()
        self.postgres.start()
        self.address = self.postgres.address

    def killed(self) -> None:
        self.redis.killed()
        self.postgres.killed()

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()

    def cpu_seconds(self) -> float:
        return self.redis.cpu_seconds() + self.postgres.cpu_seconds()

    def bytes_used(self) -> int:
        return self.redis.bytes_used() + self.postgres.bytes_used()

    def versions(self) -> dict[str, str]:
        return {**self.redis.versions(), **self.postgres.versions()}
