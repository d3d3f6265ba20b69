"""The loop: one page of one list at a time, compared, and what differs put into the inbox."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from crossdock.kernel.faults import Fault, NotSent, Refused, Rejected, Throttled
from crossdock.kernel.moments import to_micros
from crossdock.observe.checkpoints import reach
from crossdock.store import sweep_trees, sweeps
from crossdock.store.database import Database
from crossdock.store.sweeps import Pass, Turned
from crossdock.sweep import comparing, ending
from crossdock.sweep.comparing import Apart
from crossdock.sweep.entering import store_apart, within_blast
from crossdock.sweep.paging import Asked, cut_short, page
from crossdock.sweep.readings import items_of, kept
from crossdock.sweep.source import Source

_LEASE_SECONDS = 20.0
_CALL_SECONDS = 90.0
# A list that fails is tried again after this long; one that asks for credentials or rights waits for a person, longer.
_AGAIN_SECONDS = 5.0
_REFUSED_SECONDS = 600.0
_SHED_SECONDS = 1.0


@dataclass
class Sweeper:
    """One connection's sweeper in one process; any number of processes share it by claims."""

    database: Database
    source: Source
    lease_seconds: float = _LEASE_SECONDS
    """How long a page is nobody else's after the process that works on it has ended."""
    _quiet_until: float = 0.0
    _planned: bool = False
    shed: int = field(default=0)
    """How often it stood back for what comes first."""

    async def plan(self) -> None:
        """Make the connection's lists known; a new one is swept for the first time when it would be its turn."""
        lists = self.source.to_sweep()
        async with self.database.transaction() as tx:
            await sweeps.plan(tx, self.source.connection, lists, self.source.terms.every_minutes * 60)
            tracked = [each for kind, whole in lists if whole for each in self.source.tracked(kind)]
            await sweep_trees.begin(tx, self.source.connection, tracked)
            await sweeps.drop_trees(tx, self.source.connection, tracked)
        self._planned = True

    async def round(self) -> int:
        """One page, or the end of a pass; answers 1 when there was something to do."""
        if time.monotonic() < self._quiet_until or self.source.is_quiet():
            return 0
        if not self._planned:
            await self.plan()
        async with self.database.transaction() as tx:
            if await sweeps.permit(tx, self.source.connection) != "free":
                self.shed += 1
                self._quiet_until = time.monotonic() + _SHED_SECONDS
                return 0
            claimed = await sweeps.claim(
                tx, self.source.connection, self.source.to_sweep(), self.source.apart(), self.lease_seconds
            )
        if claimed is None:
            return 0
        try:
            await self._go_on_with(claimed)
        except (Fault, NotSent) as fault:
            await self._put_off(claimed, fault)
        return 1

    async def _go_on_with(self, claimed: Pass) -> None:
        keeping = asyncio.create_task(self._keep(claimed))
        try:
            await self._go_on(claimed)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, claimed: Pass) -> None:
        """A page may take long where little is left of a budget; whose process has ended goes on soon."""
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            async with self.database.transaction() as tx:
                await sweeps.keep(tx, claimed, self.lease_seconds)

    async def _go_on(self, claimed: Pass) -> None:
        if claimed.ended:
            await ending.end(self.database, self.source, claimed, time.monotonic() + _CALL_SECONDS)
            return
        counted = await self._count(claimed) if claimed.whole and claimed.pages == 0 else None
        link = self.source.open_link(time.monotonic() + _CALL_SECONDS)
        asked = await page(self.source.lister(claimed.kind, whole=claimed.whole), claimed, link)
        await self._turn(claimed, asked, counted)

    async def _count(self, claimed: Pass) -> int | None:
        count = self.source.kinds[claimed.kind].count
        return await count(self.source.open_link(time.monotonic() + _CALL_SECONDS)) if count else None

    async def _turn(self, claimed: Pass, asked: Asked, counted: int | None) -> None:
        """Compare the page, store what differs, and keep how far the pass has come: all or nothing."""
        source, observed = self.source, to_micros(claimed.now)
        items = items_of(asked.items, source.connector, source.connection, claimed.now, observed)
        async with self.database.transaction() as tx:
            if not await sweeps.is_mine(tx, claimed):
                return
            flaw = cut_short(asked, items, claimed.began_at)
            found: list[Apart] = []
            if not claimed.by_tree:
                found = await comparing.apart(tx, claimed, items, source.connector)
            found, over = within_blast(found, claimed, source)
            await store_apart(tx, claimed, source, items, found)
            if claimed.whole:
                await sweeps.keep_part(tx, claimed, kept(items, source.tracked(claimed.kind), asked.bare))
            repairs = sum(each.repairs for each in found)
            differing = sum(not each.echo for each in found)
            turned = Turned(asked.place, len(items), differing, repairs, not asked.more, counted, flaw)
            await sweeps.turn_page(tx, claimed, turned)
            if over:
                await ending.brake_repairs(tx, claimed, source, over)
            reach("sweep:before_commit")
        reach("sweep:after_commit")

    async def _put_off(self, claimed: Pass, fault: Fault | NotSent) -> None:
        """The page is asked for again later; a list that is refused becomes a case."""
        refused = fault if isinstance(fault, Refused | Rejected) else None
        seconds = _REFUSED_SECONDS if refused else _AGAIN_SECONDS
        if isinstance(fault, Throttled):
            seconds = fault.retry_after_seconds
            self.source.asks_for_quiet(seconds)
        async with self.database.transaction() as tx:
            await sweeps.put_off(tx, claimed, seconds)
            if refused:
                await ending.raise_case(tx, claimed, f"it refuses to list: {refused.detail}")
