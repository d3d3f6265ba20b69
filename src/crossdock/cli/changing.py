"""`crossdock changes`: what one person asked for and another one has to allow; and how every governed change is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.changing import Changing
from crossdock.govern.settings import Settings
from crossdock.store import governing
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable
from crossdock.store.governing import Change

T = TypeVar("T")


def changed(by: str, change: Callable[[Changing], Awaitable[T]]) -> T:
    """Make a governed change; one line and exit code 1 when it doesn't fit what is there."""

    async def work(database: Database, told: Settings) -> T:
        async with database.transaction() as tx:
            return await change(Changing(tx, told, by))

    try:
        return ask(work)
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


def waiting(id_: int) -> str:
    return f"it waits for somebody else as request {id_}: crossdock changes approve {id_}"


def listed() -> list[Change]:
    async def work(database: Database, _: Settings) -> list[Change]:
        async with database.transaction() as tx:
            return await governing.open_changes(tx)

    return ask(work)


def as_text(found: list[Change]) -> str:
    if not found:
        return "Nothing waits for a second person."
    return "\n".join(line for each in found for line in _lines(each))


def _lines(each: Change) -> list[str]:
    until = (
        f"has run out, {day_and_clock(each.expires_at)}" if each.expired else f"until {day_and_clock(each.expires_at)}"
    )
    lines = [f"{each.id:>6}  {each.kind} {each.subject}, asked by {each.by}, {until}", f"        {change_of(each)}"]
    return [*lines, f"        because {each.why}"] if each.why else lines


def change_of(each: Change) -> str:
    """What would be otherwise, in a few words."""
    match each.kind:
        case "mapping":
            return f"from {each.before} to {each.after['value']}"
        case "contract":
            return f"version {each.after['version']}, {each.after['level']} compatible, of {each.after['owner']}"
        case _:
            found: dict[str, Any] = each.after.get("differences") or {}
            return f"{len(each.before or [])} keys differ; {found.get('differences', 'no')} differences in what is promised"


def as_builtins(found: list[Change]) -> list[dict[str, Any]]:
    return [{name: getattr(each, name) for name in Change.__slots__} for each in found]
