"""What befalls the wires: to any outside system, and to the hub's database."""

from __future__ import annotations

import asyncio
import time
from random import Random

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World
from tests.chaos.network.wire import CLEAR, Weather, Wire

_STORM_SECONDS = 2.5
_WEATHERS = (
    Weather(deaf="out"),
    Weather(deaf="back"),
    Weather(half_open=True),
    Weather(drip_seconds=0.003),
    Weather(latency_seconds=0.4),
    Weather(reset_after=60),
)
_SYSTEMS = ("erp", "psp", "shop", "wms")
_DATABASE = "database"


async def wire_systems(world: World) -> None:
    """The hub reaches every system by a wire of ours."""
    for name in _SYSTEMS:
        address = world.address(name)
        if address is not None:
            host, _, port = address.removeprefix("http://").partition(":")
            wire = await world.wire(name, (host, int(port)))
            world.trade.set(f"connections.{name}", url=f"http://127.0.0.1:{wire.port}")


async def wire_database(world: World) -> None:
    """The hub's processes reach their database by one."""
    wire = await world.wire(_DATABASE, f"{conninfo_to_dict(world.database_url)['host']}/.s.PGSQL.5432")
    through = make_conninfo(world.database_url, host="127.0.0.1", port=wire.port)
    world.environment = {**world.environment, "CROSSDOCK_DATABASE_URL": through}


@fault("systems", prepare=wire_systems)
class BadWireToASystem:
    name = "bad wire to an outside system: deaf one way, half open, dripping, late, reset in an answer"
    count = 40

    async def inject(self, world: World, random: Random) -> None:
        where, began = random.choice(sorted(world.wires.keys() - {_DATABASE})), time.time()
        weather = random.choice(_WEATHERS)
        world.struck[self.name] += await _storm(world.wires[where], weather)
        if weather.holds_up:
            world.held_up.setdefault(where, []).append((time.time(), time.time() - began))


@fault("hub", prepare=wire_database)
class BadWireToTheDatabase:
    name = "bad wire to the database: deaf one way, half open, dripping, late, reset in an answer"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        wire = world.wires[_DATABASE]
        world.struck[self.name] += await _storm(wire, random.choice(_WEATHERS))
        wire.forget()


async def _storm(wire: Wire, weather: Weather) -> bool:
    """Whether anything was on the wire then."""
    before = wire.struck
    wire.change(weather)
    await asyncio.sleep(_STORM_SECONDS)
    wire.change(CLEAR)
    return wire.struck > before
