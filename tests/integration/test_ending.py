"""A hub process that is told to end does so: whatever a loop gets at that very moment, it doesn't forget that it has to."""

from __future__ import annotations

import asyncio

import pytest

from crossdock.hub import _keep_on  # pyright: ignore[reportPrivateUsage]
from crossdock.store.database import Database

_SECONDS = 5.0
# More turns of the loop than lie between what a loop waits for and its going on.
_TURNS = 12


async def _ends(work: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([work], timeout=_SECONDS)
    return bool(done)


@pytest.mark.parametrize("turns", range(_TURNS))
async def test_a_loop_that_is_given_a_connection_as_it_is_told_to_end(database_url: str, turns: int) -> None:
    async with Database(database_url, connections_max=1) as database:
        rounds = 0

        async def step() -> int:
            nonlocal rounds
            async with database.transaction():
                rounds += 1
            return 0

        async with database.transaction():
            work = asyncio.create_task(_keep_on("step", step))
            await _turns(_TURNS)
            assert database.load().waiting
        await _turns(turns)
        work.cancel()
        assert await _ends(work)
        assert rounds <= 1


@pytest.mark.parametrize("turns", range(_TURNS))
async def test_a_loop_that_is_woken_as_it_is_told_to_end(turns: int) -> None:
    woken, asked = asyncio.Event(), asyncio.Event()

    async def step() -> int:
        asked.set()
        return 0

    work = asyncio.create_task(_keep_on("step", step, woken))
    await asked.wait()
    await _turns(_TURNS)
    woken.set()
    await _turns(turns)
    work.cancel()
    assert await _ends(work)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
