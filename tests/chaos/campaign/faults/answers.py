"""What befalls calls to targets: answers lost after the deed, deeds done late, refusals by the hundred, and outages."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from crossdock.simulators.mischief import FaultRule
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World

WRITES = {
    "psp": "POST /v1/refunds",
    "erp": "POST /",
    "wms": "POST /",
    "shop": "Create",
}
"""What strikes calls that do something, by connection: keyed (psp, wms, the ERP's sales), searched for (shop, the ERP's
postings); mails are blind."""
# No longer than a searched-for target's requests travel, by what its connector declares.
_LATE_SECONDS_MAX = {"psp": 1.5, "erp": 0.3, "wms": 1.5, "shop": 1.0}
# Longer than a connection's time-out.
_TIMEOUT_SECONDS = {"psp": 1.2, "erp": 1.4, "wms": 1.7, "shop": 1.7}
_TROUBLE_SECONDS = 2.0
_SLOW_SECONDS = 15.0


@fault("systems")
class Ambiguous:
    """Counted by what the simulators say they did: see `running.struck`."""

    name = "ambiguous answers of one system"
    count = 2000

    async def inject(self, world: World, random: Random) -> None:
        where = random.choice(sorted(WRITES.keys() & world.mischiefs.keys()))
        mischief = world.mischiefs[where]
        rules = [FaultRule(**{"match": WRITES[where], **each}) for each in _doubts(where, random)]
        mischief.arm(*rules)
        await asyncio.sleep(_TROUBLE_SECONDS)
        mischief.disarm(*rules)


def _doubts(where: str, random: Random) -> list[dict[str, Any]]:
    """Each may strike three times, in chance's order."""
    late = _LATE_SECONDS_MAX[where]
    kinds: list[dict[str, Any]] = [
        {"kind": "commit_then_drop"},
        {"kind": "commit_then_status", "status": 502},
        {"kind": "commit_then_timeout", "seconds": _TIMEOUT_SECONDS[where]},
        {"kind": "late", "status": 502, "seconds": random.uniform(0, late)},
        {"kind": "late", "status": 0, "seconds": random.uniform(0, late)},
        {"kind": "garbage"},
        *([{"kind": "partial", "match": "/many/"}, {"kind": "silent", "match": "/many/"}] if where == "erp" else []),
    ]
    random.shuffle(kinds)
    return [{**each, "times": 3, "probability": 0.5} for each in kinds]


@fault("systems")
class Mails:
    """SMTP has no way to ask: whatever is in doubt is a person's."""

    name = "ambiguous answers of the mail server"
    count = 200

    async def inject(self, world: World, random: Random) -> None:
        mischief = world.mischiefs["mail"]
        kind = random.choice(("commit_then_drop", "commit_then_timeout"))
        rule = FaultRule(match="SMTP DATA", kind=kind, times=2, seconds=2.0)
        mischief.arm(rule)
        await asyncio.sleep(_TROUBLE_SECONDS)
        mischief.disarm(rule)


@fault("systems")
class Storm:
    name = "429 storm"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        where = random.choice(sorted(WRITES.keys() & world.mischiefs.keys()))
        mischief = world.mischiefs[where]
        before = len(mischief.struck)
        rule = FaultRule(match="POST", kind="refuse", status=429, retry_after=0.4, times=40, probability=0.8)
        mischief.arm(rule)
        await asyncio.sleep(_TROUBLE_SECONDS)
        mischief.disarm(rule)
        world.struck[self.name] += len(mischief.struck) > before


@fault("systems")
class Outage:
    name = "a system down for two seconds"
    count = 60

    async def inject(self, world: World, random: Random) -> None:
        where = random.choice(sorted(WRITES.keys() & world.mischiefs.keys()))
        mischief = world.mischiefs[where]
        before = len(mischief.struck)
        rule = FaultRule(match="", kind="refuse", status=random.choice((0, 500, 503)), times=None)
        mischief.arm(rule)
        await asyncio.sleep(_TROUBLE_SECONDS)
        mischief.disarm(rule)
        world.struck[self.name] += len(mischief.struck) > before


@fault("systems")
class SlowErp:
    name = "ERP slow, near its time-out"
    count = 10

    async def inject(self, world: World, random: Random) -> None:
        if "erp" not in world.mischiefs:
            return
        mischief = world.mischiefs["erp"]
        before = len(mischief.struck)
        rule = FaultRule(match="POST", kind="slow", seconds=random.uniform(0.6, 0.95), times=30)
        mischief.arm(rule)
        await asyncio.sleep(_TROUBLE_SECONDS)
        mischief.disarm(rule)
        world.struck[self.name] += len(mischief.struck) > before


async def be_patient(world: World) -> None:
    """The ERP is waited for longer than usual, and so its calls' leases last longer."""
    world.trade.set("connections.erp", timeout_seconds=7.0)
    world.trade.set("hub", call_lease_seconds=8.5)
    world.call_lease_seconds = 8.5


@fault("systems", prepare=be_patient)
class ErpTakesFiveSeconds:
    """Nobody gives up on it; everything else goes on meanwhile."""

    name = "ERP at 5 s an answer, for 15 s"
    count = 10

    async def inject(self, world: World, random: Random) -> None:
        if "erp" not in world.mischiefs:
            return
        mischief = world.mischiefs["erp"]
        before = len(mischief.struck)
        rule = FaultRule(match="POST", kind="slow", seconds=5.0, times=None)
        mischief.arm(rule)
        await asyncio.sleep(_SLOW_SECONDS)
        mischief.disarm(rule)
        world.struck[self.name] += len(mischief.struck) > before
