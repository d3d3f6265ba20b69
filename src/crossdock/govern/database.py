"""The database of a hub: the server that is configured, or one of the hub's own, with its schema up to date."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from crossdock.govern.settings import Settings
from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import EmbeddedPostgres, start_or_attach

# A session that was closed is still counted for some milliseconds.
_LINGERING_SECONDS = 0.05


@contextlib.contextmanager
def database_of(settings: Settings) -> Generator[str]:
    """The database's address; an embedded server is stopped by the last process that leaves it."""
    if settings.database_url is not None:
        _bring_up_to_date(settings.database_url, settings)
        yield settings.database_url
        return
    embedded = start_or_attach(settings.data / "postgres")
    try:
        _bring_up_to_date(embedded.url, settings)
        yield embedded.url
    finally:
        with _alone_in(embedded.folder):
            if not _used_by_others(embedded):
                embedded.stop()


def _bring_up_to_date(url: str, settings: Settings) -> None:
    migrate(url)
    make_partitions(url, today=datetime.now(UTC).date(), keep_days=settings.hub.keep_inbox_days)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Generator[None]:
    """One process at a time: two that leave together would each count the other's look as use, and both go."""
    with folder.with_suffix(".leaving").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _used_by_others(embedded: EmbeddedPostgres) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(embedded.url, autocommit=True) as connection:
        if _others(connection) == 0:
            return False
        time.sleep(_LINGERING_SECONDS)
        return _others(connection) > 0
    return False


def _others(connection: psycopg.Connection) -> int:
    found = connection.execute(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    ).fetchone()
    return found[0] if found else 0
