"""A rehearsal: part of the inbox translated and settled again, in a transaction that is thrown away, to see what would differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from crossdock.promises.difference import Changes
from crossdock.settle.reading import read
from crossdock.settle.rules import Rules
from crossdock.settle.settling import changes_for
from crossdock.settle.translation import Connectors, translate
from crossdock.store import documents, inbox, settling
from crossdock.store.database import Database, Transaction
from crossdock.store.inbox import Fate, Part

_BATCH = 500
T = TypeVar("T")


@dataclass
class Rehearsal:
    """What would differ if this part of the inbox came in again under the present rules."""

    messages: int = 0
    quarantined: int = 0
    entities: int = 0
    differing: list[tuple[str, Changes]] = field(default_factory=list[tuple[str, Changes]])


class _ThrownAway(Exception):
    """Ends the transaction without a trace."""


async def rehearse(database: Database, connectors: Connectors, rules: Rules, part: Part) -> Rehearsal:
    """Work everything out and write nothing; documents it touches are locked meanwhile."""
    rehearsal = Rehearsal()
    try:
        async with database.transaction() as tx:
            await _rehearse(tx, connectors, rules, part, rehearsal)
            raise _ThrownAway
    except _ThrownAway:
        return rehearsal


async def _rehearse(tx: Transaction, connectors: Connectors, rules: Rules, part: Part, rehearsal: Rehearsal) -> None:
    entities: set[str] = set()
    for messages in _batches(await inbox.read_part(tx, part)):
        batch = translate(messages, connectors)
        await documents.merge(tx, batch.statements)
        await documents.add_aliases(tx, batch.aliases, batch.about)
        bound = await documents.entities_of(tx, {s.identity for s in batch.statements if s.entity is None})
        rehearsal.messages += len(messages)
        rehearsal.quarantined += sum(outcome.fate == Fate.QUARANTINED for outcome in batch.outcomes)
        entities |= {s.entity for s in batch.statements if s.entity is not None} | set(bound.values())
    rehearsal.entities = len(entities)
    as_of = await settling.now(tx)
    for some in _batches(sorted(entities)):
        unsettled = await settling.entities_by_key(tx, some)
        record = await settling.on_record(tx, unsettled, rules.code)
        for each in read(unsettled, record, rules.targets, as_of):
            changes = changes_for(each, rules)
            if changes.opened or changes.withdrawn or changes.withheld or changes.troubles:
                rehearsal.differing.append((each.unsettled.entity, changes))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
