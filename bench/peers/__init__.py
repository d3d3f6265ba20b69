"""`make bench BENCH=peers`: what a small team would pick for the same work, beside Crossdock, by one harness and one judge.

Every peer takes the same signed webhooks, maps them in the same way and calls the same ERP; each order must be booked exactly
once. `PEERS=dbos,crossdock` measures some; `ORDERS` is how many wait when their size is taken (20,000).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

import msgspec
import psutil

from bench.figures import show
from bench.peers import runs
from bench.peers.hub import HUBS, Crossdock
from bench.peers.others import OTHERS
from bench.peers.peer import Peer
from bench.peers.stores import Missing

ORDERS = int(os.environ.get("ORDERS", "20000"))
_RATE_RUNS = 3
_MEGABYTE = 1024 * 1024


def measure() -> None:
    """All three measurements of the named peers; the runs of one measurement are interleaved."""
    kinds = [kind for kind in _chosen() if _described(kind)]
    _show_machine()
    _rates(kinds)
    for kind in kinds:
        if kind.variant in ("default", Crossdock.variant):
            _queue(kind)
    for everything in (False, True):
        for kind in kinds:
            _strike(kind, everything=everything)


def _chosen() -> Sequence[type[Peer]]:
    names = os.environ.get("PEERS", "").lower().split(",")
    return [kind for kind in (*HUBS, *OTHERS) if any(name in kind.name.lower() for name in names)]


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


def _rates(kinds: Sequence[type[Peer]]) -> None:
    found: dict[type[Peer], list[runs.Rate]] = {kind: [] for kind in kinds}
    for _ in range(_RATE_RUNS):
        for kind in kinds:
            found[kind].append(_said(kind, "rate", runs.rate(kind)))
    for kind, rates in found.items():
        _show(kind, "orders per second", [each.orders_per_second for each in rates], "1/s")
        for part in ("door", "workers", "store"):
            _show(kind, part, [each.cpu_ms[part] for each in rates], "CPU-ms/order")
        both = [each.cpu_ms["workers"] + each.cpu_ms["store"] for each in rates]
        _show(kind, "workers and store", both, "CPU-ms/order")
        _show(kind, "memory of door and workers", [each.memory_bytes / _MEGABYTE for each in rates], "MB")
        wrong = [each.verdict.lost + each.verdict.held_back + each.verdict.doubled for each in rates]
        repeated = median(each.verdict.doubled_by_repeats for each in rates)
        _show(kind, "wrong without a fault", wrong, "orders", orders=rates[0].verdict.orders, by_repeats=repeated)


def _queue(kind: type[Peer]) -> None:
    queued = _said(kind, "queue", runs.queue(kind, ORDERS))
    _show(kind, "one more queued order", [queued.bytes_each], "bytes", orders=ORDERS)
    if queued.settled_bytes_each is not None:
        _show(kind, "one more order, settled and waiting for the ERP", [queued.settled_bytes_each], "bytes")


def _strike(kind: type[Peer], *, everything: bool) -> None:
    struck = _said(kind, "strike", runs.strike(kind, everything=everything))
    killed = "workers, door and store" if everything else "workers"
    counts = msgspec.to_builtins(struck.verdict)
    _show(kind, "lost", [struck.verdict.lost], "orders", killed=killed, seconds=round(struck.seconds, 1), **counts)


def _said(kind: type[Peer], what: str, found: runs.T) -> runs.T:
    print(f"{kind.name} ({kind.variant}), {what}: {found}", file=sys.stderr)
    return found
