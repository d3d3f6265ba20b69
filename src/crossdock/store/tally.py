"""Sums of what money moved and what the hub did by day, kept up in the background; no page adds up orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("tally")
_TOUCHED_MAX = 1_000


class Difference(NamedTuple):
    """An order whose money and documents differ; amounts in minor units, `minor` positive where more was kept than billed."""

    entity: str
    currency: str
    minor: int
    since: datetime
    reason: str
    wrong: int
    judged_at: datetime | None


class Reason(NamedTuple):
    """All orders that differ for one reason; `over` is kept beyond what was billed, `under` billed beyond what was kept."""

    currency: str
    why: str
    wrong: bool
    orders: int
    since: datetime
    over: int
    under: int


class Judgement(NamedTuple):
    entity: str
    currency: str
    reason: str
    wrong: int


class Added(NamedTuple):
    """`more`: the span ended before now, so that there is more to add at once."""

    movements: int
    more: bool


async def add_span(tx: Transaction, seconds: float, margin_seconds: float) -> Added:
    """Add the next span of time to the sums, up to so long ago.

    One process at a time does it. What is written is dated by when its transaction began, and the loops' end after 30 s.
    """
    await run(tx, _SQL["begin"])
    found = await rows(tx, _SQL["slice"], {"seconds": seconds, "margin": margin_seconds})
    if not found or found[0][1] <= found[0][0]:
        await run(tx, _SQL["went_back"])
        return Added(0, more=False)
    since, until = found[0]
    about = {"since": since, "until": until}
    [(movements,)] = await rows(tx, _SQL["add"], about)
    await run(tx, _SQL["add_work"], about)
    await run(tx, _SQL["advance"], about)
    await run(tx, _SQL["drop_even"])
    return Added(movements, until - since >= timedelta(seconds=seconds))


async def count_touched(tx: Transaction) -> int:
    """Count anew what later words have made wrong; answers how many days and orders it was."""
    held = await rows(tx, _SQL["hold_mark"])
    if not held:  # no sums yet, or somebody adds to them now: a day counted by their old mark would lack what they add
        return 0
    until = held[0][0]
    found = await rows(tx, _SQL["touched"], {"limit": _TOUCHED_MAX})
    if not found:
        return 0
    for day in sorted({row[0] for row in found}):
        await _count_day(tx, day, until)
    orders = {"entity": sorted({row[1] for row in found if row[1].startswith("order:")})}
    await run(tx, _SQL["forget_orders"], orders)
    await run(tx, _SQL["count_orders"], orders | {"until": until})
    await run(tx, _SQL["drop_even"])
    return len(found)


async def _count_day(tx: Transaction, day: date, until: datetime) -> None:
    first = datetime.combine(day, time(), UTC)
    await run(tx, _SQL["forget_day"], {"day": day})
    about = {"day": day, "first": first, "next": first + timedelta(days=1), "until": until}
    await run(tx, _SQL["count_day"], about)


async def mark(tx: Transaction) -> datetime | None:
    """Up to when everything is in the sums; None before the first was made."""
    found = await rows(tx, _SQL["mark"])
    return found[0][0] if found else None


async def unjudged(tx: Transaction, limit: int) -> list[str]:
    return [row[0] for row in await rows(tx, _SQL["unjudged"], {"limit": limit})]


async def audited(tx: Transaction) -> str:
    found = await rows(tx, _SQL["audited"])
    return found[0][0] if found else ""


async def judge(tx: Transaction, entities: Sequence[str], found: Sequence[Judgement]) -> None:
    """These orders were looked at, and this came of it."""
    await run(tx, _SQL["looked_at"], {"entity": list(entities)})
    await run(tx, _SQL["judge"], columns(Judgement._fields, [tuple(each) for each in found]))
    await run(tx, _SQL["drop_even"])


async def audit_from(tx: Transaction, after: str) -> None:
    await run(tx, _SQL["audit_from"], {"after": after})


async def differing(tx: Transaction, limit: int, offset: int = 0, *, wrong: bool = False) -> list[Difference]:
    about = {"limit": limit, "offset": offset, "wrong": wrong}
    return [Difference(*row) for row in await rows(tx, _SQL["differing"], about)]


async def reasons(tx: Transaction) -> list[Reason]:
    return [Reason(*row) for row in await rows(tx, _SQL["reasons"])]


async def work(tx: Transaction, first: date, last: date) -> dict[str, int]:
    """What the hub did in these days: act:<noun>, state:<noun>, repair, again."""
    return dict(await rows(tx, _SQL["work"], {"first": first, "last": last}))


async def released(tx: Transaction, since: datetime, until: datetime) -> tuple[int, int]:
    """(decisions that gave something its name, promises they released)"""
    [(decisions, promises)] = await rows(tx, _SQL["released"], {"since": since, "until": until})
    return decisions, promises


async def refused(tx: Transaction, since: datetime, until: datetime) -> tuple[int, list[str]]:
    """(how often people did not allow money to go back, the amounts as they were asked for)"""
    [(count, amounts)] = await rows(tx, _SQL["refused"], {"since": since, "until": until})
    return count, amounts or []


async def ended(tx: Transaction, since: datetime, until: datetime) -> tuple[int, int]:
    """(cases that ended by themselves, cases that somebody ended)"""
    [(alone, decided)] = await rows(tx, _SQL["ended"], {"since": since, "until": until})
    return alone, decided


async def assumptions(tx: Transaction) -> dict[str, Row]:
    """name -> (value, by, at)"""
    return {row[0]: row[1:] for row in await rows(tx, _SQL["assumptions"])}


async def assume(tx: Transaction, name: str, value: float | None, by: str) -> float | None:
    """Assume this, or nothing; answers what was assumed before."""
    found = await rows(tx, _SQL["assumed"], {"name": name})
    if value is None:
        await run(tx, _SQL["assume_nothing"], {"name": name})
    else:
        await run(tx, _SQL["assume"], {"name": name, "value": value, "by": by})
    return found[0][0] if found else None
