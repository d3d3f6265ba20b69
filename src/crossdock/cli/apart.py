"""`crossdock drift`: what sweeps found, and what became of it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crossdock.cli.asking import ask
from crossdock.cli.wording import amount, name_of
from crossdock.govern.settings import Settings
from crossdock.store import drift
from crossdock.store.database import Database
from crossdock.store.drift import Followed, Found

_CAUSES = {
    "unheard": "was never told",
    "changed": "was changed, and not told",
    "edited": "was edited there by somebody",
    "restored": "is back",
    "gone": "is gone",
    "missing": "was confirmed, and is missing",
}


def found(since: datetime, connection: str | None, limit: int) -> list[Found]:
    async def work(database: Database, _: Settings) -> list[Found]:
        async with database.transaction() as tx:
            return await drift.listed(tx, since, connection, limit)

    return ask(work)


def became(each: Found) -> str:
    """What put it right, or what it waits for."""
    if each.cases:
        return f"case: {each.cases}"
    if each.entity is None:
        return "belongs to nothing we know yet"
    if not each.settled:
        return "being settled"
    done = [f for f in each.followed if f.at is not None]
    told = ", ".join(_done(f) for f in done)
    waits = f"{each.still} promise{'' if each.still == 1 else 's'} under way" if each.still else ""
    return "; ".join(part for part in (told, waits) if part) or "known now; nothing was owed for it"


def _done(followed: Followed) -> str:
    verb = "repaired by" if followed.repair else "followed by"
    return f"{verb} {name_of(followed.name)} at {followed.target} ({followed.id})"


def apart_for(each: Found) -> timedelta | None:
    """For how long the two were apart when it was found."""
    return None if each.since is None or each.since > each.found_at else each.found_at - each.since


def as_builtins(listed: list[Found]) -> list[dict[str, Any]]:
    return [
        {
            **msgspec.to_builtins(each),
            "apart_seconds": None if (age := apart_for(each)) is None else age.total_seconds(),
            "became": became(each),
        }
        for each in listed
    ]


def as_text(listed: list[Found]) -> str:
    if not listed:
        return "Nothing was found to differ."
    lines = [line for each in listed for line in _lines(each)]
    return "\n".join([*lines, "", _sum(listed)])


def _lines(each: Found) -> list[str]:
    age = apart_for(each)
    since = f", {_aged(age)} before" if age is not None else ""
    money = f"  {amount(each.minor, each.currency)}" if each.minor is not None and each.currency else ""
    what = f"{each.kind.replace('_', ' ')} {each.thing} of {each.connection} {_CAUSES.get(each.cause, each.cause)}"
    detail = f" ({each.detail})" if each.detail else ""
    return [f"{each.found_at:%Y-%m-%d %H:%M}  {what}{since}{money}{detail}", f"                  {became(each)}"]


def _aged(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _sum(listed: list[Found]) -> str:
    worth = Counter[str]()
    for each in listed:
        if each.minor is not None and each.currency:
            worth[each.currency] += each.minor
    money = "".join(f", {amount(minor, currency)}" for currency, minor in sorted(worth.items()))
    return f"{len(listed)} difference{'' if len(listed) == 1 else 's'}{money}."
