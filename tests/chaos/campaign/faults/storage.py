"""What befalls the hub's PostgreSQL: crashes, also in the middle of recovering from one, and connections cut or used up."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

import psycopg

from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World

_DOWN_SECONDS_MAX = 1.0
_USED_UP_SECONDS = 1.5


@fault("hub")
class Crashed:
    name = "PostgreSQL crashed"
    count = 70

    async def inject(self, world: World, random: Random) -> None:
        await asyncio.to_thread(world.cluster.crash)
        world.struck[self.name] += 1
        await asyncio.sleep(random.uniform(0, _DOWN_SECONDS_MAX))
        await asyncio.to_thread(world.cluster.start)


@fault("hub")
class CrashedAgain:
    name = "PostgreSQL crashed while recovering from a crash"
    count = 30

    async def inject(self, world: World, random: Random) -> None:
        await asyncio.to_thread(world.cluster.crash)
        await world.cluster.crash_while_recovering(random.uniform(0.02, 0.3))
        world.struck[self.name] += 1
        await asyncio.to_thread(world.cluster.start)


@fault("hub")
class ConnectionsCut:
    name = "database connections cut"
    count = 25

    async def inject(self, world: World, random: Random) -> None:
        world.struck[self.name] += await asyncio.to_thread(cut, world) > 0


@fault("hub")
class ConnectionsUsedUp:
    name = "database connections cut, and all others used up by somebody"
    count = 25

    async def inject(self, world: World, random: Random) -> None:
        held: list[psycopg.Connection] = []
        try:
            await asyncio.to_thread(_use_up, world, held)
            world.struck[self.name] += await asyncio.to_thread(_cut, held[0]) > 0
            await asyncio.to_thread(_use_up, world, held)
            await asyncio.sleep(_USED_UP_SECONDS)
        finally:
            for each in held:
                each.close()


def cut(world: World) -> int:
    """End every session of the run's database but this one; answers how many."""
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        return _cut(connection)


def _cut(by: psycopg.Connection) -> int:
    [(count,)] = by.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'hoarder'"
    ).fetchall()
    return count


def _use_up(world: World, held: list[psycopg.Connection]) -> None:
    """Connect until nobody is let in any more, but for the last places, which are kept for administrators like us."""
    with contextlib.suppress(psycopg.OperationalError):
        while len(held) < 190:
            held.append(psycopg.connect(world.database_url, autocommit=True, application_name="hoarder"))
