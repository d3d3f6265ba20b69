"""What befalls clocks: the database's and the processes' are put wrong by minutes or a day, and then right again.

Wrong for whole processes, by a library put before the C library's own: see `tests/chaos/environment/clock.c`.
"""

from __future__ import annotations

import asyncio
from random import Random

from crossdock.kernel.moments import system_clock
from tests.chaos.campaign import clocks
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World

_WRONG_SECONDS = 3.0
# As a wrong time server, and as a wrong date.
_MINUTES, _DAY = 600, 86_400


@fault("hub", why_not=clocks.why_not)
class WrongDatabaseClock:
    name = "database's clock put wrong by ten minutes or a day, then right"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        clock = world.cluster.clock
        assert clock is not None
        since = system_clock().isoformat()
        clock.put(random.choice((1, -1)) * random.choice((_MINUTES, _DAY)))
        await asyncio.sleep(_WRONG_SECONDS)
        clock.put(0)
        world.wrong_clock.append((since, system_clock().isoformat()))
        world.struck[self.name] += 1


@fault("hub", why_not=clocks.why_not, prepare=clocks.give_hubs_one)
class WrongProcessClocks:
    name = "hub processes' clocks put wrong by minutes or a day, then right"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        assert world.clock is not None
        # Within what signatures with a time allow of, for the door is among them.
        world.clock.put(random.choice((1, -1)) * random.choice((_MINUTES // 3, _DAY)))
        await asyncio.sleep(_WRONG_SECONDS)
        world.clock.put(0)
        world.struck[self.name] += 1
