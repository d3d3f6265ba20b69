"""The notifiers of one process are shared: whoever's receivers keep silent doesn't keep others from being told."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

from crossdock.gateway.notifying import Notifier
from crossdock.gateway.sharing import Share
from tests.integration.receivers import receiving
from tests.integration.test_subscriptions import SCOPES, telling
from tests.stage import order

_SILENT_SECONDS = 60.0
_READABLE = "select bool_and(xid < pg_snapshot_xmin(pg_current_snapshot()))::int from event"


async def _until(what: Callable[[], object], seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not what():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.02)


async def test_a_consumer_whose_receivers_keep_silent_keeps_nobody_else_from_being_told(database_url: str) -> None:
    async with telling(database_url, lambda _: _SILENT_SECONDS, timeout_seconds=25) as it, receiving() as other:
        await it.at.admit("other", SCOPES)
        for _ in range(6):
            await it.subscribe()
        await it.subscribe("other", url=other.url)
        await it.at.stage.tell(order("2"))
        await _until(lambda: it.at.stage.count(_READABLE), 40)  # others' transactions on this server hold it back
        it.at.stage.sql("update subscription set next_at = now() - interval '1 hour' where consumer = 'feed'")
        it.at.stage.sql("update subscription set next_at = now() where consumer = 'other'")
        share = Share(4)
        notifiers = [Notifier(it.at.stage.database, it.notifier.settings, it.notifier.box, share) for _ in range(4)]

        async def tell(notifier: Notifier) -> None:
            while True:
                await notifier.round()
                await asyncio.sleep(0.01)

        telling_ = [asyncio.create_task(tell(each)) for each in notifiers]
        try:
            await _until(lambda: other.taken, 20)  # less than one silence
            await _until(lambda: len(it.receiver.sent) >= 3, 20)  # who is slow has all the rest
        finally:
            for each in telling_:
                each.cancel()
            await asyncio.gather(*telling_, return_exceptions=True)
            await asyncio.gather(*(each.close() for each in notifiers))


async def test_nobody_has_all_turns_and_whoever_has_none_is_first(database_url: str) -> None:
    """At random, over many turns: never all four of one consumer; with free ones left, everybody who is due is told."""
    luck = random.Random(7)
    async with telling(database_url) as it:
        names = ("feed", "north", "south")
        for name in names[1:]:
            await it.at.admit(name, SCOPES)
        for name, count in zip(names, (6, 2, 1), strict=True):
            for _ in range(count):
                await it.subscribe(name)
        share, held = Share(4), list[tuple[str, AsyncExitStack]]()
        for _ in range(30):
            if held and (len(held) == 4 or luck.random() < 0.4):
                await held.pop(luck.randrange(len(held)))[1].aclose()
                continue
            # Every turn is over in the database, and each subscription due: who gets it is the share's to say.
            it.at.stage.sql(
                "update subscription set until = '-infinity', next_at = now() - random() * interval '1 hour'"
            )
            stack, before = AsyncExitStack(), Counter(name for name, _ in held)
            turn = await stack.enter_async_context(share.turn(it.at.stage.database, 60))
            assert turn is not None
            assert before[turn.consumer] < 3
            assert not before[turn.consumer] or set(before) == set(names), (turn.consumer, before)
            held.append((turn.consumer, stack))
        for _, stack in held:
            await stack.aclose()


async def test_a_notifier_alone_tells_whoever_there_is(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        for _ in range(2):
            async with Share().turn(it.at.stage.database, 0) as turn:
                assert turn is not None
