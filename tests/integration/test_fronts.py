"""Looking for work: what is gone lies in nobody's way, however long it can't be vacuumed, and what comes late is found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import LiteralString

import psycopg

from tests.stage import Stage, order, staged
from tests.standin.target import Target

GONE, ROUNDS = 2000, 10
_COME: dict[str, LiteralString] = {
    "due": "insert into due (promise, entity, target, priority, due_at, ordinal, deadline, document)"
    " select n, 'order:shop:gone', 'erp', 1, now() - interval '1 minute' + n * interval '1 ms', 1, now(), ''"
    " from generate_series(1000001, 1000000 + %s) n",
    "dirty": "insert into dirty select 'order:shop:gone' || n, n %% 256, now() - interval '1 minute'"
    " from generate_series(1, %s) n",
    "inbox_pending": "insert into inbox_pending (id, received_at, since)"
    " select n, now(), now() - interval '1 minute' from generate_series(1000001, 1000000 + %s) n",
}
_READ = "select idx_scan, idx_tup_read from pg_stat_user_indexes where indexrelname = %s"
_LATE: tuple[LiteralString, ...] = (
    "update inbox_pending set since = now() - interval '1 hour'",
    "update dirty set since = now() - interval '1 hour'",
    "update due set due_at = now() - interval '1 hour' where target = 'erp'",
)
Step = Callable[[], Awaitable[int]]
_INDEX = {"due": "due_claim", "dirty": "dirty_since", "inbox_pending": "inbox_pending_since"}


async def test_nobody_who_looks_for_work_walks_through_what_is_gone_while_a_snapshot_keeps_it(
    database_url: str,
) -> None:
    with psycopg.connect(database_url) as report:
        report.execute("set transaction isolation level repeatable read")
        report.execute("select 1")
        async with Target().serve() as target, staged(database_url, target) as stage:
            _come_and_go(stage)
            for step in _steps(stage, again_seconds=600.0):
                assert [await step() for _ in range(ROUNDS)] == [0] * ROUNDS
        read = {table: await _entries_read(database_url, table) for table in _COME}
    assert all(GONE <= entries < 3 * GONE for entries in read.values()), read


async def test_what_came_into_a_queue_late_is_found_with_its_next_front(database_url: str) -> None:
    """Its transaction took so long that the front had moved on before it was committed."""
    async with Target().serve() as target, staged(database_url, target) as stage:
        for step in _steps(stage, again_seconds=0.25):
            assert await step() == 0
        await stage.receive(order())
        for step, late in zip(_steps(stage, again_seconds=0.25), _LATE, strict=True):
            stage.sql(late)
            await _until_done(step)
        assert target.ledger.select("sales_order")


def _come_and_go(stage: Stage) -> None:
    for table, come in _COME.items():
        stage.sql(come, GONE)
        stage.sql(f"delete from {table}")


def _steps(stage: Stage, *, again_seconds: float) -> list[Step]:
    """Translating, settling, and delivering to the ERP."""
    [lane] = [each for each in stage.hub.lanes if each.line.connection == "erp"]
    for front in (stage.hub.pending, stage.hub.dirty, lane.front):
        front.again_seconds = again_seconds
    return [stage.hub.translate, stage.hub.settle, lane.round]


async def _until_done(step: Step) -> None:
    async with asyncio.timeout(60):
        while True:
            if await step():
                return
            await asyncio.sleep(0.02)


async def _entries_read(url: str, table: str) -> int:
    """Entries of its index; told once the sessions that read them have ended."""
    async with asyncio.timeout(60), await psycopg.AsyncConnection.connect(url, autocommit=True) as sql:
        while True:
            [[looks, entries]] = await (await sql.execute(_READ, [_INDEX[table]])).fetchall()
            if looks >= ROUNDS:
                return entries
            await asyncio.sleep(0.05)
