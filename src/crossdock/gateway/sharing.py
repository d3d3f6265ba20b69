"""How the notifiers of one process share subscribers: no one consumer's slow receivers take all, whoever waits is next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from crossdock.store import notifying
from crossdock.store.database import Database
from crossdock.store.notifying import Turn


@dataclass
class Share:
    """Who is being told just now, by how many of these `notifiers`."""

    notifiers: int = 1
    _telling: Counter[str] = field(default_factory=Counter[str])
    # One decides after the other: two that decide at once would count neither of their turns.
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def turn(self, database: Database, lease_seconds: float) -> AsyncGenerator[Turn | None]:
        """A subscription that is due; of consumers that are told already only where no other's is, and room stays for one."""
        async with self._deciding:
            turn = await self._claim(database, lease_seconds)
            if turn is not None:
                self._telling[turn.consumer] += 1
        try:
            yield turn
        finally:
            if turn is not None:
                self._telling[turn.consumer] -= 1

    async def _claim(self, database: Database, lease_seconds: float) -> Turn | None:
        told = [consumer for consumer, turns in self._telling.items() if turns]
        full = [consumer for consumer in told if self._telling[consumer] >= max(1, self.notifiers - 1)]
        async with database.transaction() as tx:
            turn = await notifying.claim(tx, lease_seconds, without=told)
            if turn is None and len(full) < len(told):
                turn = await notifying.claim(tx, lease_seconds, without=full)
        return turn
