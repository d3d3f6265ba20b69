"""Connections to PostgreSQL, and the one way statements are run on them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

Row = tuple[Any, ...]
Transaction = psycopg.AsyncConnection[Row]
Asked = tuple[LiteralString, Mapping[str, object] | None]
"""A statement and its parameters."""
Greet = Callable[[Transaction], Awaitable[None]]

LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.TransactionTimeout)
"""The server, the connection or the transaction went away (a restart, a fail-over, a deadlock): the same may succeed later."""

UNSTORABLE = (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError)
"""What is to be stored is at fault, a text with a NUL for instance: it never succeeds."""

# A connection that worked this recently isn't asked whether it still does: that would be one more trip per transaction.
_TRUSTED_SECONDS = 1.0

# Statements of the loop take a batch's rows by key, and the tables they take them from grow from empty to millions while
# statistics lag behind. Left to itself the planner reads whole tables for a batch: 1.0 CPU-ms an order instead of 0.6.
BY_KEY = """
set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_bitmapscan = off;
set enable_hashjoin = off; set enable_mergejoin = off; set enable_material = off;
select set_config('transaction_timeout', '30s', false) where current_setting('transaction_timeout') = '0'
"""
# The last line is for a process that is paused in the middle of a pipeline: to the server it looks busy, not idle, so no
# idle time-out takes its locks from it.


# A connection whose other end is gone looks busy for ever where nobody tells (a firewall that forgot it, a proxy that died).
# The server ends the loops' transactions after 30 s by itself, so an answer that takes longer never comes.
_SILENT_SECONDS = 35.0
_CONNECT_SECONDS = 10
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class _Connection(psycopg.AsyncConnection[Row]):
    trusted_until: float = 0.0


class Load(NamedTuple):
    """Connections of a pool that are used and idle, and who waits for one."""

    used: int
    idle: int
    waiting: int


class Database:
    """A pool of connections; every statement runs inside a transaction that commits when its block ends well.

    `by_key`: for the hub's loops, whose statements must follow indexes; reports want the planner's own choice.
    `greet` is told of every new connection before it is used, and may refuse it.
    """

    def __init__(
        self, url: str, *, connections_max: int = 10, by_key: bool = False, greet: Greet | None = None
    ) -> None:
        self.url, self._greet, self._by_key = url, greet, by_key
        self._silent_seconds = _SILENT_SECONDS if by_key else None
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            url,
            connection_class=_Connection,
            # Its own transactions, because psycopg's would wait for the answer to BEGIN. Prepared at the first use.
            kwargs={"autocommit": True, "prepare_threshold": 0, **kept_alive(url)},
            configure=self._configure,
            min_size=1,
            max_size=connections_max,
            open=False,
            timeout=30.0,
            check=_checked,
        )

    async def __aenter__(self) -> Database:
        await self._pool.open(wait=True, timeout=30.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    def load(self) -> Load:
        told = self._pool.get_stats()
        size, idle = told.get("pool_size", 0), told.get("pool_available", 0)
        return Load(size - idle, idle, told.get("requests_waiting", 0))

    async def _configure(self, connection: _Connection) -> None:
        if self._by_key:
            await connection.execute(BY_KEY, prepare=False)
        if self._greet is not None:
            await self._greet(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """A transaction in a pipeline: what is only run goes out with the next thing that is asked, or with the commit.

        `TimeoutError` when a loop's connection is silent for too long; whether it was committed is not known then.
        """
        async with asyncio.timeout(self._silent_seconds), self._lent() as connection:
            try:
                async with connection.pipeline():
                    await connection.execute("begin")
                    yield connection
                    await connection.execute("commit")
            finally:
                if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                    await connection.rollback()
            connection.trusted_until = time.monotonic() + _TRUSTED_SECONDS

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncGenerator[Transaction]:
        """For statements that only read, each by itself: nothing to begin, nothing to commit."""
        async with asyncio.timeout(self._silent_seconds), self._lent() as connection, connection.pipeline():
            yield connection

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncGenerator[_Connection]:
        """A connection of the pool; who is cancelled while waiting for one has none, also when one is free in that moment.

        The pool waits by `asyncio.wait_for`, which forgets a cancellation then (before Python 3.12): a loop would go on for
        good though its process has to end, and a time-out would pass unnoticed.
        """
        cancelled = _cancelled()
        async with self._pool.connection() as connection:
            if _cancelled() > cancelled:
                raise asyncio.CancelledError
            yield connection


def _cancelled() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def kept_alive(url: str) -> dict[str, int]:
    """What notices a dead peer, where the address says nothing else of it."""
    said = conninfo_to_dict(url)
    wanted = {"connect_timeout": _CONNECT_SECONDS, **_ALIVE}
    return {name: value for name, value in wanted.items() if name not in said}


async def _checked(connection: _Connection) -> None:
    if time.monotonic() > connection.trusted_until:
        await AsyncConnectionPool.check_connection(connection)


async def rows(tx: Transaction, statement: LiteralString, parameters: Mapping[str, object] | None = None) -> list[Row]:
    """Run a statement that answers rows; binary both ways, for bytea costs 4 times less than as text."""
    cursor = tx.cursor(binary=True)
    await cursor.execute(statement, parameters)
    return await cursor.fetchall()


async def rows_each(tx: Transaction, *asked: Asked) -> list[list[Row]]:
    """Several statements that answer rows, in one trip."""
    cursors = [tx.cursor(binary=True) for _ in asked]
    for cursor, (statement, parameters) in zip(cursors, asked, strict=True):
        await cursor.execute(statement, parameters)
    return [await cursor.fetchall() for cursor in cursors]


async def run(tx: Transaction, statement: LiteralString, parameters: Mapping[str, object] | None = None) -> None:
    """Run a statement for its effect; should it fail, the next thing that is asked says so, or the commit."""
    await tx.cursor(binary=True).execute(statement, parameters)


async def may_read_by_ranges(tx: Transaction) -> None:
    """What reads much of a table in this transaction may take it by ranges, as the loop's own statements may not."""
    await run(tx, "set local enable_bitmapscan = on")


def columns(names: tuple[str, ...], records: list[Row]) -> dict[str, object]:
    """Records turned into one array per column, as UNNEST takes them."""
    return {name: [record[at] for record in records] for at, name in enumerate(names)}
