"""Two changes within one tick of a source's clock: neither is lost, whichever way the other was heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crossdock.kernel.ids import digest
from crossdock.kernel.moments import to_micros
from crossdock.store import documents
from crossdock.store.database import Database
from crossdock.store.documents import Merged, Statement

NOW = datetime.now(UTC)


def told(body: bytes, read_at: datetime | None = None) -> Statement:
    """A body under one and the same version; pushed by the source, or read by us from that moment on."""
    observed = to_micros(read_at) if read_at else 0
    return Statement("shop", "order", "7", "order:shop:7", "order:shop:7", (1, 5, observed), digest(body), False, body)


async def merged(database: Database, *statements: Statement) -> Merged:
    async with database.transaction() as tx:
        return await documents.merge(tx, statements)


async def test_a_reading_that_was_under_way_when_another_body_came_is_a_tie(database_url: str) -> None:
    async with Database(database_url) as database:
        await merged(database, told(b"{}"))
        assert (await merged(database, told(b"[]", NOW - timedelta(seconds=5)))).tied


async def test_a_reading_that_began_after_the_other_body_was_held_settles_it(database_url: str) -> None:
    async with Database(database_url) as database:
        await merged(database, told(b"{}"))
        assert not (await merged(database, told(b"[]", NOW + timedelta(minutes=5)))).tied


async def test_a_message_that_contradicts_what_was_read_is_a_tie(database_url: str) -> None:
    async with Database(database_url) as database:
        await merged(database, told(b"[]", NOW))
        assert (await merged(database, told(b"{}"))).tied


async def test_a_message_and_a_reading_in_one_batch_tie_in_either_order(database_url: str) -> None:
    async with Database(database_url) as database:
        assert (await merged(database, told(b"{}"), told(b"[]", NOW))).tied
    async with Database(database_url) as database:
        assert (await merged(database, told(b"[1]", NOW + timedelta(hours=1)), told(b"{}"))).tied
