"""Figures of the whole, counted in the background and kept with their age, so that a page never counts a hot table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.store import approvals, checking, flow, freshness, tally
from crossdock.store.database import Transaction, rows, run
from crossdock.store.flow import Limit
from crossdock.store.statements import load

_SQL = load("figures")

PARTS = ("invoicing", "returns", "money", "telling")
_PLAIN = ("approvals", "unbound", "targets", "unreconciled", "quarantined", "doubtful", "cases")
NAMES = ("stuck", *_PLAIN, "stock", "flow", "check")
"""Everything that is counted, the costliest last."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many, since when, and what is at stake in minor units by currency."""

    count: int
    oldest: datetime | None = None
    worth: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is None when it couldn't be counted; `stale` when it was too long ago to be trusted."""

    name: str
    value: Any
    failed: str | None
    at: datetime
    seconds: float
    stale: bool
    age_seconds: float


async def figures(tx: Transaction) -> dict[str, Figure]:
    found = await rows(tx, _SQL["counted"])
    return {row[0]: Figure(row[0], None if row[1] is None else msgspec.json.decode(row[1]), *row[2:]) for row in found}


async def alone(tx: Transaction) -> bool:
    """Whether nobody else is counting; held until commit."""
    return bool((await rows(tx, _SQL["alone"]))[0][0])


async def have_patience(tx: Transaction, milliseconds: int) -> None:
    """No statement of this transaction takes longer than that."""
    await run(tx, _SQL["patience"], {"milliseconds": milliseconds})


async def keep(
    tx: Transaction, name: str, value: object, seconds: float, holds_seconds: float, failed: str | None = None
) -> None:
    encoded = None if value is None else msgspec.json.encode(value).decode()
    about = {"name": name, "value": encoded, "failed": failed, "seconds": seconds, "holds_seconds": holds_seconds}
    await run(tx, _SQL["keep"], about)


async def count(tx: Transaction, name: str, limits: Sequence[Limit]) -> Mapping[str, Any]:
    """A figure counted now, as it is kept; `limits` are what the flow is measured by."""
    match name:
        case "stuck":
            return {part: _tally(*rest) for part, *rest in await rows(tx, _SQL["stuck"])}
        case "check":
            found = await checking.check(tx)
            return {"holds": found.holds, **msgspec.to_builtins(found)}
        case "flow":
            return await flow.flow(tx, limits)
        case "approvals":
            told = _tally(*(await rows(tx, _SQL[name]))[0])
            return {name: told, "roles": await approvals.asked_of(tx)}
        case "stock":
            return {"windows": await freshness.windows(tx, freshness.STOCK)}
        case "cases":
            await run(tx, _SQL["weigh_cases"])
            return {"cases": _tally(*(await rows(tx, _SQL["cases"]))[0])}
        case "unreconciled":
            told = _tally(*(await rows(tx, _SQL[name]))[0])
            return {name: told, "reasons": [each._asdict() for each in await tally.reasons(tx)]}
        case _:
            assert name in _PLAIN
            return {name: _tally(*(await rows(tx, _SQL[name]))[0])}


def _tally(count_: int, oldest: datetime | None, worth: str) -> Tally:
    return Tally(count=count_, oldest=oldest, worth=msgspec.json.decode(worth, type=dict[str, int]))
