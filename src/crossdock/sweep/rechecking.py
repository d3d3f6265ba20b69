"""Receipts held against their target: what it confirmed, and holds no more since it was set back to an earlier state."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from crossdock.canonical.nouns import COMMANDS, decoder
from crossdock.connect.connector import Command
from crossdock.connect.effects import Searchable
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.kernel.faults import Fault, NotSent, Refused, Rejected, Throttled
from crossdock.store import cases, receipts
from crossdock.store.cases import Raised
from crossdock.store.database import Database
from crossdock.store.receipts import Receipted
from crossdock.sweep.source import Source

_AT_ONCE = 50
_CALL_SECONDS = 90.0
_TRIES, _AGAIN_SECONDS = 5, 1.0


@dataclass
class Rechecked:
    """What became of it. `missing` are (entity, name, id) of acts that are not there."""

    looked_for: int = 0
    missing: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    unsearchable: Counter[str] = field(default_factory=Counter[str])
    """By noun, acts that nothing can look for."""
    too_young: int = 0
    """Confirmed so shortly before that a search need not show them yet."""
    written_again: int = 0


async def recheck(database: Database, source: Source, since: datetime) -> Rechecked:
    """Look by our references for every act confirmed since then, and have every state told since then told again.

    What is not there is a case, and never done again by itself. Raises the fault of a target that can't be asked.
    """
    told = Rechecked()
    async with database.transaction() as tx:
        told.written_again = await receipts.write_again(tx, source.connection, since)
        every = await receipts.acts_since(tx, source.connection, since)
    for start in range(0, len(every), _AT_ONCE):
        async with database.transaction() as tx:
            acts = await receipts.acts(tx, every[start : start + _AT_ONCE])
        for noun in sorted({act.noun for act in acts}):
            some = _searchable(source, noun, [act for act in acts if act.noun == noun], told)
            if some:
                await _recheck(database, source, noun, some, told)
    return told


def _searchable(source: Source, noun: str, acts: Sequence[Receipted], told: Rechecked) -> list[Receipted]:
    if COMMANDS[noun] not in source.connector.finders:
        told.unsearchable[noun] += len(acts)
        return []
    capability = source.connector.capabilities.get(COMMANDS[noun])
    effects = capability.effects if capability else ()
    shown_after = max((e.visible_after.total_seconds() for e in effects if isinstance(e, Searchable)), default=0.0)
    old = [act for act in acts if act.age_seconds is None or act.age_seconds >= shown_after]
    told.too_young += len(acts) - len(old)
    return old


async def _recheck(database: Database, source: Source, noun: str, acts: Sequence[Receipted], told: Rechecked) -> None:
    """A search that is refused for one is refused for all of a question: halves find out for which."""
    try:
        found = await _found(source, noun, [_command(act) for act in acts])
    except Rejected:
        if len(acts) == 1:
            told.unsearchable[noun] += 1
            return
        middle = len(acts) // 2
        for some in (acts[:middle], acts[middle:]):
            await _recheck(database, source, noun, some, told)
        return
    missing = [act for act in acts if act.key not in found]
    there = [act.promise for act in acts if isinstance(found.get(act.key), Confirmed | Accepted)]
    # What is there refused or in part is neither: a person who knows of it already goes on knowing.
    unclear = len(acts) - len(missing) - len(there)
    async with database.transaction() as tx:
        await receipts.there_after_all(tx, there)
        await cases.raise_cases(tx, [_case(source.connection, act) for act in missing if not act.is_missed])
        await cases.close_empty(tx, "a search")
    told.looked_for += len(acts) - unclear
    told.unsearchable[noun] += unclear
    told.missing += [(act.entity, act.name, act.number or act.remote_id) for act in missing]


async def _found(source: Source, noun: str, commands: Sequence[Command[Any]]) -> Mapping[str, Outcome]:
    """What a search says is there, by key; a fault that lasts is raised."""
    finder = source.connector.finders[COMMANDS[noun]]
    for _ in range(_TRIES - 1):
        try:
            return await finder(commands, source.open_link(time.monotonic() + _CALL_SECONDS))
        except (Rejected, Refused):
            raise
        except (Fault, NotSent) as fault:
            await asyncio.sleep(fault.retry_after_seconds if isinstance(fault, Throttled) else _AGAIN_SECONDS)
    return await finder(commands, source.open_link(time.monotonic() + _CALL_SECONDS))


def _command(act: Receipted) -> Command[Any]:
    refs = msgspec.json.decode(act.refs or b"{}", type=dict[str, str])
    body = decoder(act.noun).decode(act.body)
    return Command(key=act.key, entity=act.entity, body=body, refs=refs, sealed_at=act.sealed_at)


def _case(connection: str, act: Receipted) -> Raised:
    what = act.noun.replace("_", " ")
    return Raised(
        f"missing:{connection}:{act.noun}",
        "missing",
        f"{what.capitalize()} that {connection} confirmed, and does not hold",
        "It was forgotten there, or removed. Put it back there by hand: it is never done again by itself. "
        f"Then: crossdock recheck {connection} --since TIME, which closes the case.",
        f"{act.entity}/{act.name}: {act.number or act.remote_id} is not there",
        act.entity,
        act.promise,
    )
