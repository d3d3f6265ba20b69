"""Bugs of leases: whoever was away too long writes all the same, or what it held is nobody's for good."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock.deliver import lines
from crossdock.store import delivery, leases
from crossdock.store.database import Transaction
from crossdock.store.leases import Leases
from tests.chaos.plants.altering import alter


def no_fencing() -> None:
    """A process that was away past its lease goes on where it was: it calls, and it writes."""

    def never(monotonic_seconds: float) -> Callable[[], None]:
        return lambda: None

    async def hold(self: Leases, tx: Transaction, held: Mapping[int, int]) -> None:
        return None

    lines._guard_until = never  # pyright: ignore[reportPrivateUsage]
    Leases.hold = hold
    statements: Any = delivery._SQL  # pyright: ignore[reportPrivateUsage]
    alter(statements, "reschedule", " and d.fence = r.fence", "")


def lease_never_reclaimed() -> None:
    """Buckets are taken only from those who gave them back."""
    statements: Any = leases._SQL  # pyright: ignore[reportPrivateUsage]
    alter(statements, "take_leases", " or until <= now()", "")
