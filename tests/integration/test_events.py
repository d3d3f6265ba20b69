"""The feed of events: whole, in an order nothing is ever added before, only one's own, and the same when read again."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import psycopg

from tests.desk import Desk, desk
from tests.integration.test_authorisation import TWO_TENANTS
from tests.stage import customer, order, shipment, told

_ALL_READABLE = (
    "select coalesce(bool_and(xid < pg_snapshot_xmin(pg_current_snapshot())), true)::int from event"
    " where past = coalesce((select number from past), 0)"
)


async def page(at: Desk, after: str = "", *, who: str = "feed", **more: Any) -> Any:
    """One page, once all there is can be read: transactions in other databases of the same server hold it up, too."""
    for _ in range(400):
        if at.stage.count(_ALL_READABLE):
            break
        await asyncio.sleep(0.05)
    return await page_now(at, after, who=who, **more)


async def page_now(at: Desk, after: str = "", *, who: str = "feed", **more: Any) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in ({"after": after} | more).items() if value != "")
    status, said = await at.ask("GET", f"/v1/events?{asked}" if asked else "/v1/events", who=who)
    assert status == 200, said
    return said


async def followed(at: Desk, limit: int = 2, **more: Any) -> list[dict[str, Any]]:
    """Everything from the beginning, a page at a time."""
    found: list[dict[str, Any]] = []
    said = await page(at, limit=limit, **more)
    while True:
        found += said["events"]
        if not said["more"]:
            return found
        said = await page(at, said["next"], limit=limit, **more)


async def test_what_changes_is_told_once_and_the_same_when_read_again(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.admit("feed", ["events:read"])
        placed = order(skus=["MUG", "TEA"])
        await at.stage.tell(shipment("S1", placed), customer())
        await at.stage.tell(told(order(skus=["MUG", "TEA"], email="new@example.com"), 2))
        events = await followed(at)
        assert [(each["type"], each["subject"]) for each in events] == [
            ("crossdock.order.recorded", "order:shop:1"),
            *sorted(
                [("crossdock.customer.recorded", "customer:shop:c1"), ("crossdock.shipment.recorded", "order:shop:1")],
                key=lambda each: [e["type"] for e in events].index(each[0]),
            ),
            ("crossdock.order.changed", "order:shop:1"),
        ]
        assert len({each["id"] for each in events}) == 4
        [parcel] = await followed(at, kind="shipment")
        assert parcel["data"] == {
            "fact": "shipment:warehouse:S1", "kind": "shipment", "told_by": "warehouse", "document": "S1",
        }  # fmt: skip
        assert (await at.ask("GET", parcel["dataref"], who="reader"))[0] == 200
        assert "example.com" not in repr(events)
        await at.stage.replay()
        await at.stage.settle()
        assert await followed(at) == events
        last = (await page(at))["next"]
        await at.stage.tell(order("2"))
        assert [each["subject"] for each in (await page(at, last))["events"]] == ["order:shop:2"]


async def test_a_slow_transaction_s_events_are_missed_by_nobody(database_url: str) -> None:
    """Many writers that commit in any order, and a reader that follows them: it sees each event once, in one order."""
    async with desk(database_url) as at:
        await at.admit("feed", ["events:read"])
        luck, seen, cursor, stop = random.Random(7), list[str](), "", asyncio.Event()

        async def write(nth: int) -> None:
            wait = luck.random() / 3
            async with await psycopg.AsyncConnection.connect(database_url) as connection:
                await connection.execute(
                    "insert into document select 'shop', 'order', %s, 'order:shop:' || %s, 'f', 1, 1, 0, '', false, now(),"
                    " now(), now(), '{}'",
                    (str(nth), str(nth)),
                )
                await asyncio.sleep(wait)

        async def follow() -> None:
            nonlocal cursor
            while not stop.is_set() or len(seen) < 41:
                said = await page_now(at, cursor, limit=5)
                seen.extend(each["subject"] for each in said["events"])
                cursor = said["next"]
                await asyncio.sleep(0.01)

        following = asyncio.create_task(follow())
        await asyncio.gather(*(write(nth) for nth in range(100, 140)))
        stop.set()
        await asyncio.wait_for(following, 20)
        assert sorted(seen) == sorted({"order:shop:1", *(f"order:shop:{nth}" for nth in range(100, 140))})
        assert seen == [each["subject"] for each in await followed(at, limit=100)]


async def test_nobody_follows_anothers_orders(database_url: str) -> None:
    async with desk(database_url, more=TWO_TENANTS) as at:
        for name, tenant, channel in (("feed", "main", ""), ("north", "north", ""), ("market", "main", "market")):
            await at.admit(name, ["events:read"], tenant, channel)
        assert len(await followed(at)) == 1
        for who in ("north", "market"):
            said = await page(at, who=who)
            assert (said["events"], said["more"]) == ([], False)
            assert (await page(at, said["next"], who=who))["events"] == []
        status, said = await at.ask("GET", f"/v1/events?after={(await page(at))['next']}", who="north")
        assert (status, said["field"]) == (422, "after")


async def test_a_cursor_is_ours_and_good_for_its_filter_alone(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.admit("feed", ["events:read"])
        good = (await page(at, kind="order"))["next"]
        altered = ("B" if good[5] == "A" else "A").join((good[:5], good[6:]))
        for query in (
            f"after={good}",
            f"after={good}&kind=shipment",
            f"kind=order&after={altered}",
            f"kind=order&after={good[:-4]}",
            "after=AAAA",
            "after=%00",
            "limit=0",
            "limit=1001",
            "limit=x",
            "kind=nothing",
            "unknown=1",
            "limit=1&limit=2",
            "=",
        ):
            status, said = await at.ask("GET", f"/v1/events?{query}", who="feed")
            assert (status, said["type"]) == (422, "urn:crossdock:problem:unfit"), query
        assert (await page(at, good, kind="order"))["events"] == []


async def test_events_past_retention_are_not_skipped_in_silence(database_url: str) -> None:
    async with desk(database_url, hub={"keep_inbox_days": 0}) as at:
        await at.admit("feed", ["events:read"])
        said = await page(at)
        status, told_ = await at.ask("GET", f"/v1/events?after={said['next']}", who="feed")
        assert (status, told_["type"]) == (410, "urn:crossdock:problem:too-old")


async def test_a_database_that_was_set_back_goes_on_after_what_was_read(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.admit("feed", ["events:read"])
        at.stage.sql(
            "insert into past (id, number, beat_at) values ('x', 1, now()) on conflict (one) do update set number = 1"
        )
        await at.stage.tell(order("2"))
        ahead = (await page(at))["next"]
        at.stage.sql("update past set number = 2")
        at.stage.sql("update event set xid = '999999999999' where past = 1")  # of a server whose count was far ahead
        await at.stage.tell(order("3"))
        assert [each["subject"] for each in (await page(at, ahead))["events"]][-1] == "order:shop:3"
        assert len(await followed(at)) == 3
