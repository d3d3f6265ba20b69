"""One line per connection: its connector, its HTTP session, its budget, and the links its calls are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from crossdock.canonical.nouns import COMMANDS
from crossdock.connect.connector import Connector
from crossdock.connect.effects import Effect
from crossdock.connect.link import Http, Link, Spend, session_within
from crossdock.connect.outward import Reach, connector_within
from crossdock.govern.connections import Connection
from crossdock.kernel.faults import NotSent
from crossdock.store.budgets import Budget, Hushed
from crossdock.store.database import LOST, Database

# The lease must outlive the call by this much, so that nobody else takes over while an answer is being recorded.
_LEASE_MARGIN_SECONDS = 1.0
# Shorter than servers keep idle connections (5 s and more): a call on one that was just closed would be an unknown outcome.
_KEEP_SECONDS = 4.0


@dataclass
class Line:
    """A connection as the hub uses it; `in_flight` is how many calls may be under way at once in this process."""

    connection: str
    connector: Connector[Any]
    settings: msgspec.Struct
    budget: Budget
    in_flight: int = 16
    lanes: int = 1
    bulk_max: int | None = None
    """Fewer items a call than the connector could take; 1 makes bulk calls single."""
    reach: Reach = field(default_factory=Reach)
    memory: dict[str, Any] = field(default_factory=dict[str, Any])
    calls: int = 0
    """Requests that were let out so far."""
    _session: aiohttp.ClientSession | None = None

    def effects(self, noun: str) -> tuple[Effect, ...]:
        """The effect classes the connector declares for a noun; none for states and reads."""
        capability = self.connector.capabilities.get(COMMANDS[noun])
        return capability.effects if capability else ()

    def link(self, lease_ends: float, spend: Spend | None = None) -> Link[Any]:
        """A link that stops calling when the lease ends (`time.monotonic()` seconds); `spend` instead of the budget's own."""
        guard = _guard_until(lease_ends - _LEASE_MARGIN_SECONDS)
        http = Http(
            self._open_session(),
            str(getattr(self.settings, "url", "")),
            spend=spend or self._spend,
            guard=guard,
            timeout_seconds=float(getattr(self.settings, "timeout_seconds", 30.0)),
        )
        return Link(self.settings, http, self.memory, guard)

    @property
    def quiet_until(self) -> float:
        """`time.monotonic()` seconds until which the target asked for no more calls."""
        return self.budget.quiet_until

    def hush(self, seconds: float) -> None:
        """The target wants no more calls for so long, whoever is about to make one."""
        self.budget.quiet_until = max(self.budget.quiet_until, time.monotonic() + seconds)

    async def _spend(self, points: int) -> None:
        try:
            await self.budget.spend(points)
            self.calls += 1
        except Hushed as error:
            raise NotSent("the target asked for no calls just now") from error
        except LOST as error:
            raise NotSent(f"the call budget can't be asked: {type(error).__name__}") from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = session_within(
                connector_within(self.reach, limit=self.in_flight * 2, keepalive_timeout=_KEEP_SECONDS)
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


Lines = Mapping[str, Line]


async def line_of(database: Database, each: Connection) -> Line:
    """The line of a configured connection; its budget is known to all processes from then on."""
    pace = each.pace
    budget = Budget(database, each.name, pace.calls_per_second, pace.burst)
    await budget.declare()
    return Line(each.name, each.connector, each.settings, budget, pace.in_flight, pace.lanes, pace.bulk_max, each.reach)


def _guard_until(monotonic_seconds: float) -> Callable[[], None]:
    def guard() -> None:
        if time.monotonic() > monotonic_seconds:
            raise NotSent("the time for it ran out before it was sent")

    return guard
