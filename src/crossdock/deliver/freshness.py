"""How old what one process told was, counted in memory and written down now and then."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

import structlog
from psycopg_pool import PoolTimeout

from crossdock.observe.logs import told
from crossdock.store import freshness
from crossdock.store.database import LOST, Database
from crossdock.store.freshness import UNANSWERED, Told

log = structlog.get_logger("crossdock")

# Ages are counted up to one of these; a week is as old as anybody may ask for.
_AGES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 86_400, 604_800)
_WRITE_SECONDS = 10.0


@dataclass
class Freshness:
    """Counts what is told; what a process that is killed had not written yet is lost, and that is ten seconds' at most."""

    database: Database
    _counts: Counter[Told] = field(default_factory=Counter[Told])
    _written: float = field(default_factory=time.monotonic)
    _writing: asyncio.Task[None] | None = None

    def told(self, noun: str, age_seconds: float, age_seconds_max: float) -> None:
        """An answer of this age, where one of at most that age was asked for."""
        at_most = _AGES[min(bisect_left(_AGES, age_seconds), len(_AGES) - 1)]
        # An answer that the system gave just now is as fresh as any, also for whoever asked for one of no age at all.
        self._count(Told(noun, at_most, age_seconds <= max(age_seconds_max, _AGES[0])))

    def unanswered(self, noun: str) -> None:
        self._count(Told(noun, UNANSWERED, in_time=False))

    def _count(self, one: Told) -> None:
        self._counts[one] += 1
        if time.monotonic() - self._written > _WRITE_SECONDS:
            self._written = time.monotonic()
            self._writing = asyncio.create_task(self.write())

    async def write(self) -> None:
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with self.database.transaction() as tx:
                await freshness.note(tx, counts)
        except (*LOST, PoolTimeout, TimeoutError) as error:
            log.warning("ask: not counted", **told(error))
