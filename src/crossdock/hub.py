"""One hub process: its roles wired together, each a loop that goes on whatever happens to the others."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec
import structlog
import uvloop

from crossdock import __version__
from crossdock.cli.sweeping import sweeper_of
from crossdock.cli.tracing import builtins_of
from crossdock.connect.connector import Connector
from crossdock.console.app import Console, with_console
from crossdock.console.bulk import work_on_jobs
from crossdock.console.counting import count_what_is_due
from crossdock.console.desk import Desk, open_desk
from crossdock.console.summing import sum_up
from crossdock.deliver.lane import Lane
from crossdock.deliver.lines import Line, line_of
from crossdock.deliver.timekeeping import Timekeeper, longest_wait
from crossdock.gateway.api import Api, with_api
from crossdock.gateway.door import WebhookDoor
from crossdock.gateway.health import Health, with_health
from crossdock.gateway.inlet import Inlet
from crossdock.gateway.notifying import Notifier
from crossdock.gateway.serving import served
from crossdock.gateway.sharing import Share
from crossdock.gateway.watched import Watched, watched
from crossdock.govern.allowing import keep_policy
from crossdock.govern.database import database_of, keep_running, make_days
from crossdock.govern.inviting import invitation, whoever_started_this
from crossdock.govern.settings import Settings
from crossdock.govern.strongbox import strongbox_of
from crossdock.govern.tokens import signing_secrets
from crossdock.govern.traffic import look
from crossdock.govern.watching import SetBack, Watch
from crossdock.govern.watching import watched as watched_database
from crossdock.govern.workflows import limits_of
from crossdock.observe import metrics
from crossdock.observe.logs import log_as_json, told
from crossdock.settle.rules import Rules, live_rules
from crossdock.settle.settling import settle_dirty
from crossdock.settle.translation import translate_pending
from crossdock.store import cases, delivery, documents, hearing, settling
from crossdock.store.database import Database
from crossdock.store.fronts import Front
from crossdock.store.leases import LeaseLost, Leases
from crossdock.sweep.sweeper import Sweeper

Role = Literal["door", "settle", "deliver", "sweep", "notify"]
ROLES: tuple[Role, ...] = ("door", "settle", "deliver", "sweep", "notify")

log = structlog.get_logger("crossdock")

# Idle loops look again this soon, and then less and less often, when no event of their own process wakes them: that is
# how they see other processes' work.
_IDLE_SECONDS = 0.02
_IDLE_SECONDS_MAX = 0.2
# After a round that was not full they let more gather, even when they are woken, and then look again soon: a round costs
# about 5 CPU-ms however little it finds, and at 800 orders a second rounds back to back took all of two cores.
_GATHER_SECONDS = 0.004
_SOON_SECONDS = 0.004
_HOUSEKEEPING_SECONDS = 2.0
# Looking through everything blocked finds only what a killed process left behind, and costs most in a backlog.
_RELEASE_EVERY = 10
# What an order or customer may be late by, before a person is asked what a document is about.
_UNBOUND_MINUTES_MAX = 15
_FAILED_SECONDS = 1.0
# Lists are due in minutes, so looking for one that is costs next to nothing.
_SWEEP_IDLE_SECONDS_MAX = 2.0
# How many subscriptions a process tells at once. Receivers that are slow to answer keep all but one of these from others.
_NOTIFIERS = 4
_NOTIFY_IDLE_SECONDS_MAX = 1.0
# How often the console looks whether something is to be counted or decided; nobody waits for it.
_CONSOLE_SECONDS = 0.5
# How often it is asked whether it is time to look at traffic; one process in a quarter of a minute does.
_TRAFFIC_SECONDS = 5.0


@dataclass
class Hub:
    """One hub process. Any number of them share one database."""

    settings: Settings
    database: Database
    leases: Leases
    rules: Rules
    lanes: list[Lane]
    lines: dict[str, Line]
    sweepers: list[Sweeper]
    timekeeper: Timekeeper
    received: asyncio.Event = field(default_factory=asyncio.Event)
    known: asyncio.Event = field(default_factory=asyncio.Event)
    promised: dict[str, list[asyncio.Event]] = field(default_factory=dict[str, list[asyncio.Event]])
    """By connection, one for each lane: a shared one would be cleared by the first to wake, before a busy one looked."""
    watch: Watch | None = None
    rounds: int = 0
    pending: Front[datetime] = field(default_factory=Front[datetime])
    dirty: Front[datetime] = field(default_factory=Front[datetime])
    connectors: dict[str, Connector[msgspec.Struct]] = field(init=False)

    def __post_init__(self) -> None:
        self.connectors = dict(self.settings.translators)

    async def translate(self) -> int:
        done = await translate_pending(self.database, self.connectors, self.settings.hub.settle_batch, self.pending)
        if done:
            self.known.set()
        return done

    async def settle(self) -> int:
        try:
            batch = self.settings.hub.settle_batch
            return await settle_dirty(self.database, self.leases, self.rules, batch, self.wake, self.dirty)
        except LeaseLost:
            await self.leases.beat()
            return 0

    def wake(self, connections: Iterable[str]) -> None:
        """Have the lanes to these connections look for work now."""
        for connection in connections:
            for lane in self.promised.get(connection, ()):
                lane.set()

    async def hear(self) -> int:
        """What other processes opened promises for; by looking alone a lane finds it ten milliseconds later."""
        async for connection in hearing.heard(self.database.url, self.leases.owner):
            self.wake([connection])
        return 0

    async def beat(self) -> int:
        await self.leases.beat()
        await self.timekeeper.look()
        if self.watch is not None:
            await self.watch.beat(self.database)
        await asyncio.sleep(self.leases.ttl_seconds / 4)
        return 1

    async def look_at_traffic(self) -> int:
        """A sample of what came in, held against its contracts."""
        await asyncio.sleep(_TRAFFIC_SECONDS)
        return await look(self.database, self.settings)

    async def keep_house(self) -> int:
        """What nobody's own event brings about: waits that ran out, needs met meanwhile, cases that are over, days ahead."""
        async with self.database.transaction() as tx:
            woken = {*await settling.wake(tx), *await settling.untried(tx, self.leases.held, self.rules.code)}
            if woken:
                await documents.mark_dirty(tx, woken)
            await documents.bind_waiting(tx)
            await cases.raise_unbound(tx, _UNBOUND_MINUTES_MAX)
            await cases.close_empty(tx, "the hub")
            if self.rounds % _RELEASE_EVERY == 0:
                await delivery.release_met(tx)
        self.rounds += 1
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)
        return 1


@contextlib.asynccontextmanager
async def open_hub(
    settings: Settings, url: str, roles: Collection[Role], watch: Watch | None = None
) -> AsyncGenerator[Hub]:
    """A hub on a database that is up to date; it does nothing before its roles are run."""
    connectors, greet = settings.translators, watch.compare if watch else None
    async with Database(url, connections_max=8 + 2 * len(connectors), by_key=True, greet=greet) as database:
        leases = Leases(database, __version__, settings.hub.lease_seconds, settles="settle" in roles)
        async with database.transaction() as tx:
            await keep_policy(tx, settings)
            rules = await live_rules(tx, settings)
            await documents.know_connections(tx, list(connectors))
        lines = {name: await line_of(database, each) for name, each in settings.connections.items()}
        lanes = [
            _lane(settings, database, line, leases.owner, rules.code)
            for line in lines.values()
            for _ in range(line.lanes)
        ]
        hub = settings.hub
        longest = {name: longest_wait(line, hub.call_lease_seconds) for name, line in lines.items()}
        timekeeper = Timekeeper(database, longest, hub.lease_seconds)
        await timekeeper.begin()
        sweepers = [sweeper_of(database, settings.connections[name], line) for name, line in lines.items()]
        for lane in lanes:
            lane.timekeeper = timekeeper
            lane.note = watch.note if watch else lane.note
        try:
            yield Hub(settings, database, leases, rules, lanes, lines, sweepers, timekeeper, watch=watch)
        finally:
            for line in lines.values():
                await line.close()


def _lane(settings: Settings, database: Database, line: Line, worker: str, code: bytes) -> Lane:
    hub = settings.hub
    return Lane(database, line, worker, code, hub.deliver_batch, hub.call_lease_seconds, hub.probe_seconds)


def run_until_stopped(settings: Settings, roles: Collection[str]) -> None:
    """Run a hub process until SIGTERM or SIGINT; prints one line with its address once it works."""
    wanted: list[Role] = [role for role in ROLES if role in roles]
    _collect_rarely()
    with database_of(settings) as url:
        uvloop.run(run(settings, url, wanted))


def _collect_rarely() -> None:
    """A batch is thousands of objects without cycles: looking for some every 700 took a ninth of a process's time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def run(settings: Settings, url: str, roles: Collection[Role]) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    log_as_json(settings.observe.log_level)
    watch = await watched_database(url, settings.data, "the hub")
    async with open_hub(settings, url, roles, watch) as hub, watched(settings, hub.database, hub.leases) as seen:
        await hub.leases.beat()
        work = [asyncio.create_task(each) for each in _work(hub, roles, seen)]
        stopping = [
            asyncio.create_task(_until(stop, seen.health, settings.hub.drain_seconds)),
            asyncio.create_task(_until(watch.set_back, seen.health)),
        ]
        # A role that ends by itself (a port that is taken) ends the process; the loops never do.
        done, _ = await asyncio.wait([*work, *stopping], return_when=asyncio.FIRST_COMPLETED)
        for each in (*work, *stopping):
            each.cancel()
        await asyncio.gather(*work, *stopping, return_exceptions=True)
        if watch.set_back.is_set():
            raise SetBack(SetBack.__doc__)
        await hub.leases.leave()
        for each in done - {*stopping}:
            each.result()


async def _until(stop: asyncio.Event, health: Health, more_seconds: float = 0.0) -> None:
    """And for some seconds more, in which the process says that it leaves."""
    await stop.wait()
    health.leaving = True
    await asyncio.sleep(more_seconds)


def _say_ready(address: str, watched: Watched, **more: str) -> None:
    """One JSON line for whoever started this process."""
    told = {"ready": True, "address": address, "pid": os.getpid(), "observe": watched.address, **more}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _work(hub: Hub, roles: Collection[Role], watched: Watched) -> list[Coroutine[None, None, None]]:
    work: list[Coroutine[None, None, None]] = [_keep_on("beat", hub.beat)]
    if hub.settings.database_url is None:
        work.append(_keep_on("keep the database running", partial(keep_running, hub.settings)))
    if "settle" in roles:
        work += [
            _keep_on("translate", hub.translate, hub.received, hub.settings.hub.settle_batch),
            _keep_on("settle", hub.settle, hub.known, hub.settings.hub.settle_batch),
            _keep_on("keep house", hub.keep_house),
            _keep_on("look at traffic", hub.look_at_traffic),
            _keep_on("make the next days", partial(make_days, hub.database.url, hub.settings)),
        ]
    if "deliver" in roles:
        work.append(_keep_on("hear of promises", hub.hear))
        for lane in hub.lanes:
            lane.wake, promised = hub.wake, asyncio.Event()
            hub.promised.setdefault(lane.line.connection, []).append(promised)
            name, full = f"deliver to {lane.line.connection}", lane.batch_max
            work.append(_keep_on(name, lane.round, promised, full, soon_seconds=_IDLE_SECONDS))
    if "notify" in roles:
        share = Share(_NOTIFIERS)
        work += [_notify(hub, share) for _ in range(_NOTIFIERS)]
    if "sweep" in roles:
        work += [
            _keep_on(f"sweep {each.source.connection}", each.round, idle_seconds_max=_SWEEP_IDLE_SECONDS_MAX)
            for each in hub.sweepers
        ]
    work.append(_listen(hub, watched) if "door" in roles else _stand_by(watched))
    return work


async def _keep_on(
    name: str,
    step: Callable[[], Awaitable[int]],
    woken_by: asyncio.Event | None = None,
    full: int = 1,
    soon_seconds: float = _SOON_SECONDS,
    idle_seconds_max: float = _IDLE_SECONDS_MAX,
) -> None:
    """Repeat a step for good; the process's one boundary, where nothing stops the others.

    It goes on at once after a full batch. After less it lets more gather, and after nothing it waits to be woken, or for a
    while that grows.
    """
    woken_by = woken_by or asyncio.Event()
    idle_seconds = _IDLE_SECONDS
    while True:
        began = time.perf_counter()
        try:
            done = await step()
            if done:
                _count_round(name, began)
            if done >= full:
                continue
            if done:
                await asyncio.sleep(_GATHER_SECONDS)
                idle_seconds = soon_seconds
        except Exception as error:  # noqa: BLE001  # this is the named boundary
            log.error("step failed", step=name, **told(error))
            if (seen := metrics.active()) is not None:
                seen.failures.labels(name).inc()
            await asyncio.sleep(_FAILED_SECONDS)
        try:
            async with asyncio.timeout(idle_seconds):
                await woken_by.wait()
            woken_by.clear()
            idle_seconds = _IDLE_SECONDS
        except TimeoutError:
            idle_seconds = min(idle_seconds * 1.5, idle_seconds_max)


def _count_round(name: str, began: float) -> None:
    if (seen := metrics.active()) is not None:
        seen.rounds.labels(name).observe(time.perf_counter() - began)


async def _notify(hub: Hub, share: Share) -> None:
    notifier = Notifier(hub.database, hub.settings, strongbox_of(hub.settings), share)
    try:
        await _keep_on("notify", notifier.round, idle_seconds_max=_NOTIFY_IDLE_SECONDS_MAX)
    finally:
        await notifier.close()


async def _stand_by(watched: Watched) -> None:
    _say_ready("", watched)
    await asyncio.Event().wait()


async def _listen(hub: Hub, watched: Watched) -> None:
    async with open_desk(hub.settings, hub.database.url, hub.received) as desk:
        beside = [
            asyncio.create_task(_keep_on("count for the console", partial(_count, desk))),
            asyncio.create_task(_keep_on("decide on many cases", partial(_work_on_jobs, desk))),
            asyncio.create_task(_keep_on("sum up the books", partial(_sum_up, desk, hub.rules))),
        ]
        try:
            await _serve(hub, desk, watched)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _count(desk: Desk) -> int:
    await asyncio.sleep(_CONSOLE_SECONDS)
    return await count_what_is_due(desk.database, limits_of(desk.settings.policy.deadlines))


async def _work_on_jobs(desk: Desk) -> int:
    done = await work_on_jobs(desk.database)
    if not done:
        await asyncio.sleep(_CONSOLE_SECONDS)
    return done


async def _sum_up(desk: Desk, rules: Rules) -> int:
    await asyncio.sleep((await sum_up(desk.database, rules)).rest_seconds)
    return 1


async def _serve(hub: Hub, desk: Desk, watched: Watched) -> None:
    inlet = Inlet(hub.database, hub.received)
    webhooks = WebhookDoor(hub.settings.connections, inlet, hub.settings.hub.message_bytes_max)
    secrets = await signing_secrets(desk.database, hub.settings)
    api = Api(hub.settings, hub.database, partial(builtins_of, settings=hub.settings), hub.received, secrets, hub.lines)
    app = with_console(console := Console(desk), with_api(api, with_health(watched.health, webhooks)))
    try:
        async with served(app, hub.settings.hub.listen) as at:
            link = await invitation(desk.database, whoever_started_this())
            _say_ready(at.address, watched, console=at.address + link)
            await at.ended
    finally:
        console.close()
        await api.close()
        await inlet.close()
