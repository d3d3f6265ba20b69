"""The world of one run: a retailer's systems, an ERP's stand-in, a database, two hub processes and who watches them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from crossdock.simulators.mischief import Mischief
from crossdock.simulators.retailer import HubProcess, NotOpened, Retailer
from crossdock.simulators.retailer_returns import LOCATIONS
from crossdock.simulators.shop_endpoint import Bucket
from crossdock.simulators.webhooks import WebhookSender
from tests.chaos.campaign.clocks import Clock
from tests.chaos.campaign.database import Cluster
from tests.chaos.campaign.desk import Desk
from tests.chaos.campaign.fault import Known, Struck
from tests.chaos.network.wire import Wire
from tests.chaos.trading import Trade, trading

PROGRAM = "CROSSDOCK_CHAOS_HUB"
"""The environment's word on how a hub process is started: a command line, before `--config FILE run …`."""
ERP_CALLS_PER_SECOND, ERP_BURST = 12.0, 4.0
_LOOK_SECONDS = 0.1
UNENDED, CRASHED = -1, -2
"""Instead of an exit code: of a command that was ended because it did not end, and of one that ended in a traceback."""
_TRACEBACK = "Traceback (most recent call last)"
ROLES: tuple[Sequence[str], ...] = ((), ("settle", "deliver"))
"""What each hub process does: the first has the door, too."""


def program() -> Sequence[str]:
    """How a hub process is started."""
    given = os.environ.get(PROGRAM)
    return shlex.split(given) if given else (sys.executable, "-m", "crossdock.main")


@dataclass
class World:
    """Everything a fault may strike. Hub processes that die are started again, as whatever watches them would."""

    cluster: Cluster
    trade: Trade
    desk: Desk
    seed: int
    struck: Struck = field(default_factory=Struck)
    """How often each fault really struck."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """For every hub process that is started from now on: a kill at a named point, another clock."""
    slept_seconds: float = 0.0
    """How long hub processes were stopped at most: what they had in hand then may reach a target late."""
    stood_still: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(until when, in seconds since 1970; for how many seconds) no system ran, for all are in this process: what was sent to
    them meanwhile came at once."""
    held_up: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])
    """The same of the wire to one system."""
    call_lease_seconds: float = 2.5
    refunds_a_day: int | None = None
    """The most that may be refunded in a day, in cents; None: as much as is due."""
    mails_since: str | None = None
    """When the retailer began to write mails; None: always has."""
    forgotten: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(from, until): times that the hub's database was set back over."""
    wrong_clock: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """(from, until): times in which its clock was wrong."""
    wrong: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """What a fault found the hub to do wrong while it struck."""
    wires: dict[str, Wire] = field(default_factory=dict[str, Wire])
    """What the hub reaches others by, where that is not directly."""
    clock: Clock | None = None
    """The hub processes' own, where it is not the machine's."""
    measured: Counter[str] = field(default_factory=Counter[str])
    """What faults counted while they struck, by what the report calls it."""
    steady: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever strikes the hub's own side, or measures what it does when nobody strikes that."""
    backups: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever sets something back, until an operator has accepted that."""
    command_seconds_max: float = 90.0
    """An operator's command ends before that: a sweep that stands still gives up after 60 s."""
    telling_seconds_max: float = 90.0
    """A sender gives a message up after 9 tries in less than that, each of 5 s at most, with 24 s between them."""
    _watching: bool = True
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _held: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def retailer(self) -> Retailer:
        return self.trade.retailer

    @property
    def hubs(self) -> list[HubProcess]:
        """The processes that run now; the first has the door."""
        return self.retailer.hubs

    @property
    def database_url(self) -> str:
        return self.trade.database_url

    @property
    def mischiefs(self) -> dict[str, Mischief]:
        """What strikes each system's calls, by connection."""
        retailer, erp = self.retailer, self.trade.erp
        known = {
            "shop": retailer.shop.mischief,
            "wms": retailer.warehouse.mischief,
            "psp": retailer.payments.mischief,
            "till": retailer.till.mischief,
            "mail": retailer.mail.mischief,
        }
        return known | ({"erp": erp.mischief} if erp else {})

    @property
    def senders(self) -> dict[str, WebhookSender]:
        """Who tells the hub, by connection."""
        retailer = self.retailer
        return {
            "shop": retailer.shop.sender,
            "wms": retailer.warehouse.sender,
            "psp": retailer.payments.sender,
            "till": retailer.till.sender,
        }

    @property
    def terms(self) -> dict[str, Any]:
        if self.refunds_a_day is None:
            return dict(TERMS)
        return {**TERMS, "daily_refunds_max": {"USD": f"{self.refunds_a_day / 100:.2f}"}}

    def limit_refunds(self, cents: int) -> None:
        """So much a day, whoever is owed more."""
        self.refunds_a_day = cents
        self.trade.set("policy", returns=[self.terms])

    def address(self, name: str) -> str | None:
        """Where a system answers; None for an ERP that there is not."""
        if name == "erp" and self.trade.erp is not None:
            return self.trade.erp.url
        return self.retailer.addresses.get(name)

    async def wire(self, name: str, upstream: tuple[str, int] | str) -> Wire:
        """A wire to there, until the run ends."""
        self.wires[name] = await self._held.enter_async_context(Wire(upstream).serve())
        return self.wires[name]

    async def start_hubs(self) -> None:
        """All at once; each in its place, whoever is ready first."""
        await asyncio.gather(*map(self.start_hub, ROLES))

    async def start_hub(self, roles: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> HubProcess:
        """One more hub process, which works when this returns."""
        return await self.retailer.start_hub(*roles, environment={**self.environment, **(environment or {})})

    async def watch(self) -> None:
        """Start a new process for each that died, for as long as the run lasts."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._watching:
                async with self._starting:
                    await self._revive()

    async def time_systems(self) -> None:
        """Note when the systems stood still, for as long as the run lasts."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            late = time.monotonic() - began - _LOOK_SECONDS
            if late > _LOOK_SECONDS:
                self.stood_still.append((time.time(), late))

    async def _revive(self) -> None:
        for place, hub in enumerate(list(self.hubs)):
            if hub.process.poll() is None:
                continue
            self.retailer.lifeline.untie(hub.pid)
            try:
                revived = await self.start_hub(ROLES[min(place, 1)])
            except NotOpened:  # no database to start on: it is tried again
                self.hubs.pop().stop()
            else:
                self.hubs.remove(revived)
                self.hubs[place] = revived

    @contextlib.asynccontextmanager
    async def unwatched(self) -> AsyncGenerator[None]:
        """Meanwhile nobody starts processes but the fault that asked for it."""
        async with self._starting:
            self._watching = False
        try:
            yield
        finally:
            self._watching = True

    async def quiet(self) -> None:
        """No rule strikes any more, everything late has happened, and every webhook was told or given up."""
        for mischief in self.mischiefs.values():
            mischief.disarm()
            await mischief.settled()
        for sender in self.senders.values():
            await self.told_all(sender)

    async def ask(self, *words: str) -> tuple[int, str]:
        """What an operator's command comes to: its exit code, and what it said. One that never ends or crashes is a finding."""
        command = f"crossdock {' '.join(words)}"
        try:
            async with asyncio.timeout(self.command_seconds_max):
                code, said = await self.retailer.ask(*words)
        except TimeoutError:
            said = f"{command} has not ended after {self.command_seconds_max:.0f} s"
            self._find_endless(said)
            return UNENDED, said
        if _TRACEBACK in said:  # whose exit code is that of an answer, 1
            self.wrong.append({"invariant": "S4", "kind": "unexplained", "what": f"{command} crashed: {said[-500:]}"})
            return CRASHED, said
        return code, said

    async def told_all(self, sender: WebhookSender) -> None:
        """Until it has told everything or given it up; that it never has is a finding."""
        try:
            async with asyncio.timeout(self.telling_seconds_max):
                await sender.idle()
        except TimeoutError:
            name = next((name for name, each in self.senders.items() if each is sender), "a sender")
            self._find_endless(f"{name} has not told everything after {self.telling_seconds_max:.0f} s")

    def _find_endless(self, said: str) -> None:
        self.wrong.append({"invariant": "liveness", "kind": "unexplained", "what": said})


@contextlib.asynccontextmanager
async def world(
    cluster: Cluster, folder: Path, seed: int, *, tryton: bool = False, faults: Sequence[Known] = ()
) -> AsyncGenerator[World]:
    """A retailer on empty books, with two hub processes at work that are replaced when they die; ready for these faults."""
    erp = "tryton" if tryton else True
    connections = {name: each for name, each in _CONNECTIONS.items() if not (tryton and name == "erp")}
    async with (
        cluster.fresh() as database_url,
        Desk().serve() as desk,
        trading(
            folder, database_url, seed=seed, terms=[TERMS], erp=erp, connections=connections, scopes=_SCOPES
        ) as trade,
        contextlib.AsyncExitStack() as ending,
    ):
        trade.retailer.program = program()
        trade.retailer.environment = {**trade.retailer.environment, "LD_PRELOAD": ""}  # not the database's clock
        trade.retailer.shop.endpoint.bucket = Bucket(_POINTS_MAX, _POINTS_PER_SECOND)
        made = World(cluster, trade, desk, seed)
        if luck(seed, "world").random() < _LIMITED:
            made.limit_refunds(_REFUNDS_A_DAY)
        await ending.enter_async_context(made._held)
        for prepare in dict.fromkeys(each.prepare for each in faults if each.prepare):
            await prepare(made)
        await made.start_hubs()
        watching = [asyncio.create_task(each) for each in (made.watch(), made.time_systems())]
        try:
            yield made
        finally:
            for each in watching:
                each.cancel()
            await asyncio.gather(*watching, return_exceptions=True)


# So many runs have a limit on a day's refunds, which is reached in the middle of them.
_LIMITED, _REFUNDS_A_DAY = 0.25, 50_000
# Shopify Plus: an order a second costs more than the 100 points a second of a standard plan, which was used up after half a
# minute, and left nothing for a sweep.
_POINTS_PER_SECOND, _POINTS_MAX = 1000.0, 20_000
TERMS = {"version": "1", "locations": LOCATIONS}
_CONNECTIONS = {
    # No faster than that, so that two processes have to share what is allowed.
    "erp": {"calls_per_second": ERP_CALLS_PER_SECOND, "burst": ERP_BURST, "bulk_max": 3, "timeout_seconds": 1.2},
    "shop": {"connector": "tests.chaos.quick_shop", "calls_per_second": _POINTS_PER_SECOND, "burst": _POINTS_MAX},
    "psp": {"connector": "tests.chaos.quick_psp"},
    "mail": {"timeout_seconds": 1.5},
}
_SCOPES = ("allowances:write", "orders:read", "audit:read")


def luck(seed: int, what: str) -> Random:
    """Chance for one thing of a run, whatever else draws how often."""
    return Random(f"{seed}/{what}")
