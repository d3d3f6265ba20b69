"""Accounts: limits that can't be overdrawn, moved in the transaction of the seal or receipt that moves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("accounts")

Movement = tuple[str, int, int]
"""(account, amount, limit)"""


@dataclass(frozen=True, slots=True)
class Account:
    """What is pending was taken by seals whose outcome isn't known yet, what is posted happened."""

    key: str
    limit: int
    pending: int
    posted: int


async def after(tx: Transaction, key: str, limit: int) -> list[Account]:
    """So many of those behind a key, by key."""
    return [Account(*row) for row in await rows(tx, _SQL["after"], {"key": key, "limit": limit})]


def movements(within: str) -> list[Movement]:
    """The movements a promise was opened with, from their stored form."""
    return [] if within == "[]" else msgspec.json.decode(within, type=list[Movement])


def amounts(within: str) -> Counter[str]:
    """The same, summed by account."""
    summed: Counter[str] = Counter()
    for account, amount, _ in movements(within):
        summed[account] += amount
    return summed


async def lock_accounts(tx: Transaction, movements: Iterable[Movement]) -> dict[str, int]:
    """What is left of each account, made if new, held until commit."""
    limits = {(account, limit) for account, _, limit in movements}
    if not limits:
        return {}
    await run(tx, _SQL["make_accounts"], columns(("key", "limit"), sorted(limits)))
    left = await rows(tx, _SQL["lock_accounts"], {"key": [account for account, _ in limits]})
    return {account: int(amount) for account, amount in left}


async def move_accounts(tx: Transaction, pending: Counter[str], posted: Counter[str], *, by_key: bool = True) -> None:
    """Move amounts into or out of pending and posted; one update per account, locked in the order of their keys.

    So they are by themselves where statements follow indexes, as in the hub's loops (`by_key`); a planner that chooses for itself
    takes the rows of a small table as they lie, and would wait for a seal that waits for it.
    """
    keys = sorted(pending.keys() | posted.keys())
    if keys:
        if not by_key:
            await run(tx, _SQL["lock_accounts"], {"key": keys})
        records: list[Row] = [(key, pending[key], posted[key]) for key in keys]
        await run(tx, _SQL["move_accounts"], columns(("key", "pending", "posted"), records))
