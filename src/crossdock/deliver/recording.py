"""Recording: receipts are kept, what follows is written, readings enter the inbox, all in one transaction per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crossdock.canonical.nouns import COMMANDS, NAMES, decoder
from crossdock.canonical.shipment import Invoice, ShipmentLines
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Reading
from crossdock.connect.receipts import Confirmed
from crossdock.deliver.following import Next
from crossdock.deliver.sealing import OVER_CAP
from crossdock.promises.difference import MOVABLE
from crossdock.promises.obligations import Verb
from crossdock.store import campaigns, cases, delivery, documents, inbox
from crossdock.store.accounts import move_accounts
from crossdock.store.brakes import Brake, apply_brake
from crossdock.store.database import Transaction
from crossdock.store.delivery import Answered, Claimed
from crossdock.store.inbox import Message

_NOT_CALLED = ("blocked", "busy")
# The ERP cancels only units that the warehouse has let go, so what is owed follows from its answer: also where it is as asked.
_ANSWER_COUNTS = NAMES[ShipmentLines]


@dataclass
class Results:
    """What a batch of calls came to."""

    confirmed: list[tuple[Claimed, Confirmed]] = field(default_factory=list[tuple[Claimed, Confirmed]])
    fetched: list[tuple[Claimed, Reading, int]] = field(default_factory=list[tuple[Claimed, Reading, int]])
    """(promise, what was read, microseconds at which the read began)"""
    next: list[tuple[Claimed, Next]] = field(default_factory=list[tuple[Claimed, Next]])
    released: set[str] = field(default_factory=set[str])
    """The connections of what had waited for these receipts."""
    met: list[Claimed] = field(default_factory=list[Claimed])
    """Promises that these receipts closed just now."""

    def one_by_one(self) -> Iterator[Results]:
        """The same in parts of one promise each."""
        yield from (Results(confirmed=[each]) for each in self.confirmed)
        yield from (Results(fetched=[each]) for each in self.fetched)
        yield from (Results(next=[each]) for each in self.next)

    def claimed(self) -> list[Claimed]:
        return [each[0] for each in (*self.confirmed, *self.fetched, *self.next)]


async def record(tx: Transaction, connection: str, connector: Connector[Any], results: Results) -> set[Brake]:
    """Write a batch's results; answers the brakes that were applied."""
    # Everybody locks in this order: what is known of an entity, then promises, then accounts.
    await documents.add_aliases(tx, [(n, c.entity) for c, a in results.confirmed for n in _names(connection, a)])
    if again := _to_settle_again(connector, results):
        await documents.mark_dirty(tx, again)
    met, held = await _receipts(tx, connection, connector, results)
    results.met = list(met)
    written = await delivery.reschedule(tx, [n.follow for _, n in results.next])
    mine = [(claimed, n) for claimed, n in results.next if claimed.promise in written]
    await delivery.note_attempts(tx, [_attempt(claimed, n) for claimed, n in mine if n.outcome not in _NOT_CALLED])
    raised = [n.case for _, n in mine if n.case is not None]
    await cases.stop_failing(tx, [case.promise for case in raised if case.kind != "failing"])
    await cases.raise_cases(tx, raised)
    freed = [claimed for claimed, n in mine if n.frees_accounts]
    touched = [(c.entity, c.document) for c in met if c.document != c.name]
    await delivery.free_documents(tx, touched + [(c.entity, c.document) for c in freed])
    await _release_stored(tx, mine)
    await campaigns.uncover(tx, [claimed.promise for claimed, n in mine if n.outcome == OVER_CAP])
    await move_accounts(tx, _amounts([*held, *freed], -1), _amounts(met, 1))
    brakes = {n.brake for _, n in mine if n.brake is not None}
    for brake in brakes:
        await apply_brake(tx, brake)
    return brakes


def _to_settle_again(connector: Connector[Any], results: Results) -> set[str]:
    """Entities whose target holds something else than desired, and those whose promise may be replaced again: settling
    passed it over while its call was under way, and what was learned meanwhile must not be lost."""
    returned = {c.entity for c, n in results.next if n.follow.stage in MOVABLE and n.outcome not in _NOT_CALLED}
    return returned | {c.entity for c, answer in results.confirmed if _differs(c, connector, answer)}


async def _receipts(
    tx: Transaction, connection: str, connector: Connector[Any], results: Results
) -> tuple[Sequence[Claimed], Sequence[Claimed]]:
    """Answers which promises were met just now, and which of them still held what their seals had taken."""
    answered = [_answered(claimed, connector, c) for claimed, c in results.confirmed]
    answered += [Answered(c.promise, c.slot, r.id, "", None, 0) for c, r, _ in results.fetched]
    closed, results.released, given_back = await delivery.confirm(tx, answered)
    messages = [Message(connection, r.topic, r.body, f"read:{c.promise}:{c.fence}", at) for c, r, at in results.fetched]
    if messages:
        await inbox.store(tx, messages)
    met = [claimed for claimed, _ in results.confirmed if claimed.promise in closed]
    return met, [claimed for claimed in met if claimed.promise not in given_back]


def _names(connection: str, confirmed: Confirmed) -> tuple[str, ...]:
    """What somebody may know it by. Every system counts its things from 1: such an id is a name only with its system's."""
    own = f"{connection}:{confirmed.id}" if confirmed.id.isdigit() else confirmed.id
    return (own, *confirmed.aliases)


def _answered(claimed: Claimed, connector: Connector[Any], confirmed: Confirmed) -> Answered:
    written = _written(claimed, connector, confirmed) if claimed.verb == Verb.STATE else _remembered(claimed, confirmed)
    number = confirmed.aliases[0] if confirmed.aliases else confirmed.id
    body = None if written is None else msgspec.json.encode(written)
    said = msgspec.json.encode(confirmed.body) if isinstance(confirmed.body, Invoice) else None
    return Answered(claimed.promise, claimed.slot, confirmed.id, number, body, int(claimed.repair), said)


def _remembered(claimed: Claimed, confirmed: Confirmed) -> msgspec.Struct | None:
    """What an act of a forgotten time became, where the target tells: it may have been asked for otherwise then."""
    told = claimed.forgotten_since is not None and isinstance(confirmed.body, COMMANDS[claimed.noun])
    return confirmed.body if told else None


def _written(claimed: Claimed, connector: Connector[Any], confirmed: Confirmed) -> msgspec.Struct:
    """What the target holds now: as it was read back, or else as the connector says it will hold it."""
    return confirmed.body if confirmed.body is not None else _desired(claimed, connector)


def _desired(claimed: Claimed, connector: Connector[Any]) -> msgspec.Struct:
    desired = decoder(claimed.noun).decode(claimed.body)
    capability = connector.capabilities.get(COMMANDS[claimed.noun])
    return capability.normalise(desired) if capability and capability.normalise else desired


def _differs(claimed: Claimed, connector: Connector[Any], confirmed: Confirmed) -> bool:
    """A state read back other than desired is looked at again, and so is what an act of a forgotten time became; what is
    as sent needs no second thought.

    But for one whose earlier answer still holds something back: its first has none, and what waits for that is released.
    """
    if claimed.noun == _ANSWER_COUNTS and claimed.ordinal > 1:
        return True
    if claimed.verb == Verb.ACT:
        return _remembered(claimed, confirmed) is not None
    if claimed.verb != Verb.STATE or confirmed.body is None:
        return False
    return confirmed.body != _desired(claimed, connector)


def _amounts(promises: Sequence[Claimed], sign: int) -> Counter[str]:
    amounts: Counter[str] = Counter()
    for claimed in promises:
        for account, amount, _ in claimed.movements():
            amounts[account] += sign * amount
    return amounts


def _attempt(claimed: Claimed, n: Next) -> tuple[int, int, str, str]:
    return (claimed.promise, claimed.ordinal, n.outcome, n.detail[:2000].replace("\0", "␀"))


async def _release_stored(tx: Transaction, mine: Sequence[tuple[Claimed, Next]]) -> None:
    """A mapping given while the call was under way releases at once; nobody would look again."""
    keys = [n.follow.blocked_on for _, n in mine if n.follow.blocked_on and n.follow.blocked_on.startswith("map/")]
    if keys:
        await delivery.release_mapped(tx, keys)
