"""A source that was set back is noticed; a read that was merely overtaken is not taken for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crossdock.kernel.ids import digest
from crossdock.kernel.moments import to_micros
from crossdock.store import documents
from crossdock.store.database import Database, rows, run
from crossdock.store.documents import Statement


def order(token: int, read_at: datetime | None = None, heard_at: datetime | None = None) -> Statement:
    body = b'{"version":%d}' % token
    observed = to_micros(read_at) if read_at else 0
    entity = "order:shop:1"
    version, heard = (1, token, observed), to_micros(heard_at) if heard_at else 0
    return Statement("shop", "order", "1", entity, "order:shop:1", version, digest(body), False, body, "", heard)


async def test_a_read_that_began_before_the_newer_message_came_is_no_regression(database_url: str) -> None:
    overtaken = datetime.now(UTC) - timedelta(seconds=20)
    async with Database(database_url) as database, database.transaction() as tx:
        await documents.merge(tx, [order(5)])
        assert (await documents.merge(tx, [order(4, read_at=overtaken)])).regressed == ()


async def test_a_read_that_began_well_after_a_newer_version_was_known_shows_that_the_source_was_set_back(
    database_url: str,
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)
    async with Database(database_url) as database, database.transaction() as tx:
        await documents.merge(tx, [order(5)])
        assert [s.version[1] for s in (await documents.merge(tx, [order(4, read_at=later)])).regressed] == [4]


async def test_what_is_written_over_was_changed_before_also_by_who_began_later(database_url: str) -> None:
    """Nothing was changed before it was known, and every change has a moment of its own, by which hints are told apart."""
    async with Database(database_url) as database:
        async with database.transaction() as early:
            await run(early, "select now()")
            async with database.transaction() as late:
                await run(late, "select pg_sleep(0.01)")
                await documents.merge(late, [order(4)])
            await documents.merge(early, [order(5)])
        async with database.transaction() as tx:
            (after,) = await rows(tx, "select changed_at > recorded_at from document")
    assert after == (True,)


async def test_a_read_that_began_before_the_clock_was_put_back_is_no_regression(database_url: str) -> None:
    now = datetime.now(UTC)
    async with Database(database_url) as database, database.transaction() as tx:
        await documents.merge(tx, [order(5)])
        read = order(4, read_at=now + timedelta(days=1), heard_at=now)
        assert (await documents.merge(tx, [read])).regressed == ()
