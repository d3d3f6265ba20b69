"""One decision on many case items: the set frozen when it is looked at, done in steps that survive any process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from crossdock.store import cases
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.desk import Filter, assign, snooze
from crossdock.store.statements import load

_SQL = load("bulk")
_DECISIONS = load("decisions")

AGAIN = "tried again"
GONE = "gone already"
WHOLE_CASES = {"assign": "assigned", "snooze": "snoozed", "wake": "in sight again"}
"""What is done to whole cases, and its outcome; all else is done to the promises in them."""


@dataclass(frozen=True, slots=True)
class Job:
    """`left`: items without an outcome; `reason`: why, or of `assign` to whom."""

    id: int
    what: str
    reason: str
    filter: str
    by: str
    items: int
    frozen_at: datetime
    confirmed_at: datetime | None
    done_at: datetime | None
    left: int


class Frozen(NamedTuple):
    job: int
    items: int
    cases: int
    entities: int


class Taken(NamedTuple):
    job: int
    case_id: int
    entity: str
    promise: int
    what: str
    by: str
    reason: str


async def freeze(decider: Decider, what: str, reason: str, wanted: Filter, described: str) -> Frozen:
    """A job about everything that fits now; it does nothing before it is confirmed."""
    about = {"what": what, "reason": reason, "filter": described, "by": decider.by}
    [(job,)] = await rows(decider.tx, _SQL["open_job"], about)
    [counts] = await rows(decider.tx, _SQL["freeze"], {"job": job, "whole": what in WHOLE_CASES, **wanted.parameters})
    return Frozen(job, *counts)


async def confirm(decider: Decider, job: int) -> int:
    """Have it done; answers how many items."""
    found = await rows(decider.tx, _SQL["confirm"], {"job": job, "by": decider.by})
    if not found:
        raise NotDecidable("it was confirmed already, is empty, or somebody else's")
    await decider.record("bulk", job=job, items=found[0][0])
    return found[0][0]


async def job_by_id(tx: Transaction, job: int) -> Job | None:
    found = await rows(tx, _SQL["job"], {"job": job})
    return Job(*found[0]) if found else None


async def outcomes(tx: Transaction, job: int) -> list[Row]:
    """(outcome, how many)"""
    return await rows(tx, _SQL["outcomes"], {"job": job})


async def items(tx: Transaction, job: int, limit: int, offset: int = 0) -> list[Row]:
    """(case, entity, promise, outcome, at, promise's name, target)"""
    return await rows(tx, _SQL["items"], {"job": job, "limit": limit, "offset": offset})


async def entities(tx: Transaction, job: int, limit: int) -> list[str]:
    return [row[0] for row in await rows(tx, _SQL["entities"], {"job": job, "limit": limit})]


Skip = Callable[[Decider, int, str], Awaitable[str]]
"""Leaves one promise undone for a reason; answers what came of it."""


async def step(tx: Transaction, limit: int, skip: Skip) -> int:
    """The next items of the oldest confirmed job; answers how many."""
    await run(tx, _SQL["finish"])
    taken = [Taken(*row) for row in await rows(tx, _SQL["take"], {"limit": limit})]
    if not taken:
        return 0
    came_of = await _came_of(tx, taken, skip)
    records: list[Row] = [(*each[:4], came_of.get(each, GONE)) for each in taken]
    await run(tx, _SQL["done"], columns(("job", "case_id", "entity", "promise", "outcome"), records))
    await run(tx, _SQL["finish"])
    await cases.close_empty(tx, taken[0].by)
    return len(taken)


async def _came_of(tx: Transaction, taken: Sequence[Taken], skip: Skip) -> dict[Taken, str]:
    """What came of each; of those left out nothing, for they were gone."""
    if taken[0].what in WHOLE_CASES:
        return await _of_whole_cases(tx, taken)
    return await (_skipped(tx, taken, skip) if taken[0].what == "skip" else _tried_again(tx, taken))


async def _of_whole_cases(tx: Transaction, taken: Sequence[Taken]) -> dict[Taken, str]:
    about = {"case_id": [each.case_id for each in taken]}
    still_open = {row[0] for row in await rows(tx, _SQL["still_open"], about)}
    found = [each for each in taken if each.case_id in still_open]
    for each in found:
        decider = Decider(tx, each.by)
        if each.what == "assign":
            await assign(decider, each.case_id, each.reason or None)
        else:
            await snooze(decider, each.case_id, quiet=each.what == "snooze")
    return {each: WHOLE_CASES[each.what] for each in found}


async def _in_cases(tx: Transaction, taken: Sequence[Taken], which: Literal["movable", "resent"]) -> set[int]:
    """Those about which nothing is under way, or that are sent again anyway; others were decided or done meanwhile."""
    about = {"case_id": [each.case_id for each in taken], "promise": [each.promise for each in taken]}
    return {row[0] for row in await rows(tx, _SQL[which], about)}


async def _skipped(tx: Transaction, taken: Sequence[Taken], skip: Skip) -> dict[Taken, str]:
    movable = await _in_cases(tx, taken, "movable")
    return {
        each: await skip(Decider(tx, each.by), each.promise, each.reason) for each in taken if each.promise in movable
    }


async def _tried_again(tx: Transaction, taken: Sequence[Taken]) -> dict[Taken, str]:
    movable, resent = await _in_cases(tx, taken, "movable"), await _in_cases(tx, taken, "resent")
    await run(tx, _DECISIONS["try_again"], {"promise": sorted(movable), "bump": 0})
    await run(tx, _DECISIONS["hasten"], {"promise": sorted(resent)})
    await run(tx, _SQL["leave_cases"], {"promise": sorted(movable | resent)})
    return {each: AGAIN for each in taken if each.promise in movable | resent}
