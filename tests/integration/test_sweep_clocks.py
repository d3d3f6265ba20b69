"""Sweeps and a database's clock that was a day ahead: as soon as it is put right, nothing waits for that day to come again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crossdock.kernel.moments import to_micros
from tests.integration.sweeping import Swept, an_order, many, swept
from tests.stage import message
from tests.standin.lists import PAGE


async def test_what_was_heard_under_a_clock_a_day_ahead_can_be_found_changed_and_gone_as_soon_as_that_is_put_right(
    database_url: str,
):
    async with swept(database_url) as at:
        many(at, 3)
        await at.swept("order")
        at.sql("update document set raised_at = raised_at + interval '1 day'")
        await _put_right(at)
        at.source.remove("order", "2")
        at.source.put(an_order("3", number="#3003"))  # which its version does not show
        assert (await at.swept("order")).differing == 2
        assert [(thing, cause) for _, thing, cause in (await at.causes())[-2:]] == [("3", "changed"), ("2", "gone")]


async def test_a_pass_that_began_under_a_clock_a_day_ahead_begins_anew(database_url: str):
    async with swept(database_url) as at:
        many(at, PAGE + 1)
        sweeper = at.sweeper()
        await sweeper.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        assert await sweeper.round() == 1  # the first page
        at.sql("update sweep set began_at = began_at + interval '1 day' where run is not null")
        await _put_right(at)
        assert at.count("select count(*) from sweep_part") == 0
        found = await at.swept("order")
        assert (found.listed, found.pages, found.verdict) == (PAGE + 1, 2, "complete")
        assert found.began_at < found.ended_at


async def test_a_page_asked_for_under_a_clock_a_day_ahead_is_asked_for_again(database_url: str):
    async with swept(database_url) as at:
        at.source.put(an_order("1"))
        sweeper = at.sweeper()
        await sweeper.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        at.source.slow_seconds = 1.0
        asking = asyncio.create_task(sweeper.round())
        for _ in range(200):
            if "/list/order" in at.source.calls:
                break
            await asyncio.sleep(0.05)
        await _put_right(at)
        await asking
        assert at.count("select pages from sweep where kind = 'order' and whole") == 0
        assert (await at.swept("order")).listed == 1


async def test_a_list_that_was_to_be_swept_in_an_hour_of_a_clock_a_day_ahead_is_swept_in_an_hour(database_url: str):
    async with swept(database_url) as at:
        await at.sweeper().plan()
        at.sql("update sweep set next_at = now() + interval '25 hours', verified_at = null")
        await _put_right(at)
        seconds = at.count("select min(extract(epoch from next_at - now())) from sweep")
        assert 3000 < seconds <= 3600


async def test_what_is_read_next_counts_though_a_clock_a_day_ahead_says_when_the_last_reading_began(database_url: str):
    async with swept(database_url) as at:
        first, second = an_order("1"), an_order("1", number="#2")
        ahead = to_micros(datetime.now(UTC) + timedelta(days=1))
        await at.tell(replace(message("shop", first), observed=ahead))
        await at.tell(replace(message("shop", second), observed=to_micros(datetime.now(UTC))))
        assert at.held("order", "1")["number"] == "#2"


async def _put_right(at: Swept) -> None:
    """The clock was a day ahead when somebody last looked."""
    at.sql("update clock set looked_at = now() + interval '1 day'")
    await at.hub.timekeeper.look()
