"""Waiting for what has to come about by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

_LOOK_SECONDS = 0.2


async def soon(question: Callable[[], bool | Awaitable[bool]], seconds: float) -> bool:
    """Whether it comes about before so many seconds are over; it is asked once at least."""
    ends = time.monotonic() + seconds
    while True:
        answer = question()
        if await answer if isawaitable(answer) else answer:
            return True
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
