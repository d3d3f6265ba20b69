"""Sealing: what is about to be asked is fixed and committed, with its ids, accounts and pins, before anything is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec

from crossdock.canonical.mentions import mentions
from crossdock.canonical.nouns import COMMANDS, decoder
from crossdock.connect.connector import Command
from crossdock.deliver.following import Actor, Next, Situation
from crossdock.kernel.ids import digest
from crossdock.promises.difference import Stage
from crossdock.store import delivery
from crossdock.store.accounts import Movement, lock_accounts, move_accounts
from crossdock.store.cases import Raised
from crossdock.store.database import Transaction
from crossdock.store.delivery import Claimed, Seal

# Nothing should come back after settling; should it, it must not spin.
_EXPIRED_WAIT_SECONDS = 5.0

CAMPAIGN = "campaign/"
OVER_CAP = "over the cap"

Refs = dict[str, str]
Noun = type[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class Ready:
    """A sealed promise and the command that will be sent for it, now and on every resend."""

    claimed: Claimed
    command: Command[Any]

    @property
    def noun(self) -> Noun:
        return COMMANDS[self.claimed.noun]


@dataclass
class Sealing:
    """What a batch of claimed promises came to."""

    ready: list[Ready] = field(default_factory=list[Ready])
    held: list[Next] = field(default_factory=list[Next])
    """Not sealed, for what they need is missing, busy or used up."""
    seals: list[Seal] = field(default_factory=list[Seal])
    pins: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    taken: Counter[str] = field(default_factory=Counter[str])

    def hold_back(self, held: Sequence[Next]) -> None:
        """These are sealed, and not to be sent now, if they are ready at all."""
        ready = {each.claimed.promise for each in self.ready}
        kept = [each for each in held if each.follow.promise in ready]
        away = {each.follow.promise for each in kept}
        self.ready = [each for each in self.ready if each.claimed.promise not in away]
        self.held += kept


def as_sealed(claimed: Claimed) -> Ready:
    """A promise sealed in an earlier round, as the same command again."""
    assert claimed.key is not None
    assert claimed.sealed_at is not None
    refs = msgspec.json.decode(claimed.refs or b"{}", type=Refs)
    body = decoder(claimed.noun).decode(claimed.body)
    return Ready(claimed, _command(claimed, claimed.key, body, refs, claimed.sealed_at))


async def seal(tx: Transaction, situations: Sequence[Situation], now: datetime, worker: str, code: bytes) -> Sealing:
    """Seal what can be; promises sealed before keep their seal, so that a resend repeats the same bytes."""
    sealing = Sealing()
    fresh = [s for s in situations if s.claimed.key is None]
    bodies = {s.claimed.promise: decoder(s.claimed.noun).decode(s.claimed.body) for s in fresh}
    busy = await delivery.busy(tx, situations[0].target, [s.claimed for s in situations])
    left = await lock_accounts(tx, (m for s in fresh for m in s.claimed.movements()))
    names = await _mapped(tx, fresh, bodies)
    documents: set[tuple[str, str]] = set()
    for situation in situations:
        claimed = situation.claimed
        if held := _busy(situation, busy, documents) or (_holding(situation, left) if claimed.key is None else None):
            sealing.held.append(held)
            continue
        documents.add((claimed.entity, claimed.document))
        if claimed.key is not None:
            sealing.ready.append(as_sealed(claimed))
        else:
            _seal_one(sealing, claimed, bodies[claimed.promise], names, left, now)
    await delivery.seal(tx, sealing.seals, worker, code)
    await delivery.set_pins(tx, sealing.pins)
    await move_accounts(tx, sealing.taken, Counter())
    await delivery.calling(tx, [r.claimed.promise for r in sealing.ready])
    return sealing


async def _mapped(
    tx: Transaction, fresh: Sequence[Situation], bodies: Mapping[int, Any]
) -> Mapping[tuple[str, str], str]:
    keys = sorted({key for s in fresh for key in mentions(bodies[s.claimed.promise])})
    return await delivery.mapped(tx, fresh[0].target, keys) if keys else {}


def _busy(situation: Situation, busy: Set[int], documents: Set[tuple[str, str]]) -> Next | None:
    """At most one unresolved act per target document (S8): the others wait for it, at the stage they are in."""
    claimed = situation.claimed
    if claimed.promise not in busy and (claimed.entity, claimed.document) not in documents:
        return None
    # Woken as soon as the other act is resolved; the wait is for the case that its process dies.
    follow = situation.follow(Stage(claimed.stage), Actor.TARGET, 1.0)
    return Next(follow, "busy", f"{claimed.document} has an unresolved act")


def _holding(situation: Situation, left: Mapping[str, int]) -> Next | None:
    """Why a promise can't be sealed now, if so."""
    claimed = situation.claimed
    if claimed.valid_until is not None and claimed.valid_until <= situation.now:
        # Its entity is settled again, which withdraws or replaces it; it is ready again only if that does neither.
        detail = f"what allowed it ran out at {claimed.valid_until:%Y-%m-%d %H:%M:%S} UTC"
        return Next(situation.follow(Stage.READY, Actor.HUB, _EXPIRED_WAIT_SECONDS), "expired", detail)
    missing = _unmet(claimed)
    if missing is not None:
        follow = situation.follow(Stage.BLOCKED, Actor.HUB, None, blocked_on=missing)
        return Next(follow, "blocked", f"waits for {missing}")
    overdrawn = [m for m in claimed.movements() if m[1] > left[m[0]]]
    return _overdrawn(situation, overdrawn[0], left) if overdrawn else None


def _unmet(claimed: Claimed) -> str | None:
    if claimed.needs is None:
        return None
    needs = msgspec.json.decode(claimed.needs, type=dict[str, str])
    met = msgspec.json.decode(claimed.met, type=dict[str, list[str]]) if claimed.met else {}
    return next((slot for label, slot in needs.items() if label not in met), None)


def _overdrawn(situation: Situation, movement: Movement, left: Mapping[str, int]) -> Next:
    account, amount, limit = movement
    claimed = situation.claimed
    if account.startswith(CAMPAIGN):
        # Withheld again as soon as its entity is settled; a person who wants it done proposes what is left.
        detail = f"{account} has {left[account]} of {limit} left, and this takes {amount}"
        return Next(situation.follow(Stage.READY, Actor.HUB, _EXPIRED_WAIT_SECONDS), OVER_CAP, detail)
    detail = f"{claimed.slot} takes {amount} of {account}, where {left[account]} of {limit} are left"
    case = Raised(
        f"overdrawn:{account}",
        "overdrawn",
        f"More than the limit of {account.split('/', 1)[0]}",
        "Find out which report is wrong and correct it at its source; the case closes when it fits.",
        detail,
        claimed.entity,
        claimed.promise,
    )
    return Next(situation.follow(Stage.CASE, Actor.PERSON, None), "overdrawn", detail, case=case)


def _seal_one(
    sealing: Sealing,
    claimed: Claimed,
    body: msgspec.Struct,
    names: Mapping[tuple[str, str], str],
    left: Mapping[str, int],
    now: datetime,
) -> None:
    refs = _refs(claimed, body, names)
    encoded = msgspec.json.encode(refs)
    key = claimed.new_key
    sealing.seals.append(Seal(claimed.promise, claimed.ordinal, key, encoded, digest(claimed.body + encoded)))
    sealing.ready.append(Ready(claimed, _command(claimed, key, body, refs, now)))
    sealing.pins.extend(_pins(claimed, refs))
    for account, amount, _ in claimed.movements():
        sealing.taken[account] += amount
        cast("dict[str, int]", left)[account] -= amount


def _refs(claimed: Claimed, body: msgspec.Struct, names: Mapping[tuple[str, str], str]) -> Refs:
    refs: Refs = {}
    if claimed.met:
        for label, (remote_id, number) in msgspec.json.decode(claimed.met, type=dict[str, tuple[str, str]]).items():
            refs[label] = remote_id
            refs[f"{label}.number"] = number
    if names:
        refs |= {f"{kind}/{key}": names[kind, key] for kind, key in mentions(body) if (kind, key) in names}
    return refs


def _pins(claimed: Claimed, refs: Refs) -> Iterable[tuple[str, str, str]]:
    if claimed.pins == "{}":
        return
    for name, value in msgspec.json.decode(claimed.pins, type=dict[str, str]).items():
        yield (claimed.entity, name, value)
    if "party" in refs:
        yield (claimed.entity, "party", refs["party"])


def _command(claimed: Claimed, key: str, body: Any, refs: Refs, sealed_at: datetime) -> Command[Any]:
    return Command(key=key, entity=claimed.entity, body=body, refs=refs, sealed_at=sealed_at)
