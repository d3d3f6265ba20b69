"""The database of a hub: the server that is configured, or one of the hub's own, with its schema up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from datetime import UTC, datetime

import psycopg

from crossdock.govern.settings import Settings
from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import EmbeddedPostgres, start_or_attach


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
        if not _used_by_others(embedded):
            embedded.stop()


def _bring_up_to_date(url: str, settings: Settings) -> None:
    migrate(url)
    make_partitions(url, today=datetime.now(UTC).date(), keep_days=settings.hub.keep_inbox_days)


def _used_by_others(embedded: EmbeddedPostgres) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(embedded.url) as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        ).fetchone()
        return found is not None and found[0] > 0
    return False
