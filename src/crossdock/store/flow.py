"""How fast what is promised is kept: attainment, percentiles and backlog of each workflow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from crossdock.store.database import Transaction, columns, rows
from crossdock.store.statements import load

_SQL = load("flow")
SPANS = (10, 60, 24 * 60)
"""Minutes."""
_MINUTE = 60.0
# What a minute has fewer of is looked at over ten.
_PACE_COUNT_MIN = 20


class Limit(NamedTuple):
    """Promises of this name belong to that workflow, and should be kept within so many minutes of their cause."""

    name: str
    workflow: str
    minutes: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Acts confirmed in the last so many minutes; the percentiles in seconds."""

    count: int
    in_time: int
    p50: float
    p95: float
    p99: float


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    windows: dict[int, Window] = {}
    """By minutes, as in `SPANS`."""
    open: int = 0
    late: int = 0
    """Open ones past their deadline."""
    oldest: datetime | None = None
    pace: float = 0.0
    """Acts confirmed a second, lately."""

    @property
    def drains_in(self) -> float | None:
        """Seconds until what is open is done at this pace; None where nothing was done lately."""
        return self.open / self.pace if self.pace else None


async def flow(tx: Transaction, limits: Sequence[Limit]) -> dict[str, Workflow]:
    about = columns(("name", "workflow", "minutes"), list(limits))
    windows: dict[str, dict[int, Window]] = {}
    for workflow, span, count, in_time, p50, p95, p99 in await rows(tx, _SQL["kept"], about | {"span": list(SPANS)}):
        found = Window(count=count, in_time=in_time, p50=p50, p95=p95, p99=p99)
        windows.setdefault(workflow, {})[span] = found
    paces: dict[str, float] = {}
    for workflow, _, count, seconds in await rows(tx, _SQL["pace"], about):  # the shorter span first
        if workflow not in paces or paces[workflow] * _MINUTE < _PACE_COUNT_MIN:
            paces[workflow] = count / max(seconds, 1.0)
    open_ = {row[0]: row[1:] for row in await rows(tx, _SQL["open"], about)}
    return {
        name: _workflow(windows.get(name, {}), open_.get(name), paces.get(name, 0.0))
        for name in dict.fromkeys(w for _, w, _ in limits)
    }


async def seconds(tx: Transaction, promises: Sequence[int]) -> list[tuple[str, float]]:
    """(name, seconds since its cause was known) of each."""
    return [(name, took) for name, took in await rows(tx, _SQL["seconds"], {"promises": list(promises)})]


def _workflow(windows: dict[int, Window], held: tuple[int, int, datetime] | None, pace: float) -> Workflow:
    count, late, oldest = held or (0, 0, None)
    return Workflow(windows=windows, open=count, late=late, oldest=oldest, pace=pace)
