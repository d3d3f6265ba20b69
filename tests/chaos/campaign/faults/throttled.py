"""What befalls a target's limit: a storm of 429 over a backlog. The hub keeps still while it lasts, then uses what it may."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from crossdock.simulators.mischief import FaultRule
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.soon import soon
from tests.chaos.campaign.world import ERP_BURST, ERP_CALLS_PER_SECOND, ROLES, World

USED, ALLOWED = "calls to the ERP while a backlog waited", "calls to the ERP allowed while a backlog waited"
_ORDERS = 45
_RETRY_AFTER_SECONDS = 1.5
# As long as it was asked to wait, a tenth of it by chance, and until whoever waits looks again.
_RESUMED_SECONDS_MAX = 1.1 * _RETRY_AFTER_SECONDS + 2.0
_STORM_SECONDS, _PATIENCE_SECONDS = 3.0, 45.0
_LOOK_SECONDS = 0.05
# Fewer than what two processes may have in hand at the end of a round are no backlog.
_BACKLOG_MIN = 10
_SHARE_MIN = 0.95
# A measure of less than so many allowed calls says nothing of a share of 95 %.
_ALLOWED_MIN = 15.0
_BACKLOG = "select count(*) from due where target = 'erp' and stage in (0, 1) and due_at < 'infinity'"


async def one_by_one(world: World) -> None:
    """Each order is a call, so that there is a backlog of calls."""
    world.trade.set("connections.erp", bulk_max=1)


@fault("systems", prepare=one_by_one)
class StormOverABacklog:
    name = "429 storm over a backlog"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        if world.trade.erp is None:
            return
        async with world.steady:
            if await soon(lambda: _all_run(world), _PATIENCE_SECONDS):
                await self._strike(world, random)

    async def _strike(self, world: World, random: Random) -> None:
        mischief = world.mischiefs["erp"]
        rule = FaultRule(
            match="POST", kind="refuse", status=429, retry_after=_RETRY_AFTER_SECONDS, times=None, probability=1.0
        )
        mischief.arm(rule)
        before, began = len(mischief.struck), time.monotonic()
        try:
            await asyncio.gather(
                *(world.trade.place({"MUG-01": random.randint(1, 4)}, mail=False) for _ in range(_ORDERS))
            )
            waits = await soon(lambda: _is_waiting(world), _PATIENCE_SECONDS)
            await asyncio.sleep(_STORM_SECONDS)
        finally:
            mischief.disarm(rule)
        refused, lasted = len(mischief.struck) - before, time.monotonic() - began
        if waits and refused:
            world.struck[self.name] += 1
            _judge_quiet(world, refused, lasted)
            await _judge_share(world)


def refused_at_most(lasted_seconds: float) -> float:
    """Each process finds out anew when the time is over that it was asked to wait; what is on its way then still comes."""
    return (lasted_seconds / _RETRY_AFTER_SECONDS + 1) * (ERP_BURST + len(ROLES))


def _judge_quiet(world: World, refused: int, lasted: float) -> None:
    if refused > (most := refused_at_most(lasted)):
        said = f"asked for {_RETRY_AFTER_SECONDS} s without calls, over {lasted:.1f} s, the ERP got {refused}, not {most:.0f}"
        world.wrong.append({"invariant": "S11", "kind": "unexplained", "what": said})


@dataclass
class Seen:
    """What was seen of the hub while its backlog went down; times are the ERP's own (seconds since 1970)."""

    looks: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """(when, how much waits)"""
    starved: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(until when, for how many seconds) there was no processor for it, or for us."""


@dataclass(frozen=True)
class Share:
    used: int
    allowed: float

    @property
    def is_too_little(self) -> bool:
        """One call more or less lies at each end of the time."""
        return self.allowed >= _ALLOWED_MIN and self.used + 1 < _SHARE_MIN * self.allowed


def share_of(calls: list[float], seen: Seen, rate: float, burst: float, resumed_by: float) -> Share | None:
    """Of what the rate lets out while a backlog waits, how much was used; what could be sent at once is left out of both.

    `calls`: when the target got one, after it had asked for none; whoever is not under way `resumed_by` then wastes what is
    allowed from then on. None: the backlog was gone too soon to tell.
    """
    busy = [at for at, waits in seen.looks if waits >= _BACKLOG_MIN]
    if not busy:
        return None
    first = int(burst) + 1
    began, ended = min([resumed_by, *calls[first - 1 : first]]), max(busy)
    starved = sum(seconds for until, seconds in seen.starved if began < until <= ended + _LOOK_SECONDS)
    used = sum(at <= ended for at in calls[first:])
    return Share(used, rate * (ended - began - starved)) if ended > began else None


async def _judge_share(world: World) -> None:
    since, seen = time.time(), Seen()
    async with _watched(world, seen):
        await soon(lambda: _is_through(world), _PATIENCE_SECONDS)
    calls = sorted(call.at for call in world.mischiefs["erp"].calls if call.at > since)
    share = share_of(calls, seen, ERP_CALLS_PER_SECOND, ERP_BURST, since + _RESUMED_SECONDS_MAX)
    if share is None or share.allowed < _ALLOWED_MIN:
        return
    world.measured[USED] += share.used
    world.measured[ALLOWED] += round(share.allowed)
    if share.is_too_little:
        said = f"the ERP was called {share.used} times while a backlog waited, of {share.allowed:.0f} that it allowed"
        world.wrong.append({"invariant": "S11", "kind": "lost", "what": said})


@contextlib.asynccontextmanager
async def _watched(world: World, seen: Seen) -> AsyncGenerator[None]:
    watching = asyncio.create_task(_watch(world, seen))
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(world: World, seen: Seen) -> None:
    waited, last = _waited_seconds(world), time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        seen.looks.append((time.time(), await asyncio.to_thread(_backlog, world)))
        late, last = max(0.0, time.monotonic() - last - 2 * _LOOK_SECONDS), time.monotonic()
        before, waited = waited, _waited_seconds(world)
        seen.starved.append((time.time(), starved_seconds(late, before, waited)))


def starved_seconds(late: float, before: Mapping[int, float], now: Mapping[int, float]) -> float:
    """Of the time between two looks; who waited at the same time, we for one, waited for the same processor."""
    return max(late, *(seconds - before.get(pid, seconds) for pid, seconds in now.items()), 0.0)


def _waited_seconds(world: World) -> dict[int, float]:
    """For how long each of the hub's processes has been ready to run, and nothing ran it: the kernel counts it in nanoseconds."""
    return {hub.pid: _run_delay(hub.pid) for hub in world.hubs}


def _run_delay(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def _backlog(world: World) -> int:
    return int(world.trade.rows(_BACKLOG)[0][0])


async def _is_waiting(world: World) -> bool:
    """All that was ordered has become work for the ERP, and nothing is left to be read before it."""
    unread = "select (select count(*) from inbox_pending) + (select count(*) from dirty)"
    backlog = await asyncio.to_thread(_backlog, world)
    return backlog >= _ORDERS * 0.9 and not (await asyncio.to_thread(world.trade.rows, unread))[0][0]


async def _is_through(world: World) -> bool:
    return await asyncio.to_thread(_backlog, world) < _BACKLOG_MIN


def _all_run(world: World) -> bool:
    return len(world.hubs) == len(ROLES) and all(hub.process.poll() is None for hub in world.hubs)
