"""Bugs of limits, policy and people's work: counted too late, in too many places, or put away because it is old."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.deliver import sealing
from crossdock.deliver.lane import Lane
from crossdock.deliver.sealing import Sealing
from crossdock.hub import Hub
from crossdock.promises import difference
from crossdock.promises.obligations import Act
from crossdock.store.accounts import move_accounts
from crossdock.store.budgets import Budget
from crossdock.store.database import Transaction, run
from crossdock.store.delivery import Claimed

_OLD_SECONDS = 1.0


def account_moved_outside_the_seal() -> None:
    """What an act takes of its accounts is looked at when it is sealed, and moved when it has been called for."""
    original = Lane._answers  # pyright: ignore[reportPrivateUsage]

    async def nothing(tx: Transaction, pending: Counter[str], posted: Counter[str]) -> None:
        return None

    async def answers(
        self: Lane, claimed: Sequence[Claimed], sealed: Sealing, lease_ends: float, above: Any
    ) -> Mapping[int, Any]:
        found = await original(self, claimed, sealed, lease_ends, above)
        async with self.database.transaction() as tx:
            await move_accounts(tx, sealed.taken, Counter())
        return found

    sealing.move_accounts = nothing
    Lane._answers = answers  # pyright: ignore


def policy_not_pinned() -> None:
    """Whatever the rules say now is done for everything that is known, however old."""

    def never(self: Any, owed: Act) -> bool:
        return False

    difference._Compared._retroactive = never  # pyright: ignore[reportPrivateUsage]


def budget_per_process() -> None:
    """Each process has the connection's call budget for itself."""
    since: dict[str, tuple[float, float]] = {}

    async def draw(self: Budget, points: int, rate: float) -> float:
        now = time.monotonic()
        left, at = since.get(self.connection, (self.burst, now))
        left = min(self.burst, left + rate * (now - at))
        taken = min(float(points), left // 1)
        since[self.connection] = (left - taken, now)
        self._in_hand += taken  # pyright: ignore[reportPrivateUsage]
        return max(0.0, (1 - (left - taken)) / rate)

    Budget._draw = draw  # pyright: ignore[reportPrivateUsage]


def case_closed_by_age() -> None:
    """A case that nobody has looked at for a while is over."""
    original = Hub.keep_house

    async def keep_house(self: Hub) -> int:
        async with self.database.transaction() as tx:
            old = {"seconds": _OLD_SECONDS}
            await run(
                tx,
                "update cases set closed_at = now(), closed_by = 'time'"
                " where closed_at is null and opened_at < now() - make_interval(secs => %(seconds)s)",
                old,
            )
        return await original(self)

    Hub.keep_house = keep_house
