"""The figures of the home page counted over and over in the background, costly ones less often, by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg
import structlog

from crossdock.observe.logs import told
from crossdock.store import figures
from crossdock.store.database import Database
from crossdock.store.figures import Figure
from crossdock.store.flow import Limit

log = structlog.get_logger("crossdock")

# Each figure takes at most half a hundredth of one core, and nothing is counted more often than somebody could read it.
_REST_SHARE = 200
_REST_SECONDS = 2.0
_REST_SECONDS_OF = {"check": 20.0, "flow": 10.0}
_TIMEOUT_MILLISECONDS = 60_000
# A figure holds for three rests, and for so long besides as a busy process may be late.
_LATE_SECONDS = 30.0


async def count_what_is_due(database: Database, limits: Sequence[Limit] = ()) -> int:
    """Count what was not counted for a while; answers how many figures."""
    async with database.transaction() as tx:
        known = await figures.figures(tx)
    wanted = [name for name in figures.NAMES if _due(name, known.get(name))]
    return sum([await _count(database, name, limits) for name in wanted])


def _due(name: str, known: Figure | None) -> bool:
    return known is None or known.age_seconds > _rest_seconds(name, known.seconds)


def _rest_seconds(name: str, took_seconds: float) -> float:
    return max(_REST_SECONDS_OF.get(name, _REST_SECONDS), took_seconds * _REST_SHARE)


async def _count(database: Database, name: str, limits: Sequence[Limit]) -> int:
    began = time.monotonic()
    try:
        async with database.transaction() as tx:
            if not await figures.alone(tx):
                return 0
            await figures.have_patience(tx, _TIMEOUT_MILLISECONDS)
            value = await figures.count(tx, name, limits)
            took = time.monotonic() - began
            await figures.keep(tx, name, value, took, _holds_seconds(name, took))
    except psycopg.Error as error:
        log.warning("console: not counted", figure=name, **told(error))
        await _failed(database, name, " ".join(str(error).split())[:200], time.monotonic() - began)
    return 1


async def _failed(database: Database, name: str, why: str, took: float) -> None:
    async with database.transaction() as tx:
        await figures.keep(tx, name, None, took, _holds_seconds(name, took), failed=why)


def _holds_seconds(name: str, took: float) -> float:
    return 3 * _rest_seconds(name, took) + _LATE_SECONDS
