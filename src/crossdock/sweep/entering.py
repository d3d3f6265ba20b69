"""What differs enters like any message: raw, by the inbox, and noted as drift; no more of it than a sweep may put right."""

from __future__ import annotations

from collections.abc import Sequence

from crossdock.connect.documents import Reading
from crossdock.kernel.ids import digest
from crossdock.kernel.moments import to_micros
from crossdock.store import drift, inbox
from crossdock.store.database import Transaction
from crossdock.store.inbox import Message
from crossdock.store.sweeps import Pass
from crossdock.sweep import comparing
from crossdock.sweep.comparing import Apart
from crossdock.sweep.readings import Item
from crossdock.sweep.source import Source


def repairs_max(claimed: Pass, source: Source) -> int:
    return source.terms.repairs_max if claimed.repairs_max is None else claimed.repairs_max


def within_blast(found: Sequence[Apart], claimed: Pass, source: Source) -> tuple[list[Apart], int]:
    """What may be heard: everything, but no more edits of what we keep in step than may be put right; and how many are over."""
    left = max(repairs_max(claimed, source) - claimed.repairs, 0)
    edits = [each for each in found if each.repairs]
    over = frozenset(id(each) for each in edits[left:])
    return [each for each in found if id(each) not in over], len(over)


async def store_apart(
    tx: Transaction, claimed: Pass, source: Source, items: Sequence[Item], found: Sequence[Apart]
) -> None:
    """Readings that state something new enter the inbox; those that can't be read do once, to be set aside there."""
    news = {id(each.item): each.item.reading for each in found}
    messages = [_message(claimed, source.connection, reading) for reading in news.values()]
    messages += [_unread(claimed, source.connection, item.reading) for item in items if item.unreadable]
    if messages:
        await inbox.store(tx, messages)
    await drift.note(tx, await comparing.noted(tx, claimed, found, source.grace))


def _message(claimed: Pass, connection: str, reading: Reading) -> Message:
    named = f"sweep:{claimed.run}.{claimed.pages}:{claimed.kind}:{reading.id}"
    return Message(connection, reading.topic, reading.body, named, to_micros(claimed.now))


def _unread(claimed: Pass, connection: str, reading: Reading) -> Message:
    """Named by what it holds, so that a list that shows it every time has it set aside once."""
    named = f"sweep:{claimed.kind}:{reading.id}:{digest(reading.body).hex()}"
    return Message(connection, reading.topic, reading.body, named, to_micros(claimed.now))
