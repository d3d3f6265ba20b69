"""A process is killed in the middle of bringing the database up to date: the next start finds all of it done, or none."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.chaos.hubs import PROGRAM, ROOT, SECRET
from tests.chaos.plants.scene import Scene
from tests.stage import order
from tests.standin.target import Target

pytestmark = pytest.mark.chaos

# Ten places, from the first thing that is made to the last.
MADE = ("inbox", "promise", "receipt", "approval_request", "campaign", "sweep_tree", "recovery", "subscription",
        "ledger_day", "answer_told")  # fmt: skip
_IN_CI = "campaign"
_PAUSE = """
create sequence struck;
create function pause() returns event_trigger language plpgsql as $$
declare made text;
begin
    for made in select object_identity from pg_event_trigger_ddl_commands() loop
        if made = 'public.{table}' and nextval('struck') = 1 then perform pg_sleep(3); end if;
    end loop;
end $$;
create event trigger pauses on ddl_command_end when tag in ('CREATE TABLE') execute function pause();
"""


@pytest.fixture
def empty_database(database_url: str) -> Iterator[str]:
    """Nothing was ever migrated there."""
    beside = make_conninfo(database_url, dbname="postgres")
    name = f"e{uuid.uuid4().hex}"
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")  # pyright: ignore
    yield make_conninfo(database_url, dbname=name)
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")  # pyright: ignore


def rows(url: str, statement: str) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()  # pyright: ignore


async def kill_in_the_middle(scene: Scene) -> None:
    """A hub starts, and is killed when the database is at the statement that pauses."""
    config = scene.folder / "crossdock.toml"
    config.write_text(scene.settings())
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, "--config", str(config), "run", cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STANDIN_SECRET": SECRET, "CROSSDOCK_DATABASE_URL": scene.database_url},
    )  # fmt: skip
    asked = "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    ends = time.monotonic() + 30
    while not rows(scene.database_url, asked):
        assert time.monotonic() < ends
        await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.parametrize(
    "table", [pytest.param(table, marks=[pytest.mark.slice] if table == _IN_CI else []) for table in MADE]
)
async def test_a_migration_that_was_killed_is_whole_after_the_next_start(
    empty_database: str, tmp_path: Path, table: str
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(_PAUSE.format(table=table))  # pyright: ignore
    async with Target().serve() as target:
        scene = Scene("", empty_database, tmp_path, target)
        await kill_in_the_middle(scene)
        async with scene.hubs():
            await scene.tell(order("1"))
            assert await scene.within(20, lambda: scene.done("sales_order"))
    folder = ROOT / "src" / "crossdock" / "store" / "migrations"
    applied = [row[0] for row in rows(empty_database, "select name from migration order by name")]
    assert applied == sorted(file.name for file in folder.glob("*.sql"))
    assert rows(empty_database, "select last_value from struck") >= [(2,)]
