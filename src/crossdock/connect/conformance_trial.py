"""One question the conformance kit asks of a connector."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from crossdock.connect.conformance_watch import Watch


@dataclass(frozen=True)
class Trial:
    """A named question; `ask` raises AssertionError when the answer is no. Everything said meanwhile is heard by the watch."""

    name: str
    ask: Callable[[Watch], Awaitable[None]]
