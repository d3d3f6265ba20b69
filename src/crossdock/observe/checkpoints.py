"""Named points before and after every commit and call, where a test may stop or kill the process for real."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_KILL_AT = os.environ.get("CROSSDOCK_KILL_AT")
_STOP_AT = os.environ.get("CROSSDOCK_STOP_AT")
# The n-th time the point is reached, 1 by default; a marker file makes it happen once over several processes.
_COUNT = int(os.environ.get("CROSSDOCK_CHECKPOINT_COUNT", "1"))
_MARKER = os.environ.get("CROSSDOCK_CHECKPOINT_MARKER")

POINTS = (
    "door:before_commit",
    "door:after_commit",
    "translate:before_commit",
    "translate:after_commit",
    "settle:before_commit",
    "settle:after_commit",
    "seal:before_commit",
    "seal:after_commit",
    "call:before",
    "call:after",
    "receipt:before_commit",
    "receipt:after_commit",
)
SWEEP_POINTS = ("sweep:before_commit", "sweep:after_commit")
"""Apart, for a hub that was just started does not pass them for a while."""

_seen: dict[str, int] = {}


def reach(point: str) -> None:
    """Pass a named point; kills or stops this very process there when the environment says so, and is free otherwise."""
    if _KILL_AT is None and _STOP_AT is None:
        return
    assert point in POINTS or point in SWEEP_POINTS, f"{point} is not a named checkpoint"
    _seen[point] = _seen.get(point, 0) + 1
    if point in (_KILL_AT, _STOP_AT) and _seen[point] >= _COUNT and _first_of_all():
        os.kill(os.getpid(), signal.SIGKILL if point == _KILL_AT else signal.SIGSTOP)


def _first_of_all() -> bool:
    if _MARKER is None:
        return True
    try:
        Path(_MARKER).open("x").close()
    except FileExistsError:
        return False
    return True
