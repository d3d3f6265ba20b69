"""`crossdock books`: one order's books, for finance: what should be billed and is, who is owed what, and every posting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from crossdock.cli.asking import ask
from crossdock.cli.money import as_books
from crossdock.govern.settings import Settings
from crossdock.settle.looking import look
from crossdock.settle.rules import rules_seen
from crossdock.settle.statement import Statement, stated, unexplained
from crossdock.store import resting, tracing
from crossdock.store.database import Database


@dataclass(frozen=True)
class Books:
    """An order's statement, whether it is at rest, and what is wrong with it if it is."""

    statement: Statement
    at_rest: bool
    wrong: list[tuple[str, str]]


def booked(name: str) -> list[Books]:
    """The books of the orders known by a name; empty when there is none."""

    async def work(database: Database, told: Settings) -> list[Books]:
        async with database.transaction() as tx:
            await resting.one_snapshot(tx)
            entities = await tracing.entities_named(tx, name, list(told.translators))
            rules = await rules_seen(tx, told)
            reads = await look(tx, entities, rules)
            quiet = {each.entity: each for each in await resting.at_rest(tx, entities)}
        found: list[Books] = []
        for read in reads:
            statement = stated(read.standing, rules.policy, list(rules.owed(read.standing, rules.policy)))
            resting_ = quiet.get(read.unsettled.entity)
            if statement is not None:
                expects = resting_ is not None and resting_.expects
                wrong = list(unexplained(read.standing, rules.policy, expects=expects)) if resting_ else []
                found.append(Books(statement, resting_ is not None, wrong))
        return found

    return ask(work)


def as_text(found: list[Books]) -> str:
    return "\n\n".join(as_books(each.statement, each.wrong, at_rest=each.at_rest) for each in found)


def as_builtins(found: list[Books]) -> list[dict[str, Any]]:
    """Amounts in minor units of each order's currency."""
    return [
        {
            **msgspec.to_builtins(each.statement),
            "at_rest": each.at_rest,
            "unexplained": [{"question": question, "what": what} for question, what in each.wrong],
        }
        for each in found
    ]
