"""Numbered migrations, each applied once and whole, and the partitions that time tables need next."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import date, timedelta
from importlib import resources
from typing import LiteralString, cast

import psycopg
from psycopg import sql

from crossdock.store.database import Transaction

_LOCK = 0x0C055D0C  # any number of hub processes start at once; one of them migrates
_PARTITIONED = {"inbox": "received_at", "evidence": "received_at", "attempt": "at", "event": "at", "notified": "at"}
_DAYS_AHEAD = 3


class MigrationChanged(RuntimeError):
    """A migration that was applied has other text now; restore its file and put the change in a new one."""


def migrate(url: str) -> list[str]:
    """Bring the database to this version's schema; answers the names of what was applied."""
    with psycopg.connect(url) as connection:
        connection.execute("set transaction_timeout = 0")  # it takes as long as it takes, whatever is usual there
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists migration (name text primary key, digest text not null, applied_at timestamptz not null)"
        )
        applied = dict(connection.execute("select name, digest from migration").fetchall())
        return [name for name, text in _files() if _applied_now(connection, applied, name, text)]


def _files() -> list[tuple[str, str]]:
    folder = resources.files("crossdock.store").joinpath("migrations")
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


async def missing(tx: Transaction) -> list[str]:
    """The migrations that this version has and the database lacks, or holds with another text."""
    cursor = await tx.execute("select name, digest from migration")
    applied = dict(await cursor.fetchall())
    return [name for name, text in _files() if applied.get(name) != _digest(text)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _applied_now(connection: psycopg.Connection, applied: dict[str, str], name: str, text: str) -> bool:
    digest = _digest(text)
    if name in applied:
        if applied[name] != digest:
            raise MigrationChanged(f"{name} was changed after it was applied; put the change in a new migration")
        return False
    connection.execute(cast("LiteralString", text))
    connection.execute("insert into migration values (%s, %s, now())", (name, digest))
    return True


def make_partitions(url: str, *, keep_days: int, today: date | None = None) -> None:
    """Make the days ahead of every time table, and drop days past retention. A default partition catches wrong clocks.

    Today is what the database says: a process whose clock is wrong by months would throw away what came in just now.
    """
    with psycopg.connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        today = today or _today(connection)
        for table in _PARTITIONED:
            made = _partitions(connection, table)
            for days in range(-1, _DAYS_AHEAD + 1):
                _make_day(connection, table, today + timedelta(days=days), made)
            _make_default(connection, table, made)
            _drop_before(connection, table, today - timedelta(days=keep_days), made)
        connection.execute("delete from answer where at < %s", (today - timedelta(days=1),))
        connection.execute("delete from operation where at < %s", (today - timedelta(days=keep_days),))
        connection.execute("delete from trace_context where at < %s", (today - timedelta(days=keep_days),))
        connection.execute("delete from inbox_seen where received_at < %s", (today - timedelta(days=keep_days),))


def _today(connection: psycopg.Connection) -> date:
    found = connection.execute("select (now() at time zone 'utc')::date").fetchone()
    assert found is not None
    return found[0]


def _partitions(connection: psycopg.Connection, table: str) -> set[str]:
    """Those there are: asking first spares a table that is in use a lock for nothing."""
    found = connection.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = %s::regclass",
        (table,),
    )
    return {name for (name,) in found.fetchall()}


def _make_day(connection: psycopg.Connection, table: str, day: date, made: Collection[str]) -> None:
    if f"{table}_{day:%Y%m%d}" in made:
        return
    names = {
        "name": sql.Identifier(f"{table}_{day:%Y%m%d}"),
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "at": sql.Identifier(_PARTITIONED[table]),
        "start": sql.Literal(f"{day} 00:00+00"),
        "end": sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
    }
    made_late = f"{table}_default" in made and connection.execute(sql.SQL(_HELD_BY_DEFAULT).format(**names)).fetchone()
    for statement in _MOVED_DAY if made_late else (_NEW_DAY,):
        connection.execute(sql.SQL(statement).format(**names))


_NEW_DAY = "create table {name} partition of {table} for values from ({start}) to ({end})"
_HELD_BY_DEFAULT = "select 1 from {default} where {at} >= {start} and {at} < {end} limit 1"
# A day can't be made while the default partition holds some of it.
_MOVED_DAY = (
    "alter table {table} detach partition {default}",
    _NEW_DAY,
    "insert into {table} select * from {default} where {at} >= {start} and {at} < {end}",
    "delete from {default} where {at} >= {start} and {at} < {end}",
    "alter table {table} attach partition {default} default",
)


def _make_default(connection: psycopg.Connection, table: str, made: Collection[str]) -> None:
    if f"{table}_default" not in made:
        names = (sql.Identifier(f"{table}_default"), sql.Identifier(table))
        connection.execute(sql.SQL("create table {} partition of {} default").format(*names))


def _drop_before(connection: psycopg.Connection, table: str, day: date, made: Collection[str]) -> None:
    limit = f"{table}_{day:%Y%m%d}"
    for name in made:
        if len(name) == len(limit) and name[-8:].isdigit() and name < limit:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
    late, at = sql.Identifier(f"{table}_default"), sql.Identifier(_PARTITIONED[table])
    connection.execute(sql.SQL("delete from {} where {} < {}").format(late, at, sql.Literal(f"{day} 00:00+00")))
