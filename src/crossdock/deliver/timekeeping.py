"""The database's clock held against time that only rises: one that is put forward lets nobody look too early.

Leases on calls and the wait before a search end by the database's clock, which all processes share. Each process knows how
much time can have passed at most since it last saw that clock; when more has passed by the clock, what waited waits on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from crossdock.connect.effects import Searchable
from crossdock.deliver.following import BACKOFF_SECONDS_MAX
from crossdock.deliver.lines import Line
from crossdock.store import clocks, inbox
from crossdock.store.database import Database, Transaction
from crossdock.store.inbox import Part

log = structlog.get_logger("crossdock")

# A clock that is slewed runs up to 0.05 % fast.
_SLEWED = 1.001
_SLACK_SECONDS = 0.1
_AGAIN_SECONDS = 0.1


@dataclass
class Timekeeper:
    """One process's view of the database's clock. `longest`: seconds that a call's lease or a search waits at most, by target.

    A process that is new believes the clock if somebody looked at it in the last half of `lease_seconds`, which is two beats.
    """

    database: Database
    longest: Mapping[str, float]
    lease_seconds: float
    _seen: tuple[float, datetime] | None = None
    """(`time.monotonic()` before the clock was asked, what it said)"""

    def believes(self, began: float, at: datetime) -> bool:
        """Whether the clock may be right that says `at`, asked after `began`: it wasn't put forward since it was seen last."""
        if self._seen is None:
            self._seen = (began, at)
        since = self._seen[1]
        if (at - since).total_seconds() > self._passed_at_most(since):
            return False
        if began > self._seen[0]:
            self._seen = (began, at)
        return True

    async def begin(self) -> None:
        """Before anything is claimed."""
        async with self.database.transaction() as tx:
            await clocks.begin(tx)
        while True:
            if await self.look():
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def look(self) -> bool:
        """Say that somebody looks, and let what waits wait on when the clock was put forward; False: somebody else does."""
        began = time.monotonic()
        async with self.database.transaction() as tx:
            found = await clocks.look(tx)
            if found is None:
                return False
            looked_at, now = found
            await self._compare(tx, looked_at, now)
            await clocks.looked(tx)
        self._seen = (began, now)
        return True

    async def _compare(self, tx: Transaction, looked_at: datetime, now: datetime) -> None:
        gap_seconds = (now - looked_at).total_seconds()
        if gap_seconds > self._passed_at_most(looked_at):
            if self._seen is not None:  # a new process finds that nobody looked whenever the hub was down
                log.warning("the database's clock was put forward: leases and searches wait on", seconds=gap_seconds)
            await clocks.put_forward(tx, looked_at)
            await clocks.wait_on(tx, looked_at, self.longest)
        elif gap_seconds < -_SLACK_SECONDS:
            log.warning("the database's clock was put back", seconds=-gap_seconds)
            await clocks.wait_no_longer(tx, looked_at, self.longest, self.lease_seconds)
            await clocks.overtaken(tx, looked_at)
            # What came before anybody saw it was held against what was dated ahead; what was just being translated is known now.
            await inbox.put_back(tx, Part(now - timedelta(seconds=self.lease_seconds), now))

    def _passed_at_most(self, since: datetime) -> float:
        """Seconds that can really have passed since the clock said that."""
        if self._seen is None:
            return self.lease_seconds / 2
        began, at = self._seen
        rising = (time.monotonic() - began) * _SLEWED
        return max(0.0, (at - since).total_seconds()) + rising + _SLACK_SECONDS


def longest_wait(line: Line, lease_seconds: float) -> float:
    """Seconds that a call's lease or the wait before a search takes at most."""
    effects = [effect for capability in line.connector.capabilities.values() for effect in capability.effects]
    quiet = [each.quiet_period.total_seconds() for each in effects if isinstance(each, Searchable)]
    return max([lease_seconds, 1.5 * BACKOFF_SECONDS_MAX, *quiet]) + _SLACK_SECONDS
