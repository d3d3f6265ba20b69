"""Secrets as the database keeps them: sealed, so that nobody reads them here."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("sealed")


class Column(NamedTuple):
    """Where sealed secrets are: a table, what names its rows, and the column that holds them."""

    table: str
    key: str
    sealed: str


COLUMNS = (Column("sealed_secret", "name", "sealed"), Column("subscription_secret", "name", "sealed"))
"""Every one there is: a change of keys goes through all of them. A column that may be null may."""


async def held(tx: Transaction, name: str) -> bytes | None:
    found = await rows(tx, _SQL["held"], {"name": name})
    return found[0][0] if found else None


async def keep(tx: Transaction, name: str, sealed: bytes) -> None:
    await run(tx, _SQL["keep"], {"name": name, "sealed": sealed})


async def keep_first(tx: Transaction, name: str, sealed: bytes) -> bytes:
    """Keep it unless there is one of that name already; answers the one that is kept."""
    await run(tx, _SQL["keep_first"], {"name": name, "sealed": sealed})
    kept = await held(tx, name)
    assert kept is not None
    return kept


async def all_in(tx: Transaction, column: Column) -> list[tuple[str, bytes]]:
    """(name, sealed) of every row of a column that has a secret, locked until commit."""
    asked = sql.SQL("select {key}::text, {sealed} from {table} where {sealed} is not null order by 1 for update")
    cursor = await tx.cursor(binary=True).execute(asked.format(**_named(column)))
    return [(name, bytes(sealed)) for name, sealed in await cursor.fetchall()]


async def replace(tx: Transaction, column: Column, name: str, sealed: bytes) -> None:
    wanted = sql.SQL("update {table} set {sealed} = %(sealed)s where {key}::text = %(name)s").format(**_named(column))
    await tx.execute(wanted, {"name": name, "sealed": sealed})


def _named(column: Column) -> dict[str, sql.Identifier]:
    return {part: sql.Identifier(value) for part, value in column._asdict().items()}
