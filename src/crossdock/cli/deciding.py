"""Decisions from a terminal: mappings, retries, doubts, brakes and epochs; and the list of cases they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.settings import Settings
from crossdock.store import cases
from crossdock.store.cases import OpenCase
from crossdock.store.database import Database
from crossdock.store.decisions import Decider, NotDecidable

T = TypeVar("T")


def decided(by: str, decision: Callable[[Decider], Awaitable[T]]) -> T:
    """Carry out a person's decision; one line and exit code 1 when it doesn't fit what is there."""

    async def work(database: Database, _: Settings) -> T:
        async with database.transaction() as tx:
            return await decision(Decider(tx, by))

    try:
        return ask(work)
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


def open_cases() -> list[OpenCase]:
    async def work(database: Database, _: Settings) -> list[OpenCase]:
        async with database.transaction() as tx:
            return await cases.open_cases(tx)

    return ask(work)


def as_text(found: list[OpenCase]) -> str:
    """One block per case: what, how many, since when, and what to do."""
    if not found:
        return "No open cases."
    return "\n".join(
        f"case {case.id}  {case.title}  ({case.items} {'item' if case.items == 1 else 'items'}, "
        f"since {day_and_clock(case.opened_at)})\n"
        f"    e.g. {case.detail or '-'}\n"
        f"    remedy: {case.remedy}"
        for case in found
    )


def as_builtins(found: list[OpenCase]) -> object:
    return [
        {
            "id": case.id,
            "cause": case.cause,
            "kind": case.kind,
            "title": case.title,
            "remedy": case.remedy,
            "opened_at": case.opened_at,
            "items": case.items,
            "example": case.detail,
            "entities": list(case.entities),
        }
        for case in found
    ]
