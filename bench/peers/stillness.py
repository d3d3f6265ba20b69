"""Whether the machine stood still: then time-outs ran out that the measured programs could do nothing about."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

SECONDS_MAX = 2.0
"""Shorter than any time-out of a peer; a busy machine lets even the last of its programs run within that."""
_LOOK_SECONDS = 0.2


@dataclass
class Stillness:
    """The longest while that nothing ran."""

    seconds: float = 0.0

    @property
    def spoilt(self) -> bool:
        return self.seconds > SECONDS_MAX


@contextlib.contextmanager
def watched() -> Generator[Stillness]:
    """Looks at the clock all the while, from a thread of its own; who is stopped together with us, we notice by ourselves."""
    found, over = Stillness(), threading.Event()

    def look() -> None:
        before = time.monotonic()
        while not over.wait(_LOOK_SECONDS):
            now = time.monotonic()
            found.seconds = max(found.seconds, now - before - _LOOK_SECONDS)
            before = now

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield found
    finally:
        over.set()
        watch.join()
