"""`crossdock secrets`: which keys seal what the database keeps, and the change from one key to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.govern.settings import Settings
from crossdock.govern.strongbox import Strongbox, Unopened, strongbox_of
from crossdock.govern.tokens import renew_signing
from crossdock.store import sealed
from crossdock.store.database import Database, Transaction
from crossdock.store.decisions import Decider


class Kept(NamedTuple):
    """One secret, by what it is for; never the secret itself."""

    where: str
    name: str
    current: bool
    """Sealed by the first of `hub.sealing_keys`."""


def kept() -> list[Kept]:
    async def work(database: Database, told: Settings) -> list[Kept]:
        box = strongbox_of(told)
        async with database.transaction() as tx:
            found = [(column, each) for column in sealed.COLUMNS for each in await sealed.all_in(tx, column)]
        return [Kept(column.table, name, box.is_current(held)) for column, (name, held) in found]

    return ask(work)


def rotated(by: str, *, signing: bool) -> int:
    """Have the first key seal everything, and `signing`: another secret sign tokens; answers how many were sealed anew."""

    async def work(database: Database, told: Settings) -> int:
        box = strongbox_of(told)
        async with database.transaction() as tx:
            count = sum([await _rotate(tx, box, column) for column in sealed.COLUMNS])
            if signing:
                await renew_signing(tx, box)
            await Decider(tx, by).record("rotate secrets", sealed_anew=count, signing=signing)
        return count

    try:
        return ask(work)
    except Unopened as error:
        raise Failure(f"nothing was changed: {error}", EXIT_FOUND) from error


async def _rotate(tx: Transaction, box: Strongbox, column: sealed.Column) -> int:
    behind = [(name, held) for name, held in await sealed.all_in(tx, column) if not box.is_current(held)]
    for name, held in behind:
        await sealed.replace(tx, column, name, box.rewrapped(held))
    return len(behind)


def as_text(found: Sequence[Kept]) -> str:
    lines = [f"{'first key  ' if each.current else 'earlier key'}  {each.where} {each.name}" for each in found]
    return "\n".join(lines) or "Nothing is sealed yet."
