"""Two changes within one tick of a source's clock: neither is lost, whichever way the other was heard of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.kernel.ids import digest
from crossdock.kernel.moments import to_micros
from crossdock.store import documents
from crossdock.store.database import Database, rows
from crossdock.store.documents import Merged, Statement

NOW = datetime.now(UTC)


def told(
    body: bytes, read_at: datetime | None = None, heard: datetime = NOW, version: tuple[int, int, int] | None = None
) -> Statement:
    """A body under one and the same version; pushed by the source, or read by us from that moment on."""
    observed, key = to_micros(read_at) if read_at else 0, "order:shop:7"
    version = version or (1, 5, observed)
    return Statement("shop", "order", "7", key, key, version, digest(body), False, body, "", to_micros(heard))


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
        assert not (await merged(database, told(b"[]", NOW + timedelta(hours=1)))).tied


async def test_a_message_that_contradicts_what_was_read_is_a_tie(database_url: str) -> None:
    async with Database(database_url) as database:
        await merged(database, told(b"[]", NOW))
        assert (await merged(database, told(b"{}", heard=NOW + timedelta(seconds=1)))).tied
        assert not (await merged(database, told(b"{}", heard=NOW - timedelta(seconds=1)))).tied


async def test_a_message_and_a_reading_in_one_batch_tie_where_the_reading_began_first(database_url: str) -> None:
    """It is the message that asks for another reading: this one may have been a tie's before, and asks no second time."""
    began = NOW - timedelta(seconds=1)
    for first, second in ((told(b"{}"), told(b"[]", began)), (told(b"[1]", began), told(b"{1}"))):
        async with Database(database_url) as database:
            message = second if first.version[2] else first
            assert (await merged(database, first, second)).tied == (message,)


async def test_a_reading_in_the_same_batch_that_began_after_the_message_settles_it(database_url: str) -> None:
    async with Database(database_url) as database:
        assert not (await merged(database, told(b"{}"), told(b"[]", NOW + timedelta(hours=1)))).tied


@pytest.mark.parametrize("held_before", [False, True])
async def test_two_bodies_of_one_version_that_are_stored_at_the_same_moment_tie(
    database_url: str, held_before: bool
) -> None:
    """Whoever waits for the other's commit looks at what was held before it."""
    async with Database(database_url) as database:
        if held_before:
            await merged(database, told(b"old", version=(1, 4, 0)))
        higher, lower = sorted((told(b"{}"), told(b"[]")), key=lambda each: each.digest, reverse=True)
        async with database.transaction() as first:
            await documents.merge(first, [higher])
            second = asyncio.create_task(merged(database, lower))
            await _until_it_waits(database)
        assert (await second).tied == (lower,)


async def _until_it_waits(database: Database) -> None:
    while True:
        async with database.transaction() as tx:
            if (await rows(tx, "select exists (select from pg_locks where not granted)"))[0][0]:
                return
        await asyncio.sleep(0.01)


async def test_messages_that_contradict_each_other_come_again_and_are_settled_by_the_reading_since(
    database_url: str,
) -> None:
    async with Database(database_url) as database:
        assert (await merged(database, told(b"{}"), told(b"[]"))).tied
        await merged(database, told(b"[]", NOW + timedelta(hours=1)))
        assert not (await merged(database, told(b"[]"), told(b"{}"))).tied
