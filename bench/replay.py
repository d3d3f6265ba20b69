"""A hundred thousand settled orders put back into the inbox and translated again: nothing new may come of it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from bench import webhooks
from bench.figures import show
from bench.orders import WORK, warm
from bench.stage import Stage, staged
from crossdock.store import inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Part

ORDERS = 100_000
RUNS = 3
_CHUNK = 10_000
_WAIT_SECONDS = 300.0


def measure() -> None:
    """All of them went through the hub for real beforehand."""
    rates: list[float] = []
    intents: list[float] = []
    with staged() as stage:
        warm(stage)
        began = time.monotonic()
        for first in range(webhooks.CUSTOMERS, ORDERS, _CHUNK):
            webhooks.store(stage.url, first, min(_CHUNK, ORDERS - first), lambda: None)
        stage.wait_for_done("references", ORDERS, _WAIT_SECONDS)
        stage.settle_down()
        taken = time.monotonic() - began
        for _ in range(RUNS):
            before = stage.count("select count(*) from intent")
            rates.append(ORDERS / _replayed_in(stage))
            intents.append(stage.count("select count(*) from intent") - before)
    show("replay", f"settled orders replayed per second ({ORDERS:,})", rates, "1/s", settled_in_seconds=round(taken))
    show("replay", "new intents", intents, "intents", target="0")


def _replayed_in(stage: Stage) -> float:
    """Seconds from the moment everything is pending again until nothing is pending, dirty or due.

    The hub stands still while the messages are put back, for that is one statement and none of its work.
    """
    stage.stop_hubs()
    asyncio.run(_put_back(stage.url))
    stage.start_hubs(WORK, WORK)
    began = time.monotonic()
    stage.settle_down(_WAIT_SECONDS)
    return time.monotonic() - began


async def _put_back(url: str) -> None:
    now = datetime.now(UTC)
    everything = Part(now - timedelta(days=1), now + timedelta(days=1))
    async with Database(url) as database, database.transaction() as tx:
        await inbox.put_back(tx, everything)
