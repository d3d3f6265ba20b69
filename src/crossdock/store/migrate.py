"""Numbered migrations, each applied once and whole, and the partitions that time tables need next."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from importlib import resources
from typing import LiteralString, cast

import psycopg
from psycopg import sql

_LOCK = 0x0C055D0C  # any number of hub processes start at once; one of them migrates
_PARTITIONED = {"inbox": "received_at", "evidence": "received_at", "attempt": "at", "event": "at"}
_DAYS_AHEAD = 3


class MigrationChanged(RuntimeError):
    """A migration that was applied has other text now; restore its file and put the change in a new one."""


def migrate(url: str) -> list[str]:
    """Bring the database to this version's schema; answers the names of what was applied."""
    with psycopg.connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists migration (name text primary key, digest text not null, applied_at timestamptz not null)"
        )
        applied = dict(connection.execute("select name, digest from migration").fetchall())
        return [name for name, text in _files() if _applied_now(connection, applied, name, text)]


def _files() -> list[tuple[str, str]]:
    folder = resources.files("crossdock.store").joinpath("migrations")
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def _applied_now(connection: psycopg.Connection, applied: dict[str, str], name: str, text: str) -> bool:
    digest = hashlib.sha256(text.encode()).hexdigest()
    if name in applied:
        if applied[name] != digest:
            raise MigrationChanged(f"{name} was changed after it was applied; put the change in a new migration")
        return False
    connection.execute(cast("LiteralString", text))
    connection.execute("insert into migration values (%s, %s, now())", (name, digest))
    return True


def make_partitions(url: str, *, today: date, keep_days: int) -> None:
    """Make the days ahead of every time table, and drop days past retention. A default partition catches wrong clocks."""
    with psycopg.connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        for table in _PARTITIONED:
            for days in range(-1, _DAYS_AHEAD + 1):
                _make_day(connection, table, today + timedelta(days=days))
            _make_default(connection, table)
            _drop_before(connection, table, today - timedelta(days=keep_days))
        connection.execute("delete from operation where at < %s", (today - timedelta(days=keep_days),))
        connection.execute("delete from inbox_seen where received_at < %s", (today - timedelta(days=keep_days),))


def _make_day(connection: psycopg.Connection, table: str, day: date) -> None:
    connection.execute(
        sql.SQL("create table if not exists {name} partition of {table} for values from ({start}) to ({end})").format(
            name=sql.Identifier(f"{table}_{day:%Y%m%d}"),
            table=sql.Identifier(table),
            start=sql.Literal(f"{day} 00:00+00"),
            end=sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
        )
    )


def _make_default(connection: psycopg.Connection, table: str) -> None:
    connection.execute(
        sql.SQL("create table if not exists {} partition of {} default").format(
            sql.Identifier(f"{table}_default"), sql.Identifier(table)
        )
    )


def _drop_before(connection: psycopg.Connection, table: str, day: date) -> None:
    partitions = connection.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = %s::regclass",
        (table,),
    ).fetchall()
    limit = f"{table}_{day:%Y%m%d}"
    for (name,) in partitions:
        if len(name) == len(limit) and name[-8:].isdigit() and name < limit:
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
