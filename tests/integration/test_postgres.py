"""The embedded server starts again on its folder, whatever was set there meanwhile."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from crossdock.store import postgres
from crossdock.store.postgres import start_or_attach


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: the path of a socket must stay under 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="cdp", dir="/tmp") as made:
        yield Path(made) / "pg"


def test_a_setting_that_somebody_altered_keeps_nobody_from_attaching_or_starting(folder: Path) -> None:
    """`ALTER SYSTEM` writes the file of settings anew without its comments, by which ours were known."""
    server = start_or_attach(folder)
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table kept (id int)")
            connection.execute("alter system set wal_writer_delay = '300ms'")
        assert not start_or_attach(folder).started_here
        server.stop()
        server = start_or_attach(folder)
        with psycopg.connect(server.url, autocommit=True) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (0,)
            assert connection.execute("show shared_buffers").fetchone() == ("256MB",)
    finally:
        server.stop()


def test_a_server_that_ends_as_soon_as_it_has_started_is_an_error_and_holds_up_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_UP_SECONDS_MAX", 0.1)
    monkeypatch.setattr(
        postgres.postgres_server.PostgresServer, "ensure_postgres_running", lambda _: time.sleep(5), raising=True
    )
    with pytest.raises(subprocess.SubprocessError, match="ended as soon as it had started"):
        start_or_attach(folder)
    monkeypatch.undo()
    start_or_attach(folder).stop()
