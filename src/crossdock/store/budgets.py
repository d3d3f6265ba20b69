"""Call budgets: points per second of one connection, shared by all processes through one row each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from crossdock.kernel.faults import Throttled
from crossdock.store.database import Database, rows, run
from crossdock.store.statements import load

_SQL = load("budgets")
# Points taken ahead in one trip: a twentieth of a second's worth, so that an idle process keeps few from the others.
_AHEAD_SECONDS = 0.05
# Who wants to call while the target wants none waits for so long at most.
_QUIET_SECONDS_MAX = 5.0


class Hushed(Exception):
    """The target asked for no calls, and for longer than anybody waits; nothing was spent."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no calls for {seconds:.0f} s more")
        self.seconds = seconds


@dataclass
class Budget:
    """This process's hand in a connection's budget; no rate means no limit."""

    database: Database
    connection: str
    rate: float | None
    burst: float
    quiet_until: float = 0.0
    """`time.monotonic()` seconds until which the target asked for no more calls: nothing is drawn for them before."""
    _in_hand: float = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def declare(self) -> None:
        """Make the limit known to all processes."""
        if self.rate is not None:
            async with self.database.transaction() as tx:
                await run(
                    tx, _SQL["set_budget"], {"connection": self.connection, "rate": self.rate, "burst": self.burst}
                )

    async def spend(self, points: int) -> None:
        """Wait until that many points may be spent, and spend them. `Hushed` when the target wants no calls for long."""
        if self.rate is None:
            await self.quiet()
            return
        async with self._turn:
            await self.quiet()
            while self._in_hand < points:
                wait_seconds = await self._draw(points, self.rate)
                if self._in_hand < points:
                    await asyncio.sleep(wait_seconds)
                await self.quiet()
            self._in_hand -= points

    async def quiet(self) -> None:
        """Wait for as long as the target wants no calls; `Hushed` when that is longer than anybody waits, begun anew or not."""
        until = time.monotonic() + _QUIET_SECONDS_MAX
        while self.quiet_until > time.monotonic():
            if self.quiet_until > until:
                raise Hushed(self.quiet_until - time.monotonic())
            await asyncio.sleep(self.quiet_until - time.monotonic())

    async def _draw(self, points: int, rate: float) -> float:
        wanted = max(points - self._in_hand, min(rate * _AHEAD_SECONDS, self.burst))
        async with self.database.transaction() as tx:
            [(taken, wait_seconds)] = await rows(
                tx, _SQL["take_points"], {"connection": self.connection, "wanted": wanted}
            )
        self._in_hand += float(taken)
        return float(wait_seconds)


# What stays in the budget for those that come first: half of what may be spent at once, but never all of it.
_KEPT_SHARE = 0.5


@dataclass
class Spare:
    """What a connection's budget has to spare when nobody else wants it: for sweeps, which are shed first."""

    budget: Budget
    _in_hand: float = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def spend(self, points: int) -> None:
        """Wait until that many points have been left over by all others, and spend them.

        `Throttled` when the target told anybody that it wants no calls for long.
        """
        try:
            await self.budget.quiet()
        except Hushed as hushed:
            raise Throttled(str(hushed), retry_after_seconds=hushed.seconds) from hushed
        if self.budget.rate is None:
            return
        async with self._turn:
            while self._in_hand < points:
                wait_seconds = await self._draw(points)
                if self._in_hand < points:
                    await asyncio.sleep(wait_seconds)
            self._in_hand -= points

    async def _draw(self, points: int) -> float:
        kept = min(self.budget.burst * _KEPT_SHARE, self.budget.burst - 1)
        told = {"connection": self.budget.connection, "wanted": points - self._in_hand, "kept": max(kept, 0)}
        async with self.budget.database.transaction() as tx:
            [(taken, wait_seconds)] = await rows(tx, _SQL["take_spare_points"], told)
        self._in_hand += float(taken)
        return float(wait_seconds)
