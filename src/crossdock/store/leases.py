"""Buckets of entities, leased by settling processes under fences: a process that was paused can't write when it wakes."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from crossdock.kernel.ids import new_id
from crossdock.store.database import Database, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("leases")
_HOLD = load("settle")["hold_leases"]


class LeaseLost(Exception):
    """Another process holds these buckets now; what was worked out for them is dropped, not written."""


@dataclass
class Leases:
    """One process's leases; `ttl_seconds` after it stops beating, others take them over."""

    database: Database
    version: str
    ttl_seconds: float = 10.0
    settles: bool = True
    owner: str = field(default_factory=new_id)
    held: dict[int, int] = field(default_factory=dict[int, int])
    """bucket -> fence"""

    async def beat(self) -> Mapping[int, int]:
        """Say that I am alive, keep my share of the buckets, take free ones; answers what I hold."""
        async with self.database.transaction() as tx:
            await run(tx, _SQL["beat"], self._me())
            if not self.settles:
                return self.held
            ttl = {"ttl_seconds": self.ttl_seconds, "owner": self.owner}
            share = (await rows(tx, _SQL["share"], ttl))[0][0]
            held = dict(await rows(tx, _SQL["keep_leases"], {**ttl, "share": share}))
            if len(held) < share:
                held |= dict(await rows(tx, _SQL["take_leases"], {**ttl, "wanted": share - len(held)}))
        self.held = held
        return held

    def _me(self) -> dict[str, object]:
        return {
            "id": self.owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self.version,
            "settles": self.settles,
        }

    async def hold(self, tx: Transaction, held: Mapping[int, int]) -> None:
        """Make sure until commit that these buckets are still mine; `LeaseLost` if not."""
        parameters = {**columns(("bucket", "fence"), list(held.items())), "owner": self.owner}
        if not (await rows(tx, _HOLD, parameters))[0][0]:
            raise LeaseLost(f"{self.owner} no longer holds all of {len(held)} buckets")

    async def leave(self) -> None:
        """Give everything back, so that others need not wait for it to run out."""
        async with self.database.transaction() as tx:
            await run(tx, _SQL["leave"], {"owner": self.owner})
        self.held = {}
