"""`crossdock deprecated`: which operations of the API are to go, and who still asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.api_settings import Deprecation
from crossdock.govern.settings import Settings
from crossdock.store import deprecated
from crossdock.store.database import Database
from crossdock.store.deprecated import Called

Retiring = Mapping[str, tuple[Deprecation, Sequence[Called]]]


def retiring() -> Retiring:
    """By operation: since when, and its callers."""

    async def work(database: Database, told: Settings) -> Retiring:
        async with database.transaction() as tx:
            calls = await deprecated.calls(tx)
        return {
            name: (each, [one for one in calls if one.operation == name]) for name, each in told.api.deprecated.items()
        }

    return ask(work)


def as_builtins(found: Retiring) -> list[dict[str, Any]]:
    return [
        {"operation": name, "since": each.since, "sunset": each.sunset, "callers": [one._asdict() for one in calls]}
        for name, (each, calls) in found.items()
    ]


def as_text(found: Retiring) -> str:
    lines = [line for name, (each, calls) in found.items() for line in _lines(name, each, calls)]
    return "\n".join(lines) or "Nothing is to go. Say so in the settings: [api.deprecated.<operation>]"


def _lines(name: str, each: Deprecation, calls: Sequence[Called]) -> list[str]:
    until = f", gone from {each.sunset:%Y-%m-%d} on" if each.sunset else ""
    callers = [f"    {one.caller}  {one.times} times, last {day_and_clock(one.last_at)}" for one in calls]
    return [f"{name}  to go since {each.since:%Y-%m-%d}{until}", *(callers or ["    nobody has asked for it since"])]
