"""A database's clock that is put forward lets nobody look too early, and one that is put back lets nobody wait for good.

Put forward by ten minutes here: everything that the database has on record is as much older as it would look then.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from crossdock.deliver.timekeeping import Timekeeper
from crossdock.kernel.ids import digest
from crossdock.kernel.moments import to_micros
from crossdock.settle.translation import hint, translate
from crossdock.store import documents, inbox
from crossdock.store.database import Database, rows, run
from crossdock.store.documents import Statement
from crossdock.store.inbox import Part, Pending
from crossdock.store.leases import Leases
from tests.stage import Stage, message, order, shipment, staged, told
from tests.standin.target import Target

_LONGEST, _LEASE_SECONDS = {"erp": 1800.0, "shop": 1e6}, 10.0
_READY, _CALLING, _ACCEPTED, _DOUBTFUL = range(4)


def _keeper(database: Database) -> Timekeeper:
    return Timekeeper(database, _LONGEST, _LEASE_SECONDS)


async def _wait(database: Database, promise: int, stage: int, seconds: float) -> None:
    async with database.transaction() as tx:
        await run(
            tx,
            "insert into due (promise, entity, target, priority, due_at, stage, ordinal, deadline, document) values"
            " (%(promise)s, 'order:shop:1', 'erp', 0, now() + make_interval(secs => %(seconds)s), %(stage)s, 1, now(), '')",
            {"promise": promise, "stage": stage, "seconds": seconds},
        )


async def _put_forward(database: Database, seconds: float) -> None:
    async with database.transaction() as tx:
        by = {"seconds": seconds}
        await run(tx, "update due set due_at = due_at - make_interval(secs => %(seconds)s)", by)
        await run(tx, "update clock set looked_at = looked_at - make_interval(secs => %(seconds)s)", by)


async def _waits(database: Database) -> list[Any]:
    """How many seconds each has to wait still, in order; a slow machine takes some for a test itself."""
    async with database.transaction() as tx:
        found = await rows(tx, "select extract(epoch from due_at - now())::float8 from due order by promise")
    return [pytest.approx(row[0], abs=20) for row in found]


async def test_searches_and_leases_wait_on_when_the_clock_was_put_forward_and_nothing_else_does(
    database_url: str,
) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        for promise, stage in enumerate((_READY, _CALLING, _ACCEPTED, _DOUBTFUL)):
            await _wait(database, promise, stage, 60)
        await _wait(database, 9, _DOUBTFUL, -1)
        await _put_forward(database, 600)
        await _keeper(database).begin()
        assert await _waits(database) == [-540, 60, -540, 60, -601]


async def test_what_was_put_off_by_one_process_is_not_put_off_again_by_another(database_url: str) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        await _wait(database, 1, _DOUBTFUL, 60)
        await _put_forward(database, 600)
        for _ in range(3):
            await _keeper(database).begin()
        assert await _waits(database) == [60]


async def test_time_that_passed_while_a_process_watched_has_passed(database_url: str) -> None:
    async with Database(database_url) as database:
        keeper = Timekeeper(database, _LONGEST, lease_seconds=0.0)
        await keeper.begin()
        await _wait(database, 1, _DOUBTFUL, 60)
        async with database.transaction() as tx:
            await rows(tx, "select pg_sleep(1.2)")
        await keeper.look()
        async with database.transaction() as tx:
            [(late,)] = await rows(tx, "select due_at < now() + interval '59 seconds' from due")
        assert late


async def test_what_began_to_wait_after_the_clock_was_put_forward_waits_no_longer_for_it(database_url: str) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        await _put_forward(database, 86_400)
        await _wait(database, 1, _DOUBTFUL, 60)
        await _keeper(database).begin()
        assert await _waits(database) == [60]


async def test_nothing_waits_a_day_because_the_clock_is_put_back_by_one(database_url: str) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        for promise, stage in enumerate((_READY, _CALLING, _ACCEPTED, _DOUBTFUL)):
            await _wait(database, promise, stage, 60)
        await _put_forward(database, -86_400)
        await _keeper(database).begin()
        assert await _waits(database) == [60, 60, 86_460, 60]


async def test_what_was_heard_and_read_by_a_clock_a_day_ahead_is_overtaken_as_soon_as_that_is_put_right(
    database_url: str,
) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        tomorrow, entity = datetime.now(UTC) + timedelta(days=1), "order:shop:7"

        async def known(heard: datetime, body: bytes) -> frozenset[str]:
            reading = Statement(
                "shop", "order", "7", entity, entity, (1, 5, to_micros(heard)), digest(body), False, body
            )
            async with database.transaction() as tx:
                told = hint("shop", "order", "7", entity, (1, to_micros(heard)))
                return (await documents.merge(tx, [reading])).changed & (await documents.merge(tx, [told])).changed

        assert await known(tomorrow, b"{}")
        await _put_forward(database, -86_400)
        assert not await known(datetime.now(UTC), b"[]")
        await _keeper(database).begin()
        async with database.transaction() as tx:
            assert await rows(tx, "select entity from dirty") == [(entity,)]
        assert await known(datetime.now(UTC), b"[]")


async def test_what_was_worked_out_by_a_clock_a_day_ahead_is_worked_out_again_as_soon_as_that_is_put_right(
    database_url: str,
) -> None:
    """A refund that tomorrow's limit had no room for, say, would wait for the day after."""
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        for number, ahead in (("1", "1 day"), ("2", "0 days")):
            await stage.tell(told(order(number), 3))
            await stage.run()
            stage.sql(
                f"update entity set settled_at = settled_at + interval '{ahead}' where key = 'order:shop:{number}'"
            )
        stage.sql("update clock set looked_at = now() + interval '1 day'")
        assert stage.rows("select entity from dirty") == []
        await stage.hub.timekeeper.look()
        assert stage.rows("select entity from dirty") == [("order:shop:1",)]
        await stage.run()
        assert stage.count("select count(*) from entity where settled_at > now()") == 0


async def test_newer_rules_owe_nothing_for_what_earlier_ones_saw_under_a_clock_a_day_ahead(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target:
        async with staged(database_url, target, mail=False) as stage:
            await stage.tell(placed, shipment("s1", placed))
            await stage.run()
            for moment in ("recorded_at", "changed_at", "raised_at"):
                stage.sql(f"update document set {moment} = {moment} + interval '1 day'")
            stage.sql("update entity set settled_at = settled_at + interval '1 day'")
            stage.sql("update clock set looked_at = now() + interval '1 day'")
            await stage.hub.timekeeper.look()
            await stage.run()
        async with staged(database_url, target) as stage:
            await stage.tell(told(msgspec.structs.replace(placed, payment="paid"), 2))
            await stage.run()
            assert target.effects("parcel_notice") == []
            assert stage.rows("select name from withheld") == [("parcel_notice:s1",)]


async def test_a_reading_of_a_clock_a_day_ahead_is_of_the_past_in_a_replay_too(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1"), 3))
        stage.sql("update clock set looked_at = now() + interval '1 day'")
        ahead = to_micros(datetime.now(UTC) + timedelta(days=1))
        stage.sql("update inbox set observed = %s, received_at = received_at + interval '1 minute'", ahead)
        await stage.hub.timekeeper.look()
        assert 0 < stage.count("select observed from inbox") < to_micros(datetime.now(UTC))


async def test_what_was_heard_under_a_clock_that_was_put_back_is_nothing_new_in_a_replay(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.receive(message("shop", told(order("1")), topic="changed"))
        stage.sql("update inbox set received_at = received_at + interval '5 minutes'")
        (heard,) = await _heard(stage)
        assert await _merge(stage, replace(heard, heard_at=heard.received_at))
        for minutes in (10, 60):  # twice, of which nothing is left to be dated back by the second
            stage.sql(f"update clock set looked_at = now() + interval '{minutes} minutes'")
            await stage.hub.timekeeper.look()
            (heard,) = await _heard(stage)
            assert heard.heard_at < datetime.now(UTC)
            assert not await _merge(stage, heard)


async def test_what_came_before_anybody_saw_that_the_clock_was_put_back_is_no_history(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1"), 3))
        await stage.receive(message("shop", told(order("1")), topic="changed"))
        await stage.settle()
        stage.sql("update inbox set received_at = received_at + interval '1 day'")
        day = 86_400_000_000
        stage.sql("update document set token = token + %s where kind = 'hint:order'", day)
        stage.sql("update clock set looked_at = now() + interval '1 day'")
        await stage.receive(message("shop", told(order("1")), topic="changed"))
        await stage.settle()
        fetches = "select name from promise where starts_with(name, 'fetch:')"
        before = stage.rows(fetches)
        await stage.hub.timekeeper.look()
        assert stage.count("select count(*) from inbox_pending") == 1
        await stage.settle()
        assert stage.rows(fetches) != before
        (heard,) = [each for each in await _heard(stage) if each.received_at <= datetime.now(UTC)]
        assert not await _merge(stage, heard)


async def test_what_came_while_its_reader_had_begun_was_heard_when_it_came(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        async with stage.database.transaction() as tx:
            await rows(tx, "select now()")
            await stage.receive(told(order("1")))
            (taken,) = await inbox.take_pending(tx, 1)
        assert taken.heard_at == taken.received_at == (await _heard(stage))[0].heard_at


async def _heard(stage: Stage) -> list[Pending]:
    async with stage.database.transaction() as tx:
        part = Part(datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=2))
        return list(await inbox.read_part(tx, part))


async def _merge(stage: Stage, heard: Pending) -> frozenset[str]:
    async with stage.database.transaction() as tx:
        return (await documents.merge(tx, translate([heard], stage.hub.settings.translators).statements)).changed


async def test_what_a_process_holds_that_died_under_a_clock_a_day_ahead_is_free_when_that_is_put_right(
    database_url: str,
) -> None:
    async with Database(database_url) as database:
        await _keeper(database).begin()
        dead = Leases(database, "1", ttl_seconds=1.0)
        await dead.beat()
        await _put_forward(database, -86_400)
        async with database.transaction() as tx:
            await run(tx, "update bucket set until = until + interval '1 day' where owner is not null")
            await run(tx, "update worker set beat_at = beat_at + interval '1 day'")
        await _keeper(database).begin()
        assert len(await Leases(database, "1", ttl_seconds=1.0).beat()) == 256


async def test_a_clock_is_believed_as_long_as_no_more_time_passes_by_it_than_really_does(database_url: str) -> None:
    keeper, noon = _keeper(Database(database_url)), datetime.fromisoformat("2026-11-22T12:00:00Z")
    began = time.monotonic() - 60
    assert keeper.believes(began, noon)
    assert keeper.believes(began + 30, noon + timedelta(seconds=30))
    assert not keeper.believes(began + 31, noon + timedelta(seconds=90))
    assert keeper.believes(began + 32, noon - timedelta(days=1))
    assert not keeper.believes(began + 33, noon + timedelta(seconds=33))
