"""Claiming 200 promises when a thousand, a hundred thousand or a million of them are due."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psycopg

from bench.figures import show
from bench.stage import staged
from crossdock.store import delivery
from crossdock.store.database import Database

BACKLOGS = (1_000, 100_000, 1_000_000)
RUNS = 3
_CLAIM = 200
_BATCH_RUNS = 7

# Three promises an order, of three priorities, all of them due at the ERP.
_FILL = """
with numbered as (
    select n, 'order:shop:' || (6000000000000 + n / 3) as entity,
           (array['sale', 'shipment_order', 'order_reference'])[1 + n %% 3] as name
    from generate_series(%(first)s, %(until)s - 1) n
), entities as (
    insert into entity (key, bucket, revision, settled, settled_at)
    select entity, (n / 3) %% 256, 1, 1, now() from numbered on conflict do nothing
), bodies as (
    insert into promise (id, entity, name, verb, target, noun, cause, cause_recorded_at, code, in_flight, revision,
                         opened_at, first_ordinal, document, needs, within, pins, repair, digest, body)
    select n, entity, name, 2, 'erp', 'sales_order', 'order:shop:' || n, now(), '\\x00', false, 1, now(), 1, name,
           '{}', '[]', '{}', false, '\\x00', convert_to(repeat('an order of five lines, ', 60), 'UTF8')
    from numbered
)
insert into due (promise, entity, target, priority, due_at, ordinal, deadline, document)
select n, entity, 'erp', 1 + n %% 3, now() - interval '1 hour' + n * interval '1 ms', 1, now() + interval '1 hour', name
from numbered
"""


def measure() -> None:
    """The whole statement with its rows fetched, in a transaction that is rolled back."""
    with staged() as stage:
        filled = 0
        for backlog in BACKLOGS:
            _fill(stage.sql, filled, backlog)
            filled = backlog
            runs = asyncio.run(_claims(stage.url))
            show("backlog", f"claim 200 of {backlog:,} due", runs, "ms")


def _fill(sql: psycopg.Connection, first: int, until: int) -> None:
    sql.execute(_FILL, {"first": first, "until": until})
    for table in ("entity", "promise", "due"):
        sql.execute(f"vacuum analyze {table}")  # pyright: ignore[reportArgumentType,reportCallIssue]


async def _claims(url: str) -> list[float]:
    """Milliseconds of a claim: three times the median of a few, on one connection that has its plans already."""
    async with Database(url, by_key=True) as database:
        await _claim(database)
        return [sorted([await _claim(database) for _ in range(_BATCH_RUNS)])[_BATCH_RUNS // 2] for _ in range(RUNS)]


class _Undone(Exception):
    """Ends the transaction without a trace."""


async def _claim(database: Database) -> float:
    took = 0.0
    with contextlib.suppress(_Undone):
        async with database.transaction() as tx:
            began = time.perf_counter()
            claimed = await delivery.claim(tx, "erp", _CLAIM, 60.0)
            took = time.perf_counter() - began
            assert len(claimed) == _CLAIM
            raise _Undone
    return 1000 * took
