"""What follows an outcome, by effect class. Pure: this is where "once" is decided."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from crossdock.connect.effects import Effect, Keyed, Searchable
from crossdock.connect.receipts import Accepted, Partial
from crossdock.kernel.faults import Absent, Fault, Refused, Rejected, Throttled, Transient, Unknown
from crossdock.kernel.ids import digest
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.brakes import Brake
from crossdock.store.cases import Raised
from crossdock.store.delivery import Claimed, Follow

# Resend inside this share of a key's window only: clocks differ, and the target's clean-up may run early.
KEY_WINDOW_SHARE = 0.8
# And so long before its end that a call lease (60 s) and the request's travel still fit in.
KEY_MARGIN = timedelta(minutes=3)
# So often in vain, and a person is told: with the back-off that is after a quarter of an hour.
ATTEMPTS_MAX = 12
# So many answers under one key that leave it unknown, and the key is taken to be used up: 500 is mostly kept, too.
UNCLEAR_MAX = 3
_BACKOFF_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 300.0


_CRASHED = "the process that was calling went away"
_CODE = re.compile("[a-z]+(_[a-z]+)+")


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
    reached: bool = True
    """The target answered something in this round; otherwise the whole of it may be down."""
    kept_in_step: bool = False
    """What it asks for can be looked for, and states bring what is there to what is wanted, however it was first asked for."""

    def follow(self, stage: Stage, actor: Actor, wait_seconds: float | None, *, burnt: bool = False, bump: bool = False,
               blocked_on: str | None = None, job: str | None = None, in_vain: bool = False,
               unclear: int | None = None) -> Follow:  # fmt: skip
        unclear = self.claimed.unclear if unclear is None else unclear
        still_searched_for = stage == Stage.DOUBTFUL == self.claimed.stage
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
            (self.claimed.searches if still_searched_for else 0) + in_vain,
            0 if bump else unclear,
        )

    @property
    def backoff_seconds(self) -> float:
        return self.wait_after(self.claimed.attempts)

    def wait_after(self, times: int) -> float:
        """Seconds to wait after so many times in vain."""
        grown = _BACKOFF_SECONDS * 2 ** min(times, 12)
        return min(grown, BACKOFF_SECONDS_MAX) * (0.5 + self.luck)

    @property
    def searchable(self) -> Searchable | None:
        return next((effect for effect in self.effects if isinstance(effect, Searchable)), None)

    def burns(self, fault: Fault) -> bool:
        """Whether this counts as an attempt: no outage does, and one item that gets no answer beside others that do is none."""
        return self.reached or not fault.outage


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
        case Rejected() if outcome.missing is None and _can_be_adopted(situation):
            detail = f"refused, and it may have been done in a forgotten time: {outcome.detail}; looked for"
            return Next(situation.follow(Stage.DOUBTFUL, Actor.CLOCK, 0.0, burnt=True), "unknown", detail)
        case Rejected() if situation.claimed.verb == Verb.ACT and _as_before(situation) == Stage.CALLING:
            # An earlier send of the same may still be under way, and what refuses this one may be gone when it arrives.
            return _given_up(situation, f"refused when sent again: {outcome.detail}")
        case Rejected() if outcome.missing is None and _may_be_forgotten(situation):
            # Its target may know its key from then, with other content: that it refuses is no word on whether it was done.
            return _in_doubt(situation, f"refused, and it may have been done in a forgotten time: {outcome.detail}")
        case Rejected():
            return _rejected(situation, outcome)
        case Refused():
            brake = Brake(situation.target, "refused", outcome.detail)
            return Next(situation.follow(_as_before(situation), Actor.HUB, 0.0), "refused", outcome.detail, brake=brake)
        case _:
            return _unknown(situation, outcome)


def _may_be_forgotten(situation: Situation) -> bool:
    """Done in a time the database has forgotten, perhaps, and sent on the strength of its key without looking."""
    looked_for = any(isinstance(effect, Searchable) for effect in situation.effects)
    claimed = situation.claimed
    return claimed.verb == Verb.ACT and claimed.forgotten_since is not None and not looked_for


def _can_be_adopted(situation: Situation) -> bool:
    """Its target may hold it with other content than it is asked for now. Sent under its key once more it does no harm."""
    few = situation.claimed.attempts + 1 < ATTEMPTS_MAX
    return situation.kept_in_step and few and _may_be_forgotten(situation) and resendable(situation)


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
    if stage == Stage.READY:
        return _rejected(situation, Rejected(detail))
    # An earlier call may have done it: that nothing came of the last ones doesn't say that nothing happened.
    if stage == Stage.CALLING and resendable(situation) and situation.searchable is None:
        return _sent_again(situation, fault, "transient")
    return _given_up(situation, detail)


def _rejected(situation: Situation, fault: Rejected) -> Next:
    """The target refuses the message: it waits for a mapping, other data or a person; its neighbours go on."""
    if fault.missing is None:
        follow = situation.follow(Stage.CASE, Actor.PERSON, None, burnt=True, bump=True)
    else:
        key = mapping_key(situation.target, fault.missing.kind, fault.missing.key)
        follow = situation.follow(Stage.BLOCKED, Actor.PERSON, None, burnt=True, bump=True, blocked_on=key)
    return Next(follow, "rejected", fault.detail, case=_refusal(situation, fault), frees_accounts=True)


def _refusal(situation: Situation, fault: Rejected) -> Raised:
    """What a person can do about it."""
    claimed, target = situation.claimed, situation.target
    if (missing := fault.missing) is not None:
        cause, kind = mapping_key(target, missing.kind, missing.key), "mapping"
        title = f"{target} does not know {missing.kind} {missing.key}"
        remedy = f"crossdock map {target} {missing.kind} {missing.key} <its name there>"
    elif isinstance(fault, Absent):
        cause, kind = f"absent:{target}:{fault.field}", "rejected"
        title = f"Messages name what {target} doesn't have: {fault.field}"
        remedy = (
            f"See who named it, and what was done for it: crossdock trace <id>. It closes when {target} tells of it; where it "
            "never will, take back by hand what was done, such as a payment"
        )
    else:
        cause, kind = f"rejected:{target}:{claimed.noun}:{fault.field or _gist(fault.detail)}", "rejected"
        title = f"{target} refuses {claimed.noun.replace('_', ' ')}" + (f": {fault.field}" if fault.field else "")
        remedy = "Correct the data at its source, which is tried again by itself; or: crossdock retry <case>"
    return Raised(cause, kind, title, remedy, fault.detail, claimed.entity, claimed.promise, fault.field)


def _unknown(situation: Situation, fault: Fault) -> Next:
    """Nobody knows whether it happened; the first effect class that still helps decides."""
    unclear = _unclear_after(situation, fault)
    burnt = situation.burns(fault)
    if situation.claimed.verb != Verb.ACT:
        return _sent_again(situation, fault, "unknown", burnt=burnt)
    used_up = unclear >= UNCLEAR_MAX and (situation.searchable is not None or _is_kept(fault))
    if resendable(situation) and not used_up:
        return _sent_again(situation, fault, "unknown", burnt=burnt, unclear=unclear)
    return _given_up(situation, fault.detail, burnt=burnt, unclear=unclear)


def _unclear_after(situation: Situation, fault: Fault) -> int:
    """How often the key was answered without saying what happened; a kept answer is always the last that comes of it."""
    if _is_kept(fault):
        return UNCLEAR_MAX
    answered = not fault.outage and fault.detail != _CRASHED
    return min(situation.claimed.unclear + answered, UNCLEAR_MAX)


def _is_kept(fault: Fault) -> bool:
    return isinstance(fault, Unknown) and fault.kept


def _sent_again(
    situation: Situation, fault: Fault, outcome: str, *, burnt: bool = True, unclear: int | None = None
) -> Next:
    """It stays in CALLING, for until it is known nobody may replace it or touch its document."""
    follow = situation.follow(Stage.CALLING, Actor.HUB, situation.backoff_seconds, burnt=burnt, unclear=unclear)
    case = _failing(situation, fault.detail, situation.claimed.attempts + burnt)
    return Next(follow, outcome, f"{fault.detail}; sent again as it was", case=case)


def _given_up(situation: Situation, detail: str, *, burnt: bool = True, unclear: int | None = None) -> Next:
    """Sending again is no way to find out: it is searched for, or else a person looks."""
    searchable = situation.searchable
    if searchable is None:
        return _in_doubt(situation, detail)
    wait = searchable.quiet_period.total_seconds()
    follow = situation.follow(Stage.DOUBTFUL, Actor.CLOCK, wait, burnt=burnt, unclear=unclear)
    case = _failing(situation, detail, situation.claimed.attempts + burnt)
    said = f"{detail}; searched by {searchable.by} when nothing can still travel"
    return Next(follow, "unknown", said, case=case)


def _failing(situation: Situation, detail: str, times: int) -> Raised | None:
    """What was tried in vain so often is a person's to look at; the hub goes on, slowly, and the case ends when it succeeds."""
    if times < ATTEMPTS_MAX:
        return None
    claimed, target = situation.claimed, situation.target
    return Raised(
        f"failing:{target}:{claimed.noun}",
        "failing",
        f"{target} fails on {claimed.noun.replace('_', ' ')} again and again",
        f"Find out at {target} why. It is tried again every few minutes, and the case closes when it succeeds; "
        "at once by: crossdock retry <case>. What was settled there by hand: crossdock resolve <case>",
        f"{claimed.slot}: {detail}",
        claimed.entity,
        claimed.promise,
    )


def resendable(situation: Situation) -> bool:
    """Whether sending the same seal again does no harm: a state, a read, or an act whose key the target still holds."""
    if situation.claimed.verb != Verb.ACT:
        return True
    keyed = (effect for effect in situation.effects if isinstance(effect, Keyed))
    # An act that wasn't sealed when the lane took it was sealed in this very round, if not in a time that is forgotten.
    claimed = situation.claimed
    sealed_at = min(claimed.sealed_at or situation.now, claimed.forgotten_since or situation.now)
    return any(key_holds(effect, sealed_at, situation.now) for effect in keyed)


def forgotten(situation: Situation, *, by_level: bool, can_be_found: bool) -> Next | None:
    """What follows instead of a first send, for an act that may have been done in a time the database has forgotten.

    None: it can't have been, or its target knows a repeat for what it is. One that is owed `by_level` need not have had
    the same key then, so that no target knows it.
    """
    claimed = situation.claimed
    if claimed.forgotten_since is None or claimed.key is not None:
        return None
    searchable = any(isinstance(effect, Searchable) for effect in situation.effects)
    if not searchable and not by_level and resendable(situation):
        return None
    detail = (
        f"it may have been done before the database was set back to {claimed.forgotten_since:%Y-%m-%d %H:%M:%S} UTC"
    )
    if by_level and can_be_found and not searchable:
        return Next(situation.follow(Stage.DOUBTFUL, Actor.CLOCK, 0.0), "unknown", f"{detail}; looked for first")
    return _given_up(situation, detail)


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
    """What follows looking for a doubtful act and not finding it done: absent means send it, a failed look means look again."""
    searches = situation.claimed.searches
    match fault:
        case None:
            return _absent(situation)
        case Rejected():
            return _rejected(situation, fault)
        case Refused():
            follow = situation.follow(Stage.DOUBTFUL, Actor.HUB, 0.0)
            return Next(follow, "refused", fault.detail, brake=Brake(situation.target, "refused", fault.detail))
        case Throttled():
            wait = fault.retry_after_seconds * (1 + 0.1 * situation.luck)
            return Next(situation.follow(Stage.DOUBTFUL, Actor.HUB, wait), "throttled", fault.detail)
        case _:
            follow = situation.follow(
                Stage.DOUBTFUL, Actor.HUB, situation.wait_after(searches), in_vain=situation.burns(fault)
            )
            return Next(follow, "search failed", fault.detail, case=_failing(situation, fault.detail, follow.searches))


def _absent(situation: Situation) -> Next:
    """It is not there, and nothing that was sent can still travel: so it didn't happen, and is sent.

    Under a key that is used up it never will happen, so that what is sent is a new act under a new key.
    """
    in_vain = situation.claimed.attempts
    wait = situation.wait_after(in_vain) if in_vain >= ATTEMPTS_MAX else 0.0
    if situation.claimed.unclear < UNCLEAR_MAX:
        return Next(situation.follow(Stage.READY, Actor.HUB, wait), "not found", "absent, so it is sent")
    follow = situation.follow(Stage.READY, Actor.HUB, wait, bump=True)
    return Next(follow, "not found", "absent, and its key is used up: it is sent under a new one", frees_accounts=True)


def mapping_key(connection: str, kind: str, key: str) -> str:
    """The name by which promises wait for a mapping."""
    return f"map/{connection}/{kind}/{key}"


def _gist(detail: str) -> str:
    """A name for a detail without its digits, so that one cause makes one case.

    A code of the target's stays as it is; of a text a digest, for it may quote a buyer, and causes are shown to everybody.
    """
    gist = re.sub(r"\d+", "#", detail)[:80]
    return gist if _CODE.fullmatch(gist) else f"~{digest(gist.encode()).hex()[:8]}"


def crashed() -> Unknown:
    """The outcome of a call whose process went away before it recorded an answer."""
    return Unknown(_CRASHED)
