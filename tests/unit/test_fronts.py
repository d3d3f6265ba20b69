"""The front of a queue is walked to now and then, and the less often the longer the way is."""

from __future__ import annotations

import asyncio

from crossdock.store.fronts import Front


class Walk:
    """Counts how often somebody walked to the front, and takes so long for it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.walks, self._seconds = 0, seconds

    async def __call__(self) -> int:
        await asyncio.sleep(self._seconds)
        self.walks += 1
        return self.walks


async def test_a_front_is_known_for_a_while_and_then_walked_to_again() -> None:
    front, walk = Front[int](again_seconds=0.05), Walk()
    assert await front.found(walk) == 1
    for _ in range(100):
        await front.found(walk)
    known = walk.walks
    assert known < 100
    await asyncio.sleep(0.06)
    assert await front.found(walk) == known + 1


async def test_a_long_way_to_the_front_takes_a_small_share_of_the_time() -> None:
    front, walk = Front[int](again_seconds=0.0), Walk(seconds=0.02)
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + 0.3:
        await front.found(walk)
        await asyncio.sleep(0)
    assert walk.walks == 1


async def test_a_look_during_which_all_stood_still_puts_the_next_one_off_for_no_longer_than_is_said() -> None:
    front, walk = Front[int](again_seconds=0.0, again_seconds_max=0.05), Walk(seconds=0.1)
    await front.found(walk)
    await asyncio.sleep(0.06)
    assert await front.found(walk) == 2
