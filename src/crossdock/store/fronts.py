"""Where a queue's living rows begin, so that nobody who looks for work walks through those that are gone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

LATE_SECONDS = 1.0
"""How long a transaction may take until what it puts into a queue counts as late: it is found with the next front."""
# What is late is seen this much later at most; a look for the front of a queue without dead rows takes 0.2 ms.
_AGAIN_SECONDS = 0.25
_SHARE_OF_TIME = 1 / 20
# However long a look took: a database that stood still for a while must not leave behind what came late meanwhile.
_AGAIN_SECONDS_MAX = 5.0


@dataclass
class Front(Generic[T]):
    """Where one queue begins, looked up now and then; nothing is left behind for longer than five seconds.

    A row that is gone stays in the queue's index for as long as any snapshot may still see it. Under a report of a minute
    each claim walked through 40,000 of them. This walk takes place at most a twentieth of the time.
    """

    again_seconds: float = _AGAIN_SECONDS
    again_seconds_max: float = _AGAIN_SECONDS_MAX
    _at: T | None = None
    _again_at: float = 0.0

    async def found(self, look: Callable[[], Awaitable[T]]) -> T:
        """Where to begin; `look` walks there from the very beginning."""
        began = time.monotonic()
        if self._at is None or began >= self._again_at:
            self._at = await look()
            ended = time.monotonic()
            wait_seconds = max(self.again_seconds, (ended - began) / _SHARE_OF_TIME)
            self._again_at = ended + min(wait_seconds, self.again_seconds_max)
        return self._at
