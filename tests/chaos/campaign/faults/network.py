"""What befalls the wires: to any outside system, and to the hub's database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random
from weakref import WeakKeyDictionary

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.faults.processes import exchange
from tests.chaos.campaign.world import ROLES, World
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
_wires: WeakKeyDictionary[Random, dict[str, Wire]] = WeakKeyDictionary()
"""By a run's chance, which is one object for the whole of it. Wires stay until the run ends, and its loop with them."""


@fault
class BadWireToASystem:
    name = "bad wire to an outside system: deaf one way, half open, dripping, late, reset in an answer"
    count = 40

    async def inject(self, world: World, random: Random) -> None:
        where = random.choice(_SYSTEMS)
        wire = await _wired(world, random, where)
        world.struck[self.name] += await _storm(wire, random.choice(_WEATHERS))


@fault
class BadWireToTheDatabase:
    name = "bad wire to the database: deaf one way, half open, dripping, late, reset in an answer"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        wire = await _wired(world, random, _DATABASE)
        world.struck[self.name] += await _storm(wire, random.choice(_WEATHERS))
        wire.forget()


async def _storm(wire: Wire, weather: Weather) -> bool:
    """Whether anything was on the wire then."""
    before = wire.struck
    wire.change(weather)
    await asyncio.sleep(_STORM_SECONDS)
    wire.change(CLEAR)
    return wire.struck > before


async def _wired(world: World, random: Random, where: str) -> Wire:
    """From now on the hub reaches it by a wire of ours; its processes are exchanged for that once."""
    wires = _wires.setdefault(random, {})
    if where not in wires:
        wires[where] = wire = Wire(_upstream(world, where))
        await AsyncExitStack().enter_async_context(wire.serve())
        _route(world, where, wire)
        async with world.unwatched():
            for place in range(len(ROLES)):
                await exchange(world, place)
    return wires[where]


def _upstream(world: World, where: str) -> tuple[str, int] | str:
    if where == _DATABASE:
        return f"{conninfo_to_dict(world.database_url)['host']}/.s.PGSQL.5432"
    host, _, port = _address(world, where).removeprefix("http://").partition(":")
    return (host, int(port))


def _address(world: World, where: str) -> str:
    if where == "erp":
        assert world.trade.erp is not None
        return world.trade.erp.url
    return world.retailer.addresses[where]


def _route(world: World, where: str, wire: Wire) -> None:
    if where == _DATABASE:
        through = make_conninfo(world.database_url, host="127.0.0.1", port=wire.port)
        world.environment = {**world.environment, "CROSSDOCK_DATABASE_URL": through}
        return
    config, address = world.retailer.config, _address(world, where)
    told = config.read_text()
    assert f'"{address}"' in told
    config.write_text(told.replace(f'"{address}"', f'"http://127.0.0.1:{wire.port}"'))
