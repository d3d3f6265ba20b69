"""What auditors may read: the sums, accounts and cases, and of an order its intents and what a rebuild would change."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.govern.settings import Settings
from crossdock.promises.difference import Changes, Stage
from crossdock.settle.rehearsal import rehearse
from crossdock.settle.rules import live_rules
from crossdock.store import cases, checking, tracing
from crossdock.store.database import Database
from crossdock.store.inbox import Part
from crossdock.store.tracing import TracedIntent

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Audits:
    """Every answer is plain values, ready to be JSON."""

    settings: Settings
    database: Database
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self) -> Mapping[str, Any]:
        """What `crossdock check --json` says; reads the whole of every table it counts, for one caller at a time.

        On a connection of its own: the loops' follow indexes, and end what takes 30 seconds.
        """
        async with self._turn, Database(self.database.url, connections_max=1) as reports, reports.transaction() as tx:
            found = await checking.check(tx)
        return {"holds": found.holds, **msgspec.to_builtins(found)}

    async def intents(self, entity: str) -> list[Mapping[str, Any]]:
        """Every intent of an order, the oldest first."""
        async with self.database.transaction() as tx:
            return [_intent(each) for each in await tracing.intents(tx, [entity])]

    async def rebuild(self, entity: str) -> Mapping[str, Any]:
        """What would differ if all that was ever received about the order came in again, under the rules in force."""
        async with self.database.transaction() as tx:
            rules = await live_rules(tx, self.settings)
        part = Part(_BEGINNING, datetime.now(UTC), entity=entity)
        found = await rehearse(self.database, self.settings.translators, rules, part)
        async with self.database.transaction() as tx:
            known = {(case.cause, about) for case in await cases.open_cases(tx) for about in case.entities}
        differing = [_differing(about, changes, known) for about, changes in found.differing]
        return {
            "messages": found.messages,
            "quarantined": found.quarantined,
            "differing": [each for each in differing if any(each.values())],
        }


def _differing(entity: str, changes: Changes, known: Collection[tuple[str, str]]) -> Mapping[str, Any]:
    """All empty where there is nothing but trouble that people know of already."""
    troubles = [trouble.detail for trouble in changes.troubles if (trouble.cause, entity) not in known]
    opens = [opening.owed.name for opening in changes.opened]
    differs = bool(opens or changes.withdrawn or changes.withheld or troubles)
    return {
        "entity": entity if differs else "",
        "opens": opens,
        "withdraws": len(changes.withdrawn),
        "withholds": list(changes.withheld),
        "troubles": troubles,
    }


def _intent(each: TracedIntent) -> Mapping[str, Any]:
    open_ = each.stage is not None
    return {
        "key": each.key,
        "promise": each.name,
        "verb": ("fetch", "state", "act")[each.verb],
        "target": each.target,
        "document": each.document,
        "sealed_at": each.sealed_at,
        "by": each.worker,
        "cause": {"fact": each.cause, "recorded_at": each.cause_recorded_at},
        "rules": {"digest": each.code, "live_at": each.live_at, "in_flight": each.in_flight, "campaign": each.campaign},
        "unresolved": open_ and each.stage in (Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL),
        "confirmed_as": each.remote_id,
        "body": msgspec.Raw(each.body),
        "refs": msgspec.Raw(each.refs),
    }
