"""What follows an outcome, by effect class. Pure: this is where "once" is decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from crossdock.connect.effects import Blind, Effect, Keyed, Searchable
from crossdock.connect.receipts import Accepted, Partial
from crossdock.kernel.faults import Fault, Refused, Rejected, Throttled, Transient, Unknown
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.brakes import Brake
from crossdock.store.cases import Raised
from crossdock.store.delivery import Claimed, Follow

# Resend inside this share of a key's window only: clocks differ, and the target's clean-up may run early.
KEY_WINDOW_SHARE = 0.8
# And so long before its end that a call lease (60 s) and the request's travel still fit in.
KEY_MARGIN = timedelta(minutes=3)
ATTEMPTS_MAX = 12
_BACKOFF_SECONDS = 0.5
_BACKOFF_SECONDS_MAX = 300.0


class Actor(IntEnum):
    """Who moves next on an open promise."""

    HUB = 0
    TARGET = 1
    PERSON = 2
    COUNTERPARTY = 3
    CLOCK = 4
    BRAKE = 5


@dataclass(frozen=True, slots=True)
class Next:
    """What follows one promise's call: where it goes, what is noted, and whom it concerns."""

    follow: Follow
    outcome: str
    detail: str
    case: Raised | None = None
    brake: Brake | None = None
    frees_accounts: bool = False
    """The target said that it did not happen, so what its seal took is given back."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One claimed promise at its target, and the time; `luck` in [0, 1) spreads retries."""

    claimed: Claimed
    target: str
    effects: Sequence[Effect]
    now: datetime
    luck: float

    def follow(self, stage: Stage, actor: Actor, wait_seconds: float | None, *, burnt: bool = False, bump: bool = False,
               blocked_on: str | None = None, job: str | None = None) -> Follow:  # fmt: skip
        return Follow(
            self.claimed.promise,
            self.claimed.fence,
            int(stage),
            int(actor),
            wait_seconds,
            burnt,
            bump,
            blocked_on,
            job,
        )

    @property
    def backoff_seconds(self) -> float:
        grown = _BACKOFF_SECONDS * 2 ** min(self.claimed.attempts, 12)
        return min(grown, _BACKOFF_SECONDS_MAX) * (0.5 + self.luck)


def after(situation: Situation, outcome: Accepted | Partial | Fault) -> Next:
    """What follows anything but a confirmation."""
    match outcome:
        case Accepted():
            wait = outcome.ask_after.total_seconds()
            return Next(situation.follow(Stage.ACCEPTED, Actor.TARGET, wait, job=outcome.job), "accepted", outcome.job)
        case Partial():
            return _in_doubt(situation, f"partly done as {outcome.id}: {outcome.detail}")
        case Throttled():
            wait = outcome.retry_after_seconds * (1 + 0.1 * situation.luck)
            return Next(situation.follow(_as_before(situation), Actor.HUB, wait), "throttled", outcome.detail)
        case Transient():
            return _again(situation, outcome)
        case Rejected() if situation.claimed.verb == Verb.ACT and _as_before(situation) == Stage.CALLING:
            # An earlier send of the same may still be under way, and what refuses this one may be gone when it arrives.
            return _given_up(situation, f"refused when sent again: {outcome.detail}")
        case Rejected():
            return _rejected(situation, outcome)
        case Refused():
            brake = Brake(situation.target, "refused", outcome.detail)
            return Next(situation.follow(_as_before(situation), Actor.HUB, 0.0), "refused", outcome.detail, brake=brake)
        case _:
            return _unknown(situation, outcome.detail)


def _as_before(situation: Situation) -> Stage:
    """Where a promise stays whose call did nothing: in doubt since an earlier call, accepted by one, or ready."""
    stage = Stage(situation.claimed.stage)
    return stage if stage in (Stage.CALLING, Stage.ACCEPTED) else Stage.READY


def _again(situation: Situation, fault: Transient) -> Next:
    """Nothing happened: the same is tried again. An outage burns no attempts, for its lane is braked."""
    stage = _as_before(situation)
    if fault.outage:
        return Next(situation.follow(stage, Actor.HUB, 0.2 + situation.luck), "unreachable", fault.detail)
    if situation.claimed.attempts + 1 < ATTEMPTS_MAX:
        follow = situation.follow(stage, Actor.HUB, situation.backoff_seconds, burnt=True)
        return Next(follow, "transient", fault.detail)
    detail = f"failed {ATTEMPTS_MAX} times, last: {fault.detail}"
    # An earlier call may have done it: that nothing came of the last ones doesn't say that nothing happened.
    return _rejected(situation, Rejected(detail)) if stage == Stage.READY else _given_up(situation, detail)


def _rejected(situation: Situation, fault: Rejected) -> Next:
    """The target refuses the message: it waits for a mapping, other data or a person; its neighbours go on."""
    claimed, target = situation.claimed, situation.target
    if fault.missing is not None:
        key = mapping_key(target, fault.missing.kind, fault.missing.key)
        follow = situation.follow(Stage.BLOCKED, Actor.PERSON, None, burnt=True, bump=True, blocked_on=key)
        case = Raised(
            key,
            "mapping",
            f"{target} does not know {fault.missing.kind} {fault.missing.key}",
            f"crossdock map {target} {fault.missing.kind} {fault.missing.key} <its name there>",
            fault.detail,
            claimed.entity,
            claimed.promise,
            fault.field,
        )
    else:
        follow = situation.follow(Stage.CASE, Actor.PERSON, None, burnt=True, bump=True)
        case = Raised(
            f"rejected:{target}:{claimed.noun}:{fault.field or _gist(fault.detail)}",
            "rejected",
            f"{target} refuses {claimed.noun.replace('_', ' ')}" + (f": {fault.field}" if fault.field else ""),
            "Correct the data at its source, which is tried again by itself; or: crossdock retry <case>",
            fault.detail,
            claimed.entity,
            claimed.promise,
            fault.field,
        )
    return Next(follow, "rejected", fault.detail, case=case, frees_accounts=True)


def _unknown(situation: Situation, detail: str) -> Next:
    """Nobody knows whether it happened; the first effect class that still helps decides."""
    if resendable(situation):
        # It stays in CALLING, for until it is known nobody may replace it or touch its document.
        follow = situation.follow(Stage.CALLING, Actor.HUB, situation.backoff_seconds, burnt=True)
        return Next(follow, "unknown", f"{detail}; sent again as it was")
    return _given_up(situation, detail)


def _given_up(situation: Situation, detail: str) -> Next:
    """Sending again is no way to find out: it is searched for, or else a person looks."""
    for effect in situation.effects:
        match effect:
            case Searchable():
                wait = effect.quiet_period.total_seconds()
                follow = situation.follow(Stage.DOUBTFUL, Actor.CLOCK, wait, burnt=True)
                return Next(follow, "unknown", f"{detail}; searched by {effect.by} when nothing can still travel")
            case Keyed() | Blind():
                continue
    return _in_doubt(situation, detail)


def resendable(situation: Situation) -> bool:
    """Whether sending the same seal again does no harm: a state, a read, or an act whose key the target still holds."""
    if situation.claimed.verb != Verb.ACT:
        return True
    keyed = (effect for effect in situation.effects if isinstance(effect, Keyed))
    # An act that wasn't sealed when the lane took it was sealed in this very round.
    sealed_at = situation.claimed.sealed_at or situation.now
    return any(key_holds(effect, sealed_at, situation.now) for effect in keyed)


def _in_doubt(situation: Situation, detail: str) -> Next:
    """It may have happened, and only a person can find out; the hub never sends it again by itself."""
    claimed = situation.claimed
    case = Raised(
        f"doubt:{situation.target}:{claimed.noun}",
        "doubt",
        f"{claimed.noun.replace('_', ' ').capitalize()} at {situation.target} may have happened",
        "Look there, then: crossdock resolve <case> --happened <its id there>, or --did-not-happen",
        f"{claimed.slot}: {detail}",
        claimed.entity,
        claimed.promise,
    )
    return Next(situation.follow(Stage.DOUBTFUL, Actor.PERSON, None, burnt=True), "in doubt", detail, case=case)


def key_holds(effect: Keyed, sealed_at: datetime | None, now: datetime) -> bool:
    """Whether the target still remembers the key for certain."""
    if effect.window is None:
        return True
    return sealed_at is not None and now < sealed_at + min(effect.window * KEY_WINDOW_SHARE, effect.window - KEY_MARGIN)


def after_search(situation: Situation, fault: Fault | None) -> Next:
    """What follows looking for a doubtful act and not finding it: absent means send it now, a failed look means look again."""
    match fault:
        case None:
            return Next(situation.follow(Stage.READY, Actor.HUB, 0.0), "not found", "absent, so it is sent")
        case Refused():
            follow = situation.follow(Stage.DOUBTFUL, Actor.HUB, 0.0)
            return Next(follow, "refused", fault.detail, brake=Brake(situation.target, "refused", fault.detail))
        case _:
            follow = situation.follow(Stage.DOUBTFUL, Actor.HUB, situation.backoff_seconds, burnt=not fault.outage)
            return Next(follow, "search failed", fault.detail)


def mapping_key(connection: str, kind: str, key: str) -> str:
    """The name by which promises wait for a mapping."""
    return f"map/{connection}/{kind}/{key}"


def _gist(detail: str) -> str:
    """A detail without what differs from message to message, so that one cause makes one case."""
    return re.sub(r"\d+", "#", detail)[:80]


def crashed() -> Unknown:
    """The outcome of a call whose process went away before it recorded an answer."""
    return Unknown("the process that was calling went away")
