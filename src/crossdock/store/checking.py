"""The conservation sums and the invariants, counted on what is stored."""

from __future__ import annotations

from datetime import datetime

import msgspec

from crossdock.store import sweeps
from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("checks")

STATES = ("case", "overdue", "in flight", "waiting", "converged")

INVARIANTS = {
    "S1": "per act key at most one effect was confirmed",
    "S2": "every account holds exactly what seals took, within its limit",
    "S3": "every confirmation had an earlier intent",
    "S6": "every act's cause is younger than its code and policy, or a campaign covers it",
    "S7": "pins did not move",
    "S8": "at most one unresolved act per target document",
    "S9": "inbox = translated + ignored + quarantined + pending",
    "S10": "every open promise has one next actor and a deadline, and none is lost",
    "S11": "calls stayed within the budget",
    "S12": "every act explains itself",
}
"""Those that can be counted on stored data. S4 and S5 speak of what would happen, and are proven by tests."""


class Inbox(msgspec.Struct, frozen=True):
    total: int
    pending: int
    translated: int
    ignored: int
    quarantined: int

    @property
    def adds_up(self) -> bool:
        return self.total == self.pending + self.translated + self.ignored + self.quarantined


class Finding(msgspec.Struct, frozen=True):
    """One invariant; `breaches` is 0 when it holds."""

    name: str
    promise: str
    breaches: int
    example: str | None


class Listed(msgspec.Struct, frozen=True):
    """Up to when a sweep has verified one list of a connection: what changed, and all of it; None: not yet."""

    connection: str
    kind: str
    changes: datetime | None
    whole: datetime | None
    flaw: str | None


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything stands, counted."""

    inbox: Inbox
    entities: int
    states: dict[str, int]
    invariants: list[Finding]
    unbound: int
    withheld: int
    verified: list[Listed] = []

    @property
    def as_of(self) -> datetime | None:
        """What converged has done so with what every system held at this moment; None while some list was never swept."""
        moments = [max(filter(None, (each.changes, each.whole)), default=None) for each in self.verified]
        known = [moment for moment in moments if moment is not None]
        return min(known) if known and len(known) == len(moments) else None

    @property
    def holds(self) -> bool:
        sums = self.inbox.adds_up and sum(self.states.values()) == self.entities
        return sums and not any(finding.breaches for finding in self.invariants)


async def check(tx: Transaction) -> Check:
    """Count everything; reads the whole of every table it speaks of."""
    [inbox] = await rows(tx, _SQL["fates"])
    stated = await rows(tx, _SQL["states"])
    states: dict[str, int] = {**dict.fromkeys(STATES, 0), **{str(row[1]): int(row[2]) for row in stated}}
    found = [Finding(name, INVARIANTS[name], *(await rows(tx, _SQL[name]))[0]) for name in INVARIANTS]
    return Check(
        inbox=Inbox(*inbox),
        entities=stated[0][0] if stated else 0,
        states=states,
        invariants=found,
        unbound=(await rows(tx, _SQL["unbound"]))[0][0],
        withheld=(await rows(tx, _SQL["withheld"]))[0][0],
        verified=[Listed(v.connection, v.kind, v.changes, v.whole, v.flaw) for v in await sweeps.verified(tx)],
    )
