"""What befalls hub processes: death at any moment or at a named point, sleep past every lease, and a rolling restart."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from functools import partial
from pathlib import Path
from random import Random

from crossdock.kernel.moments import system_clock
from crossdock.observe.checkpoints import POINTS
from crossdock.simulators.retailer import HubProcess, NotOpened
from tests.chaos.campaign import earlier
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import ROLES, World

_KILLS = 3
# So many parcels have left of which no mail may ever speak.
_PARCELS_UNTOLD = 3
NEVER = "9999-12-31T00:00:00+00:00"
# Longer than a call's lease, which a stopped process then has lost.
_OVERSLEPT_SECONDS = 0.5
_POINT_SECONDS_MAX = 6.0


@fault("hub")
class KilledAtRandom:
    name = "hub process killed (kill -9) at a random moment"
    count = 300

    async def inject(self, world: World, random: Random) -> None:
        """Several, each as soon as there is somebody to kill again, or before."""
        for _ in range(_KILLS):
            await _until(lambda: _running(world), _POINT_SECONDS_MAX)
            await asyncio.sleep(random.uniform(0, 0.5))
            if running := _running(world):
                world.trade.send(random.choice(running), signal.SIGKILL)
                world.struck[self.name] += 1
            await asyncio.sleep(random.uniform(0.2, 1.0))


class KilledAtAPoint:
    """The points of one part of the hub's work."""

    def __init__(self, part: str) -> None:
        self.points = [point for point in POINTS if point.startswith(f"{part}:")]
        self.name = f"hub process killed (kill -9) at a named point: {part}"
        self.count = 200 * len(self.points) // len(POINTS)

    async def inject(self, world: World, random: Random) -> None:
        """One process is exchanged for one that dies at the point; when it never gets there, it is killed as it is."""
        place = 0 if self.points[0].startswith("door") else random.randrange(len(ROLES))
        marker = Path(world.retailer.folder, f"struck-{uuid.uuid4().hex[:8]}")
        armed = {
            "CROSSDOCK_KILL_AT": random.choice(self.points),
            "CROSSDOCK_CHECKPOINT_COUNT": str(random.choice((1, 1, 2))),
            "CROSSDOCK_CHECKPOINT_MARKER": str(marker),
        }
        async with world.unwatched():
            # Killed, too: going in good order takes seconds, in which the day goes on.
            world.trade.send(world.hubs[place], signal.SIGKILL)
            await exchange(world, place, armed)
            if await _until(marker.exists, _POINT_SECONDS_MAX):
                world.struck[self.name] += 1
            else:
                world.trade.send(world.hubs[place], signal.SIGKILL)


for _part in dict.fromkeys(point.partition(":")[0] for point in POINTS):
    fault("hub")(partial(KilledAtAPoint, _part))


@fault("hub")
class StoppedPastItsLease:
    name = "hub process stopped past its lease, then continued"
    count = 100

    async def inject(self, world: World, random: Random) -> None:
        if running := _running(world):
            victim = random.choice(running)
            world.trade.send(victim, signal.SIGSTOP)
            seconds = world.call_lease_seconds + _OVERSLEPT_SECONDS
            world.slept_seconds = max(world.slept_seconds, seconds)
            try:
                await asyncio.sleep(seconds)
            finally:
                world.trade.send(victim, signal.SIGCONT)
            world.struck[self.name] += 1


@fault("hub")
class StoppedAtAPoint:
    """Between what it holds and what it does with that."""

    name = "hub process stopped past its lease at a named point, then continued"
    count = 50

    async def inject(self, world: World, random: Random) -> None:
        """One process is exchanged for one that stops at the point; when it never gets there, it is killed as it is."""
        place, marker = random.randrange(len(ROLES)), Path(world.retailer.folder, f"struck-{uuid.uuid4().hex[:8]}")
        point = random.choice(
            ("seal:after_commit", "call:before", "call:before", "call:after", "receipt:before_commit")
        )
        armed = {"CROSSDOCK_STOP_AT": point, "CROSSDOCK_CHECKPOINT_MARKER": str(marker)}
        async with world.unwatched():
            world.trade.send(world.hubs[place], signal.SIGKILL)
            await exchange(world, place, armed)
            victim = world.hubs[place]
            if not await _until(marker.exists, _POINT_SECONDS_MAX):
                world.trade.send(victim, signal.SIGKILL)
                return
        seconds = world.call_lease_seconds + _OVERSLEPT_SECONDS
        world.slept_seconds = max(world.slept_seconds, seconds)
        try:
            await asyncio.sleep(seconds)
        finally:
            world.trade.send(victim, signal.SIGCONT)
        world.struck[self.name] += 1


async def write_no_mails(world: World) -> None:
    """In every second run, not before the rules change: whoever forgets when they did writes about everything before."""
    if world.seed % 2:
        world.trade.set("roles", mail=None)
        world.mails_since = NEVER


@fault("hub", prepare=write_no_mails)
class RollingRestart:
    name = "rolling restart, two versions of the rules overlapping"
    count = 50

    async def inject(self, world: World, random: Random) -> None:
        """New rules are written, and the processes exchanged one after the other, while those of the old ones still work."""
        world.trade.set("policy", returns=[{**world.terms, "version": f"v{time.monotonic_ns()}"}])
        if world.mails_since == NEVER and len(world.retailer.warehouse.ledger.select("parcel_left")) >= _PARCELS_UNTOLD:
            world.trade.set("roles", mail="mail")
            world.mails_since = system_clock().isoformat()
        async with world.unwatched():
            for place in reversed(range(len(ROLES))):
                await exchange(world, place)
                await asyncio.sleep(random.uniform(0.2, 1.0))
        world.struck[self.name] += 1


@fault("hub", why_not=earlier.why_not)
class ProgramRolled:
    name = "rolling restart, an earlier version of the program and this one overlapping"
    count = 50

    async def inject(self, world: World, random: Random) -> None:
        """Each process is exchanged for one of the earlier program, one after the other, and then back."""
        before = earlier.program(random)
        async with world.unwatched():
            for environment in ({"PYTHONPATH": before}, None):
                for place in reversed(range(len(ROLES))):
                    await exchange(world, place, environment)
                    await asyncio.sleep(random.uniform(0.2, 1.0))
        world.struck[self.name] += 1


async def exchange(world: World, place: int, environment: dict[str, str] | None = None) -> None:
    """The process in that place ends in good order, and a new one takes it; one with a door can't begin before."""
    old = world.hubs[place]
    if place == 0:
        await asyncio.to_thread(old.stop)
    new = await _started(world, place, environment or {})
    if place != 0:
        await asyncio.to_thread(old.stop)
    world.hubs.remove(new)
    world.hubs[place] = new
    world.retailer.lifeline.untie(old.pid)


async def _started(world: World, place: int, environment: dict[str, str]) -> HubProcess:
    """One that is to die or to stop at a point may get there before it says that it works."""
    marker = environment.get("CROSSDOCK_CHECKPOINT_MARKER")
    is_there = Path(marker).exists if marker else bool
    starting = asyncio.ensure_future(world.start_hub(ROLES[place], environment))
    try:
        while not starting.done():
            await asyncio.wait([starting], timeout=0.05)
            if is_there():
                return world.hubs[-1]
        return starting.result()
    except NotOpened:
        new = world.hubs[-1]
        if "CROSSDOCK_KILL_AT" not in environment or new.process.returncode != -signal.SIGKILL:
            raise
        return new
    finally:
        starting.cancel()


def _running(world: World) -> list[HubProcess]:
    return [hub for hub in world.hubs if hub.process.poll() is None]


async def _until(question: object, seconds: float) -> bool:
    assert callable(question)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if question():
            return True
        await asyncio.sleep(0.05)
    return False
