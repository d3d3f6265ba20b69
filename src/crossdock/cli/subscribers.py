"""`crossdock subscription`: who is told what happens, and whether it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.settings import Settings
from crossdock.store import cases, subscriptions
from crossdock.store.database import Database
from crossdock.store.decisions import Decider
from crossdock.store.subscriptions import Subscription, Wanted


def listed() -> list[Subscription]:
    async def work(database: Database, _: Settings) -> list[Subscription]:
        async with database.transaction() as tx:
            return await subscriptions.held(tx)

    return ask(work)


def resumed(by: str, id_: str) -> int:
    """How many events wait for it; one line and exit code 1 when there is no such subscription."""

    async def work(database: Database, _: Settings) -> int:
        async with database.transaction() as tx:
            await subscriptions.lock(tx, id_)
            found = await subscriptions.held(tx, id_=id_)
            if not found:
                raise Failure(
                    f"there is no subscription {id_}; list them with: crossdock subscription list", EXIT_FOUND
                )
            held = found[0]
            await subscriptions.change(tx, id_, Wanted(held.url, held.types, held.note, "active"))
            for cause in subscriptions.causes(id_):
                await cases.close(tx, cause, by)
            await Decider(tx, by).record("resume subscription", subscription=id_, was=held.state)
        return held.waiting

    return ask(work)


def as_builtins(found: Sequence[Subscription]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in found]


def as_text(found: Sequence[Subscription]) -> str:
    lines = [line for each in found for line in _lines(each)]
    return "\n".join(lines) or "Nobody subscribes. A consumer with the scope subscriptions:write may."


def _lines(each: Subscription) -> list[str]:
    failing = f", failing since {day_and_clock(each.failing_since)}" if each.failing_since else ""
    taken = f"took something {day_and_clock(each.succeeded_at)}" if each.succeeded_at else "took nothing yet"
    why = f": {each.reason}" if each.reason else ""
    return [
        f"{each.id}  {each.consumer}  {each.state}{why}",
        f"    {each.url}  {' '.join(each.types) or 'every event'}",
        f"    {each.waiting} waiting, {taken}{failing}",
    ]
