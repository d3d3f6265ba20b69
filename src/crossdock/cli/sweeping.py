"""`crossdock sweep`: a list compared at once, with what the connection's budget has to spare."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.deliver.lines import Line, line_of
from crossdock.govern.connections import Connection
from crossdock.govern.settings import Settings
from crossdock.store import sweeps
from crossdock.store.budgets import Spare
from crossdock.store.database import Database
from crossdock.store.sweeps import Ended
from crossdock.sweep.source import Source
from crossdock.sweep.sweeper import Sweeper

_IDLE_SECONDS = 0.01
# A pass that stands still for this long is left to the running hub, or to the next try.
_STUCK_SECONDS_MAX = 60.0
_WHY = {
    "shed": "what was received or promised waits, and goes first; is a hub running, and does it keep up?",
    "free": "it does not answer, or leaves nothing of its call budget; see crossdock cases",
}


@dataclass(frozen=True)
class Limits:
    """What this pass may put right, and take for gone; None: as the settings say."""

    repairs_max: int | None = None
    gone_max: int | None = None


def sweeper_of(database: Database, each: Connection, line: Line) -> Sweeper:
    """The sweeper of a configured connection, on its line."""
    spare = Spare(line.budget)

    source = Source(
        connection=each.name,
        connector=each.connector,
        terms=each.sweep,
        open_link=partial(line.link, spend=spare.spend),
        is_quiet=lambda: time.monotonic() < line.quiet_until,
        asks_for_quiet=line.hush,
    )
    return Sweeper(database, source)


def swept(connection: str, kind: str | None, *, full: bool, limits: Limits) -> list[Ended]:
    """Sweep the connection's lists, or one of them, now; answers how each pass ended."""

    async def work(database: Database, told: Settings) -> list[Ended]:
        each = told.connections.get(connection)
        if each is None:
            raise Failure(f"there is no connection {connection}; connections are {', '.join(sorted(told.connections))}")
        line = await line_of(database, each)
        try:
            return await sweep_now(sweeper_of(database, each, line), kind, full=full, limits=limits)
        finally:
            await line.close()

    return ask(work)


async def sweep_now(sweeper: Sweeper, kind: str | None, *, full: bool, limits: Limits | None = None) -> list[Ended]:
    """Have the passes made, by this process or another, and wait until they are over.

    `full`: everything, of all ages; of what keeps no such list, its changes. A list that was never swept is swept whole.
    """
    await sweeper.plan()
    async with sweeper.database.transaction() as tx:
        begun = await sweeps.begun(tx, sweeper.source.connection)
    ended: list[Ended] = []
    for whole in (True, False):
        kinds = [each for each in _kinds(sweeper, kind) if _is_whole(sweeper, each, begun, full=full) is whole]
        if kinds:
            ended += await _passes(sweeper, kinds, limits or Limits(), whole=whole)
    return ended


def _kinds(sweeper: Sweeper, kind: str | None) -> list[str]:
    source = sweeper.source
    if kind is not None and kind not in source.kinds:
        told = f"it lists {', '.join(source.kinds)}" if source.kinds else "it lists nothing"
        raise Failure(f"{source.connection} has no list of {kind}; {told}")
    return list(source.kinds) if kind is None else [kind]


def _is_whole(sweeper: Sweeper, kind: str, begun: frozenset[str], *, full: bool) -> bool:
    reads = sweeper.source.kinds[kind]
    if reads.whole is None or reads.list is None:
        return reads.whole is not None
    return full or (kind not in begun and kind not in sweeper.source.apart())


async def _passes(sweeper: Sweeper, kinds: list[str], limits: Limits, *, whole: bool) -> list[Ended]:
    connection, told = sweeper.source.connection, {"repairs_max": limits.repairs_max, "gone_max": limits.gone_max}
    async with sweeper.database.transaction() as tx:
        runs = await sweeps.order_pass(tx, connection, kinds, whole=whole, **told)
    still_until = time.monotonic() + _STUCK_SECONDS_MAX
    while True:
        if await sweeper.round():
            still_until = time.monotonic() + _STUCK_SECONDS_MAX
        async with sweeper.database.transaction() as tx:
            over = await sweeps.passes_after(tx, connection, kinds, min(runs.values()) - 1, whole=whole)
            stopped = await sweeps.permit(tx, connection)
        ended = [each for each in over if each.run >= runs[each.kind]]
        if {each.kind for each in ended} >= set(kinds) or stopped == "braked":
            return ended
        if time.monotonic() > still_until:
            raise Failure(f"{connection} was not swept: {_WHY[stopped]}", EXIT_FOUND)
        await asyncio.sleep(_IDLE_SECONDS)


def as_builtins(found: list[Ended]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in found]


def as_text(found: list[Ended]) -> str:
    if not found:
        return "Nothing was swept: the connection is stopped. See: crossdock cases"
    return "\n".join(_line(each) for each in found)


def _line(each: Ended) -> str:
    counted = "" if each.counted is None else f" of {each.counted}"
    flaw = f": {each.flaw}" if each.flaw else ""
    return f"{each.kind:<16} {each.listed:>7} listed{counted}, {each.differing} differ, {each.verdict}{flaw}"
