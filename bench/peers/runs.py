"""The three measurements, alike for every peer: how fast, what survives kill -9, and what an order costs while it waits."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import webhooks
from bench.load import Came
from bench.peers.hub import Crossdock
from bench.peers.judge import Verdict, judged
from bench.peers.peer import Peer
from bench.stage import Program, Stuck, fetch, start
from bench.standin import Told
from crossdock.simulators.shop_load import order_id_of

RATE_ORDERS = int(os.environ.get("RATE_ORDERS", "800"))
STRUCK_ORDERS = int(os.environ.get("STRUCK_ORDERS", "600"))
TRAVEL_SECONDS = 0.02
PATIENCE_SECONDS = 90.0
"""Longer than Crossdock's lease of a call (60 s) and PgQueuer's heartbeat (30 s), far shorter than Celery's hour."""
_SETTLED_SECONDS = 3.0
"""So long nothing may happen any more before the ledger is read: a call that travels has arrived by then."""


@dataclass
class Scene:
    """A peer at work, the ERP that it sells to, and what the shop has told it so far."""

    peer: Peer
    erp: Program
    told: dict[str, int]

    def send(self, first: int, count: int) -> Came:
        """The shop tells of these orders; `Stuck` when it wasn't answered 200 each time."""
        words = [self.peer.address, *map(str, (first, count, self.peer.connections))]
        load = start(sys.executable, "-m", "bench.load", *words)
        try:
            came = msgspec.json.decode(load.told_to_go(), type=Came)
        finally:
            load.stop()
        if came.refused:
            raise Stuck(f"{came.refused} webhooks were refused by {self.peer.name}")
        self.told |= {order_id_of(n): webhooks.times_sent(n) for n in range(first, first + count)}
        return came

    def booked(self) -> dict[str, int]:
        """How often the ERP booked each order."""
        return msgspec.json.decode(self._ask("/_bookings"), type=dict[str, int])

    def ledger(self) -> Told:
        return msgspec.json.decode(self._ask("/_ledger"), type=Told)

    def sold(self) -> int:
        """How many orders are booked, each counted once."""
        return self.ledger().done.get("sales", 0)

    def _ask(self, path: str) -> bytes:
        return fetch(self.erp.address + path)

    def until_booked(self, count: int, seconds: float = PATIENCE_SECONDS) -> bool:
        """Until so many orders are booked, each counted once; false when they aren't in time."""
        until = time.monotonic() + seconds
        while self.sold() < count:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def all_booked(self, count: int) -> None:
        """Until so many orders are booked; `Stuck` when they aren't in time."""
        if not self.until_booked(count):
            raise Stuck(f"{self.peer.name} ({self.peer.variant}) sold {self.sold()} of {count} orders")

    def until_nothing_is_held(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until the store has nothing to do any more; or until patience is out."""
        until = time.monotonic() + seconds
        while self.peer.held() and time.monotonic() < until:
            time.sleep(0.1)

    def until_nothing_happens(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until all is booked, nothing is held and no call comes any more; or until patience is out."""
        until = time.monotonic() + seconds
        calls, still_since = -1, time.monotonic()
        while time.monotonic() < until:
            now = self.ledger().calls
            if now != calls or self.peer.held():
                calls, still_since = now, time.monotonic()
            if time.monotonic() - still_since > _SETTLED_SECONDS:
                return
            time.sleep(0.2)

    def verdict(self) -> Verdict:
        return judged(self.told, self.booked(), self.peer.held())


@contextlib.contextmanager
def playing(kind: type[Peer], travel_seconds: float = 0.0) -> Generator[Scene]:
    """A peer whose store and door run, in a folder and with an ERP of its own; all of it is gone afterwards."""
    # Short: the path of a socket must stay under 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="cpeer", dir="/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        erp = start(sys.executable, "-m", "bench.peers.erp", str(travel_seconds))
        stack.callback(erp.stop)
        peer = kind(folder, erp.address)
        stack.callback(peer.stop)
        peer.start_store()
        peer.prepare()
        peer.start_door()
        yield Scene(peer, erp, {})


def shared(orders: int, kind: type[Peer]) -> int:
    """Its share of so many orders."""
    return int(kind.orders_share * orders)


@dataclass
class Rate:
    """One run from webhook to sale; processor milliseconds are per order, by part."""

    orders_per_second: float
    cpu_ms: Mapping[str, float]
    memory_bytes: int
    verdict: Verdict


def rate(kind: type[Peer]) -> Rate:
    """As many orders first as are measured then, from the same buyers, so that everything is warm and every buyer known."""
    orders = shared(RATE_ORDERS, kind)
    with playing(kind) as scene:
        scene.peer.start_workers()
        scene.send(0, orders)
        scene.all_booked(orders)
        scene.until_nothing_happens()
        before = scene.peer.cpu_seconds()
        came = scene.send(webhooks.CUSTOMERS, orders)
        scene.all_booked(2 * orders)
        seconds = scene.ledger().last_at - min(came.sent_at.values())
        scene.until_nothing_is_held()
        after = scene.peer.cpu_seconds()
        scene.until_nothing_happens()
        cpu_ms = {part: 1000 * (after[part] - before[part]) / orders for part in before}
        return Rate(orders / seconds, cpu_ms, scene.peer.rss_bytes(), scene.verdict())


@dataclass
class Struck:
    """What a run with three strikes came to, and how long after the last one the last order was booked."""

    verdict: Verdict
    seconds: float
    killed_at: list[int]
    """How many orders were booked at each kill: fewer than wanted where patience was out before."""


def strike(kind: type[Peer], *, everything: bool) -> Struck:
    """All orders are acknowledged and wait; work begins, and is killed at each share of them, or when patience is out.

    Where the door works, they come in quarters, and it is killed when the last of a quarter is acknowledged.
    """
    with playing(kind, TRAVEL_SECONDS) as scene:
        quarter = STRUCK_ORDERS // 4
        scene.send(0, quarter if kind.one_process else STRUCK_ORDERS)
        scene.peer.start_workers()
        killed_at: list[int] = []
        for booked in (quarter, 2 * quarter, 3 * quarter):
            if not kind.one_process:
                scene.until_booked(booked)
            killed_at.append(scene.sold())
            _kill(scene.peer, everything=everything)
            began = time.time()
            if kind.one_process:
                scene.send(booked, quarter)
        scene.until_nothing_happens()
        return Struck(scene.verdict(), max(0.0, scene.ledger().last_at - began), killed_at)


def _kill(peer: Peer, *, everything: bool) -> None:
    if everything:
        peer.kill_everything()
        peer.start_store()
    else:
        peer.kill_workers()
    if everything or peer.one_process:
        peer.start_door()
    peer.start_workers()


@dataclass
class Queued:
    """Bytes that one more waiting order takes in the store."""

    bytes_each: float
    settled_bytes_each: float | None = None
    """The hub's alone: what is owed is worked out already, and only the ERP's answer is missing."""


def queue(kind: type[Peer], orders: int) -> Queued:
    """So many orders come in while nobody works; a hundredth more came before, so that what grows only once has grown."""
    with playing(kind) as scene:
        scene.send(0, first := orders // 100)
        before = scene.peer.store.bytes_used()
        scene.send(first, orders)
        waiting = (scene.peer.store.bytes_used() - before) / orders
        if not isinstance(scene.peer, Crossdock):
            return Queued(waiting)
        scene.peer.settle()
        return Queued(waiting, (scene.peer.store.bytes_used() - before) / orders)
