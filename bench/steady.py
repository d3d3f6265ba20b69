"""Steady load with everything switched on: what grows with time, and what a report's snapshot costs while it is held.

`MINUTES` and `RATE` in the environment make it longer and busier: MINUTES=60 is the hour of `make chaos STEADY=60`. Orders
arrive at one rate, some are edited, and some messages can't be translated; policies, metrics, traces and sweeps are on. In
the middle of it a snapshot is held for up to a minute. The first fifth of the time is held against the last. What is judged
depends on no machine's speed: pages a claim reads, what the lanes walk through, dead rows, bytes of log an order, memory, and
that all of it gets done.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

import msgspec

from bench import webhooks
from bench.everything import idle
from bench.figures import show
from bench.season import Season
from bench.stage import Cast, Stage, Stuck, staged
from bench.trade import Besides
from bench.watching import QUEUES, Probe, Report, Sample
from crossdock.store.fronts import Front

MINUTES, RATE = float(os.environ.get("MINUTES", "2")), float(os.environ.get("RATE", "100"))
_ROLES = (("door", "settle"), ("deliver", "sweep", "notify"))
_CAST = Cast(shop="bench.trade", all_on=True)
_FIFTHS = 5
_SAMPLES = 100
_SAMPLE_SECONDS_MAX = 5.0
_PINNED_SECONDS_MAX = 60.0
_PINNED_FROM, _PINNED_SHARE = 1 / 5, 2 / 5
_KNOWN_PER_SECOND = 300.0
_REST_SECONDS = 150.0
_MEGABYTE = 1024 * 1024
# Two acts an order at the ERP, each with an entry of the queue's index until it is claimed and until it is done; and what was
# held up goes twice as fast.
_ENTRIES_AN_ORDER = 2 * 2 * 2
# The queues' thresholds together; what an order leaves in them, and how long until they are vacuumed after that.
_VACUUMED_AT, _DEAD_AN_ORDER, _VACUUM_SECONDS = 50_000, 15, 30
# Of what is gone and still seen by a snapshot, so much a look of the hub's may walk through: 0.004 where each lane begins at its
# front, 0.023 where none does, alike at any rate.
_WALKED_SHARE_MOST = 0.01
# What a claim itself reads: an empty one some twenty pages, one that finds a promise some thirty more.
_PAGES_MOST = 100


@dataclass(frozen=True)
class Length:
    """How long, and how many orders a second."""

    seconds: float
    rate: float

    @property
    def orders(self) -> int:
        return int(self.seconds * self.rate)

    @property
    def pinned(self) -> tuple[float, float]:
        """From and until which second the snapshot is held."""
        begins = _PINNED_FROM * self.seconds
        return begins, begins + min(_PINNED_SECONDS_MAX, _PINNED_SHARE * self.seconds)


@dataclass(frozen=True)
class Figure:
    """One figure over time. `most`: of the last fifth, or while the snapshot was held; None: it is not judged."""

    metric: str
    unit: str
    fifths: Sequence[float]
    most: float | None = None
    last: float = 0.0

    @property
    def holds(self) -> bool:
        return self.most is None or self.last <= self.most


def measure() -> None:
    figures = played(Length(60 * MINUTES, RATE))
    for each in figures:
        told = {} if each.most is None else {"target": f"<= {each.most:,g}", "last": round(each.last, 3)}
        grown = round(each.fifths[-1] / each.fifths[0], 3) if each.fifths[0] else None
        show("steady", each.metric, each.fifths, each.unit, minutes=MINUTES, rate=RATE, last_to_first=grown, **told)
    if grown := [each.metric for each in figures if not each.holds]:
        sys.exit(f"not flat: {', '.join(grown)}")


def played(length: Length) -> list[Figure]:
    """The figures of one run; `Stuck` when something is left undone at its end."""
    with staged(_CAST) as stage:
        stage.start_hubs(*_ROLES)
        first = _known_customers(stage, length)
        samples, besides = asyncio.run(_watched(stage, length, first))
        orders, told = first + length.orders, stage.told()
        if told.done["sales"] != orders:
            raise Stuck(f"the ERP has {told.done} of {orders} orders")
        if off := list(idle(stage, besides, orders)):
            raise Stuck(f"switched on, but not seen to work: {', '.join(off)}")
    return figures_of(samples, length)


def _known_customers(stage: Stage, length: Length) -> int:
    """Each order of a long run is of a buyer who is known: an account more or less is no growth."""
    if length.orders < webhooks.CUSTOMERS:
        return 0
    season = Season(stage.hubs[0].address, 0, webhooks.CUSTOMERS, max(length.rate, _KNOWN_PER_SECOND))
    _begin(stage, season)
    _end(stage)
    return webhooks.CUSTOMERS


async def _watched(stage: Stage, length: Length, first: int) -> tuple[list[Sample], Besides]:
    """Samples from begin to end of a season; the last one is at rest, so that what was held up counts as done."""
    season = Season(stage.hubs[0].address, first, length.orders, length.rate)
    every = min(_SAMPLE_SECONDS_MAX, length.seconds / _SAMPLES)
    samples: list[Sample] = []
    async with Probe.of(stage) as probe:
        with Report(stage.url, *length.pinned) as report:
            _begin(stage, season)
            began = time.monotonic()
            while (at := time.monotonic() - began) < length.seconds:
                samples.append(await probe.sample(at, pinned=report.at(at)))
                await asyncio.sleep(every)
        besides = _end(stage)
        samples.append(await probe.sample(time.monotonic() - began, pinned=False))
    return samples, besides


def _begin(stage: Stage, season: Season) -> None:
    stage.shop.tell(msgspec.json.encode(season).decode())


def _end(stage: Stage) -> Besides:
    """The shop has sent everything until it was taken, and everything is done; what it has sent besides orders so far."""
    besides = msgspec.json.decode(stage.shop.said(), type=Besides)
    stage.settle_down(_REST_SECONDS)
    return besides


def figures_of(samples: Sequence[Sample], length: Length) -> list[Figure]:
    """What the samples of one run come to, by fifths of them."""
    ends = [len(samples) * nth // _FIFTHS for nth in range(_FIFTHS + 1)]
    fifths = [samples[first:end] for first, end in pairwise(ends)]
    pinned = [s for s in samples if s.pinned]

    def over(say: Callable[[Sequence[Sample]], float]) -> list[float]:
        return [say(fifth) for fifth in fifths]

    walked = _walked_share(pinned[len(pinned) // 2 :])
    pages = over(lambda part: median(s.claim.pages for s in part))
    beyond = over(lambda part: median(_pages_beyond(s, length) for s in part))
    held = median(_pages_beyond(s, length) for s in pinned[len(pinned) // 2 :])
    dead = over(lambda part: max(sum(s.dead[name] for name in QUEUES) for s in part))
    log = over(_log_an_order)
    memory = over(lambda part: max(median(s.memory[n] for s in part) for n in range(len(_ROLES))))
    return [
        Figure("a claim", "ms", over(lambda part: median(s.claim.ms for s in part))),
        Figure("pages a claim reads", "pages", pages),
        Figure("pages beyond what came since the front", "pages", beyond, _PAGES_MOST, beyond[-1]),
        Figure("the same while a snapshot is held", "pages", [beyond[0], held], _PAGES_MOST, held),
        Figure(
            "the same at rest, all of them", "pages", [samples[-1].claim.pages], _PAGES_MOST, samples[-1].claim.pages
        ),
        Figure("entries of the queue's index that a look of the hub's reads", "entries", over(_entries_a_look)),
        Figure("of what is gone and still seen, a look walks through", "", [walked], _WALKED_SHARE_MOST, walked),
        Figure("dead rows in queues", "rows", dead, _dead_most(length), dead[-1]),
        Figure("write-ahead log", "bytes/order", log, 1.5 * log[0], log[-1]),
        Figure("memory of the larger hub process", "MB", memory, 1.3 * memory[0] + 30, memory[-1]),
        Figure("queues on disk", "MB", over(lambda part: mean(s.queue_bytes for s in part) / _MEGABYTE)),
        Figure("orders under way", "orders", over(lambda part: median(s.work.under_way for s in part))),
        Figure("open cases", "cases", over(lambda part: part[-1].work.cases)),
    ]


def _dead_most(length: Length) -> float | None:
    """What may lie there until it is vacuumed; None where less than that is left behind in the whole run."""
    most = _VACUUMED_AT + _VACUUM_SECONDS * _DEAD_AN_ORDER * length.rate
    return most if length.orders * _DEAD_AN_ORDER > most else None


def _pages_beyond(sample: Sample, length: Length) -> float:
    """A claim walks through what came since the oldest that is open, gone or not: how much that is, a busy machine decides."""
    return max(0.0, sample.claim.pages - _ENTRIES_AN_ORDER * length.rate * sample.claim.front_seconds)


def _log_an_order(part: Sequence[Sample]) -> float:
    return (part[-1].log_bytes - part[0].log_bytes) / max(1, part[-1].sold - part[0].sold)


def _entries_a_look(part: Sequence[Sample]) -> float:
    """Without what is read to find the fronts, and that isn't more than each lane may look them up."""
    looks, seconds = part[-1].looks - part[0].looks, part[-1].at - part[0].at
    walks = seconds / Front.again_seconds * mean(s.walk_entries for s in part)
    return max(0.0, looks.entries - walks) / max(1, looks.scans)


def _walked_share(part: Sequence[Sample]) -> float:
    """Who begins at the front walks through a second's worth of what is gone, however much of it there is."""
    return _entries_a_look(part) / mean(s.walk_entries for s in part)
