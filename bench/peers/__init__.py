"""`make bench BENCH=peers`: what a small team would pick for the same work, beside Crossdock, by one harness and one judge.

Every peer takes the same signed webhooks, maps them in the same way and calls the same ERP; each order must be booked exactly
once; where Crossdock loses or doubles one, this fails. `PEERS=dbos,crossdock` measures some; `ORDERS` is how many wait when their
size is taken (20,000). `RATE_ORDERS=40 STRUCK_ORDERS=40 ORDERS=200 PEERS=n8n` tries whether one of them runs at all.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import TypeVar

import msgspec
import psutil

from bench.figures import show
from bench.peers import runs
from bench.peers.hub import HUBS, Crossdock
from bench.peers.judge import Verdict
from bench.peers.n8n import N8NS
from bench.peers.others import OTHERS
from bench.peers.peer import Peer
from bench.peers.stillness import watched
from bench.peers.stores import Missing
from bench.stage import Stuck

ORDERS = int(os.environ.get("ORDERS", "20000"))
_RATE_RUNS, _STRIKES_AT_ONCE, _TRIES_MAX = 3, 3, 6
_JUDGED_RUNS = _RATE_RUNS + 2
_MEGABYTE = 1024 * 1024

T = TypeVar("T")
Judged = tuple[type[Peer], Verdict]


def measure() -> None:
    """All three measurements of the named peers, the runs of one interleaved; fails where Crossdock broke its promise."""
    chosen = _chosen()
    kinds = [kind for kind in chosen if _described(kind)]
    _show_machine()
    verdicts = _rates(kinds)
    _queues(kinds)
    verdicts += _strikes(kinds)
    if wrong := list(broken(chosen, verdicts)):
        sys.exit("\n".join(wrong))


def broken(chosen: Sequence[type[Peer]], verdicts: Sequence[Judged]) -> Iterator[str]:
    """Where Crossdock lost or doubled an order, or wasn't seen to do neither; what becomes of the others' is a figure."""
    for kind in chosen:
        if issubclass(kind, Crossdock):
            found = [verdict for judged, verdict in verdicts if judged is kind]
            if len(found) < _JUDGED_RUNS:
                yield f"{kind.name} ({kind.variant}): {len(found)} of {_JUDGED_RUNS} runs came to their end"
            wrong = [verdict for verdict in found if not verdict.exactly_once]
            yield from (f"{kind.name} ({kind.variant}): {msgspec.to_builtins(verdict)}" for verdict in wrong)


def _chosen() -> Sequence[type[Peer]]:
    names = os.environ.get("PEERS", "").lower().split(",")
    return [kind for kind in (*HUBS, *OTHERS, *N8NS) if any(name in kind.name.lower() for name in names)]


def _described(kind: type[Peer]) -> bool:
    """Say what is measured; one whose programs aren't installed is named with the remedy, and left out."""
    try:
        with runs.playing(kind) as scene:
            versions = scene.peer.versions()
    except Missing as missing:
        _show(kind, "not measured", [0], "", why=str(missing))
        return False
    _show(kind, "configuration", [1], "", versions=versions, configuration=dict(kind.configuration))
    return True


def _show(kind: type[Peer], metric: str, values: Sequence[float], unit: str, **notes: object) -> None:
    show("peers", metric, values, unit, peer=kind.name, variant=kind.variant, **notes)


def _show_machine() -> None:
    memory = round(psutil.virtual_memory().total / 1024 / _MEGABYTE)
    load = [round(each, 1) for each in os.getloadavg()]
    at = datetime.now(UTC).isoformat(timespec="minutes")
    notes = {"cores": os.cpu_count(), "memory_gb": memory, "load": load, "nice": os.nice(0), "at": at}
    show("peers", "machine", [1], "", rate_orders=runs.RATE_ORDERS, struck_orders=runs.STRUCK_ORDERS, **notes)


def _rates(kinds: Sequence[type[Peer]]) -> list[Judged]:
    found: dict[type[Peer], list[runs.Rate]] = {kind: [] for kind in kinds}
    for _ in range(_RATE_RUNS):
        for kind in kinds:
            found[kind] += _tried(kind, "rate", lambda kind=kind: runs.rate(kind))
    for kind, rates in found.items():
        if rates:
            _show_rates(kind, rates)
    return [(kind, each.verdict) for kind, rates in found.items() for each in rates]


def _show_rates(kind: type[Peer], rates: Sequence[runs.Rate]) -> None:
    orders = runs.shared(runs.RATE_ORDERS, kind)
    _show(kind, "orders per second", [each.orders_per_second for each in rates], "1/s", orders=orders)
    for part in rates[0].cpu_ms:
        _show(kind, part, [each.cpu_ms[part] for each in rates], "CPU-ms/order")
    _show(kind, "memory of door and workers", [each.memory_bytes / _MEGABYTE for each in rates], "MB")
    wrong = [each.verdict.lost + each.verdict.held_back + each.verdict.doubled for each in rates]
    repeated = median(each.verdict.doubled_by_repeats for each in rates)
    _show(kind, "wrong without a fault", wrong, "orders", orders=rates[0].verdict.orders, by_repeats=repeated)


def _queues(kinds: Sequence[type[Peer]]) -> None:
    """Once for each that has a queue: the size is the same however it is configured."""
    with_queue: dict[str, type[Peer]] = {}
    for kind in kinds:
        if not kind.one_process:
            with_queue.setdefault(kind.name, kind)
    for kind in with_queue.values():
        orders = runs.shared(ORDERS, kind)
        for queued in _tried(kind, "queue", lambda kind=kind, orders=orders: runs.queue(kind, orders)):
            _show(kind, "one more queued order", [queued.bytes_each], "bytes", orders=orders)
            if queued.settled_bytes_each is not None:
                _show(kind, "one more order, settled and waiting for the ERP", [queued.settled_bytes_each], "bytes")


def _strikes(kinds: Sequence[type[Peer]]) -> list[Judged]:
    """A few at a time: they wait for leases and time-outs more than they work, and are counted, not timed."""
    verdicts: list[Judged] = []
    with ThreadPoolExecutor(_STRIKES_AT_ONCE) as some:
        for everything in (False, True):
            for kind, found in zip(kinds, some.map(partial(_struck, everything=everything), kinds), strict=True):
                for struck in found:
                    _show_struck(kind, struck, "workers, door and store" if everything else "workers")
                    verdicts.append((kind, struck.verdict))
    return verdicts


def _struck(kind: type[Peer], *, everything: bool) -> list[runs.Struck]:
    return _tried(kind, "strike", lambda: runs.strike(kind, everything=everything))


def _show_struck(kind: type[Peer], struck: runs.Struck, killed: str) -> None:
    counts = msgspec.to_builtins(struck.verdict)
    notes = {"killed": killed, "killed_at": struck.killed_at, "seconds": round(struck.seconds, 1)}
    _show(kind, "lost", [struck.verdict.lost], "orders", **notes, **counts)


def _tried(kind: type[Peer], what: str, run: Callable[[], T]) -> list[T]:
    """What a run found; nothing when it did not come to its end, which is said, and the others go on.

    A run in which the machine stood still is made again: it would show time-outs, and not the peer.
    """
    found: T | Stuck = Stuck("not tried")
    for _ in range(_TRIES_MAX):
        with watched() as still:
            found = _found(kind, what, run)
        if not still.spoilt:
            break
        found = Stuck(f"the machine stood still for {still.seconds:.1f} s, {_TRIES_MAX} times")
    if isinstance(found, Stuck):
        _show(kind, "not measured", [0], "", why=f"{what}: {str(found).splitlines()[0]}")
        return []
    return [found]


def _found(kind: type[Peer], what: str, run: Callable[[], T]) -> T | Stuck:
    began = time.monotonic()
    try:
        found = run()
    except (Stuck, OSError) as failed:
        found = failed if isinstance(failed, Stuck) else Stuck(str(failed))
    seconds = time.monotonic() - began
    print(f"{kind.name} ({kind.variant}), {what}, {seconds:.0f} s: {found}", file=sys.stderr)
    return found
