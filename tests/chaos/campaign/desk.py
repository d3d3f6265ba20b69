"""The back office as a system: a ledger of what its people were told was done, for a judge to read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from crossdock.simulators.ledger import Ledger, ledger_routes
from crossdock.simulators.running import serving

_TAKEN, _BROKEN = 202, 500


@dataclass
class Desk:
    """Its ledger, by order's id: `allowed` and since when; `unanswered` when nobody said whether it was taken."""

    ledger: Ledger = field(default_factory=Ledger)
    url: str = ""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether anybody works there, who asks the hub for anything."""

    def __post_init__(self) -> None:
        self.open.set()

    def told(self, order: str, amount: int, since: datetime, status: int) -> None:
        """What the hub answered at last; one that refuses has done nothing."""
        what = "allowed" if status == _TAKEN else "unanswered" if status == 0 or status >= _BROKEN else "refused"
        self.ledger.append(what, order, amount=amount, since=since.isoformat(), status=status)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[Desk]:
        app = web.Application()
        ledger_routes(app, self.ledger)
        async with serving(app) as running:
            self.url = running.url
            yield self
