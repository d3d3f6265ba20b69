"""How old the answers were that were told to whoever asked, counted by age for the windows of a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from crossdock.store.database import Transaction, columns, rows, run
from crossdock.store.flow import SPANS, Window
from crossdock.store.statements import load

_SQL = load("freshness")
UNANSWERED = -1
STOCK = "availability"


class Told(NamedTuple):
    """An answer of some noun, at most so many seconds old; `in_time`: as fresh as it was asked for."""

    noun: str
    age_seconds: int
    in_time: bool


async def note(tx: Transaction, counts: Mapping[Told, int]) -> None:
    """So many of each were told since the last time."""
    await run(tx, _SQL["note"], columns((*Told._fields, "count"), [(*told, n) for told, n in counts.items()]))


async def windows(tx: Transaction, noun: str) -> dict[int, Window]:
    """By minutes; `count` is what was asked for, and the percentiles are ages."""
    about = {"noun": noun, "span": list(SPANS)}
    return {
        span: Window(count=count, in_time=in_time, p50=p50, p95=p95, p99=p99)
        for span, count, in_time, p50, p95, p99 in await rows(tx, _SQL["windows"], about)
    }
