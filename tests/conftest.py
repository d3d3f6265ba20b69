"""What every test may ask for: a real PostgreSQL, and an empty, migrated database of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import EmbeddedPostgres, start_or_attach

_SERVER = "CROSSDOCK_TEST_SERVER_URL"
_TEMPLATE = "crossdock_template"
_started: EmbeddedPostgres | None = None


def pytest_configure(config: pytest.Config) -> None:
    """One server for the whole run, started by the process that owns the run and inherited by its workers."""
    global _started
    if hasattr(config, "workerinput") or config.option.collectonly or os.environ.get(_SERVER):
        return
    folder = Path(tempfile.mkdtemp(prefix="cdt"))  # short: a socket's path must stay under 107 bytes
    _started = start_or_attach(folder / "pg")
    os.environ[_SERVER] = _started.url
    with psycopg.connect(_started.url, autocommit=True) as connection:
        # Nobody reads these databases after the machine fell, and who is killed loses nothing by it.
        connection.execute("alter system set fsync = off")
        connection.execute("alter system set full_page_writes = off")
        connection.execute("select pg_reload_conf()")
        connection.execute(f"create database {_TEMPLATE}")
    template = make_conninfo(_started.url, dbname=_TEMPLATE)
    migrate(template)
    make_partitions(template, today=datetime.now(UTC).date(), keep_days=30)


def pytest_unconfigure() -> None:
    if _started is not None:
        _started.stop()
        shutil.rmtree(_started.folder.parent, ignore_errors=True)
        os.environ.pop(_SERVER, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what their module sets up, a running ERP say, stay with one worker: it is set up once."""
    for item in items:
        if isinstance(item, pytest.Function) and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


def _shares(item: pytest.Function) -> bool:
    asked_for = (each for found in item._fixtureinfo.name2fixturedefs.values() for each in found)
    return any(each.scope == "module" and each.baseid for each in asked_for)


@pytest.fixture
def database_url() -> Iterator[str]:
    """The address of an empty, migrated database that only this test uses."""
    server = os.environ[_SERVER]
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        # A copy of files is five times as fast as one through the log, for a template of nine hundred of them.
        connection.execute(f"create database {name} template {_TEMPLATE} strategy file_copy")
    yield make_conninfo(server, dbname=name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
