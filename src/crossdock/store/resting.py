"""Which orders are at rest: what is known of them is settled, and nothing is to be done about them now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("resting")


@dataclass(frozen=True, slots=True)
class Resting:
    """An order at rest; `expects` when somebody is waited for, or a person has a case of it."""

    entity: str
    expects: bool


async def one_snapshot(tx: Transaction) -> None:
    """The first thing in a transaction that only reads: all of it sees one moment."""
    await run(tx, _SQL["one_snapshot"])


async def at_rest(tx: Transaction, entities: Sequence[str]) -> list[Resting]:
    """Those of them that are."""
    return [Resting(*row) for row in await rows(tx, _SQL["at_rest"], {"entity": list(entities)})]


async def orders(tx: Transaction, after: str, limit: int) -> list[str]:
    """The keys of the next orders behind that key; `after` is empty at the beginning."""
    return [row[0] for row in await rows(tx, _SQL["orders"], {"after": after, "limit": limit})]
