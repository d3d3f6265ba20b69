"""`crossdock replay`: a part of the inbox once more, for real or as a rehearsal."""

from __future__ import annotations

from typing import Any

from crossdock.cli.asking import ask
from crossdock.cli.wording import name_of
from crossdock.govern.settings import Settings
from crossdock.promises.difference import Changes
from crossdock.settle.rehearsal import Rehearsal, rehearse
from crossdock.settle.rules import live_rules
from crossdock.store import cases, documents, inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Part


def put_back(part: Part) -> int:
    """Make a part of the inbox pending again, and everything it speaks of to be settled; answers how many messages."""

    async def work(database: Database, _: Settings) -> int:
        async with database.transaction() as tx:
            entities = await inbox.entities_in(tx, part)
            count = await inbox.put_back(tx, part)
            if entities:
                await documents.mark_dirty(tx, entities)
            await cases.close_empty(tx, "replay")
        return count

    return ask(work)


def rehearsed(part: Part) -> Rehearsal:
    """What would differ; nothing is written."""

    async def work(database: Database, told: Settings) -> Rehearsal:
        async with database.transaction() as tx:
            rules = await live_rules(tx, told)
        return await rehearse(database, told.translators, rules, part)

    return ask(work)


def as_text(found: Rehearsal) -> str:
    heading = (
        f"{found.messages} messages about {found.entities} entities, {found.quarantined} of them quarantined: "
        + (f"{len(found.differing)} entities would differ" if found.differing else "nothing would differ")
    )
    return "\n".join([heading, *(f"  {entity}: {_said(changes)}" for entity, changes in found.differing)])


def as_builtins(found: Rehearsal) -> dict[str, Any]:
    return {
        "messages": found.messages,
        "quarantined": found.quarantined,
        "entities": found.entities,
        "differing": [
            {
                "entity": entity,
                "opened": [o.owed.name for o in changes.opened],
                "withdrawn": list(changes.withdrawn),
                "withheld": list(changes.withheld),
                "troubles": [t.detail for t in changes.troubles],
            }
            for entity, changes in found.differing
        ],
    }


def _said(changes: Changes) -> str:
    parts = [f"would promise {name_of(o.owed.name)} to {o.owed.to}" for o in changes.opened]
    parts += [f"would withdraw {len(changes.withdrawn)}"] if changes.withdrawn else []
    parts += [f"would withhold {name_of(name)}: only a campaign may open it" for name in changes.withheld]
    parts += [f"would raise: {trouble.detail}" for trouble in changes.troubles]
    return "; ".join(parts)
