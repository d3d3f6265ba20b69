"""A lane: one connection's open promises, claimed, sealed, called and recorded, round after round."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from crossdock.canonical.nouns import COMMANDS
from crossdock.connect.documents import Reading
from crossdock.connect.receipts import Confirmed
from crossdock.deliver import calling, probing, sealing, seeing
from crossdock.deliver.calling import Answer
from crossdock.deliver.following import Actor, Next, Situation, after, after_search, crashed, forgotten, resendable
from crossdock.deliver.lines import Line
from crossdock.deliver.recording import Results, record
from crossdock.deliver.remembering import BY_LEVEL, KEPT_IN_STEP
from crossdock.deliver.sealing import Ready, Sealing, as_sealed
from crossdock.deliver.timekeeping import Timekeeper
from crossdock.deliver.told import told_of
from crossdock.kernel.faults import Fault, NotSent, Transient, Unknown
from crossdock.kernel.moments import to_micros
from crossdock.observe.checkpoints import reach
from crossdock.promises.difference import Stage
from crossdock.store import brakes, delivery, recovery
from crossdock.store.brakes import Brake, Permit
from crossdock.store.database import LOST, UNSTORABLE, Database, Transaction
from crossdock.store.delivery import Claimed, Wake, nobody_to_wake
from crossdock.store.fronts import Front

# Rounds that lose their answers one after another before the lane is stopped: one slow item is no outage.
_LOST_ROUNDS_MAX = 3
# A database that fails over is away for seconds to minutes; answers are kept so long, and asked about anew after that.
_RECORD_SECONDS_MAX = 600.0
# A round takes about what the call budget lets out in so long: refunds that come meanwhile wait for its end.
_ROUND_SECONDS = 2.0
_RECORD_AGAIN_SECONDS, _RECORD_AGAIN_SECONDS_MAX = 0.1, 5.0


class _PutForward(Exception):
    """By the database's clock more is due than can be: nothing of it is claimed."""


def _unnoted(fence: int) -> None:
    """Nobody watches the database here."""


@dataclass
class Lane:
    """One connection's lane in one process; any number of processes share it by claims."""

    database: Database
    line: Line
    worker: str
    code: bytes
    batch_max: int = 200
    lease_seconds: float = 60.0
    probe_seconds: float = 2.0
    wake: Wake = nobody_to_wake
    luck: random.Random = field(default_factory=random.Random)
    record_seconds: float = _RECORD_SECONDS_MAX
    note: Callable[[int], None] = _unnoted
    """Is told the highest fence of each round, once it is committed and before anything is called."""
    timekeeper: Timekeeper | None = None
    """Holds what is claimed against time that only rises."""
    front: Front[list[datetime]] = field(default_factory=Front[list[datetime]])
    _ramp: int = 200
    _items_per_call: float = 1.0
    _lost_rounds: int = 0

    async def round(self) -> int:
        """Claim what is due, seal it, call, record; answers how many promises were claimed."""
        if time.monotonic() < self.line.quiet_until:
            return 0
        try:
            return await self._round(time.monotonic())
        except _PutForward:
            assert self.timekeeper is not None
            await self.timekeeper.look()
            return 0

    async def _round(self, began: float) -> int:
        lease_ends = began + self.lease_seconds
        async with self.database.transaction() as tx:
            claimed, permit = await self._claim(tx)
            told = await told_of(tx, self.line.connection, claimed)
            unknown = [each for each in claimed if each.promise not in told]
            sealed = await self._seal(tx, unknown, began) if unknown else Sealing()
            above = await seeing.parents(tx, claimed)
        if not claimed:
            return await self._try_idly(lease_ends) if permit == "probe" else 0
        now = claimed[0].claimed_at
        self.note(max(each.fence for each in claimed))
        reach("seal:after_commit")
        answers = await self._answers(unknown, sealed, lease_ends, above)
        heard = _heard(answers)
        results = self._results(claimed, sealed, {**answers, **told}, now, reached=heard.reached)
        self._lost_rounds = 0 if heard.reached else self._lost_rounds + 1
        await self._record_all(results, heard, permit, now)
        self._follow_pace(answers, heard)
        return len(claimed)

    async def _claim(self, tx: Transaction) -> tuple[list[Claimed], Permit]:
        """What may be called for now; the brake is asked about only when there is nothing, for that is how it shows."""
        target, limit = self.line.connection, min(self._ramp, self._affordable())
        since = await self.front.found(partial(delivery.front, tx, target))
        if claimed := await delivery.claim(tx, target, limit, self.lease_seconds, front=since):
            return claimed, "free"
        permit = await brakes.permit(tx, target, self.probe_seconds)
        if permit == "probe":
            return await delivery.claim(tx, target, 1, self.lease_seconds, probe=True, front=since), permit
        if permit == "braked":
            self._ramp = 1
        return [], permit

    async def _seal(self, tx: Transaction, claimed: Sequence[Claimed], began: float) -> Sealing:
        now = claimed[0].claimed_at
        if self.timekeeper is not None and not self.timekeeper.believes(began, now):
            raise _PutForward
        ready = [situation for c in claimed if _to_send(situation := self._situation(c, now))]
        sealed = await sealing.seal(tx, ready, now, self.worker, self.code) if ready else Sealing()
        sealed.hold_back([held for situation in ready if (held := self._forgotten(situation))])
        reach("seal:before_commit")
        return sealed

    async def _try_idly(self, lease_ends: float) -> int:
        """With nothing open an outage's end would go unseen, and nobody would sweep there meanwhile.

        What is open is the better probe, as soon as it is due: that a page answers says little of calls.
        """
        async with self.database.transaction() as tx:
            if await delivery.has_open(tx, self.line.connection):
                return 0
        if await probing.answers(self.line, lease_ends):
            async with self.database.transaction() as tx:
                await brakes.lift_brake(tx, self.line.connection, "an answer while nothing was due")
        return 0

    def _affordable(self) -> int:
        """No more than the call budget lets out in one round, twice as many items a call as last time, if they will.

        And if they go one by one after all, no more than in a quarter of a lease, so that none runs out while waiting.
        """
        rate = self.line.budget.rate
        if rate is None:
            return self.batch_max
        seconds = min(_ROUND_SECONDS * 2 * self._items_per_call, self.lease_seconds / 4)
        return max(1, min(self.batch_max, int(rate * seconds)))

    def _situation(self, claimed: Claimed, now: datetime, *, reached: bool = True) -> Situation:
        effects = self.line.effects(claimed.noun)
        kept = claimed.noun in KEPT_IN_STEP and COMMANDS[claimed.noun] in self.line.connector.finders
        return Situation(claimed, self.line.connection, effects, now, self.luck.random(), reached, kept)

    def _forgotten(self, situation: Situation) -> Next | None:
        noun = situation.claimed.noun
        can_be_found = COMMANDS[noun] in self.line.connector.finders
        return forgotten(situation, by_level=noun in BY_LEVEL, can_be_found=can_be_found)

    async def _answers(
        self, claimed: Sequence[Claimed], sealed: Sealing, lease_ends: float, above: seeing.Parents
    ) -> dict[int, Answer | None]:
        """What the target says about each: sent now, asked about, or searched for (None: it is not there)."""
        answers: dict[int, Answer | None] = {}
        if sealed.ready:
            calls = self.line.calls
            answers |= await calling.call(self.line, sealed.ready, lease_ends, above)
            self._items_per_call = len(sealed.ready) / max(self.line.calls - calls, 1)
        if accepted := [as_sealed(c) for c in claimed if c.stage == Stage.ACCEPTED]:
            answers |= await calling.inquire(self.line, accepted, lease_ends, above)
        if doubtful := [as_sealed(c) for c in claimed if c.stage == Stage.DOUBTFUL]:
            facts = await self._causes(doubtful)
            answers |= await calling.search(self.line, doubtful, lease_ends, facts, above)
        return answers

    async def _causes(self, doubtful: Sequence[Ready]) -> Mapping[str, Sequence[str]]:
        """What acts of a forgotten time may have been done for, by entity."""
        forgotten = {r.claimed.entity for r in doubtful if r.claimed.forgotten_since and r.claimed.noun in BY_LEVEL}
        if not forgotten:
            return {}
        async with self.database.transaction() as tx:
            return await recovery.facts_of(tx, forgotten)

    def _results(
        self,
        claimed: Sequence[Claimed],
        sealed: Sealing,
        answers: Mapping[int, Answer | None],
        now: datetime,
        *,
        reached: bool,
    ) -> Results:
        results = Results()
        held = {n.follow.promise: n for n in sealed.held}
        for each in claimed:
            if each.promise in held:
                results.next.append((each, held[each.promise]))
            elif each.promise in answers:
                self._sort(results, self._situation(each, now, reached=reached), answers[each.promise])
            else:
                results.next.append((each, after(self._situation(each, now), crashed())))
        return results

    def _sort(self, results: Results, situation: Situation, answer: Answer | None) -> None:
        claimed = situation.claimed
        match answer:
            case Confirmed():
                results.confirmed.append((claimed, answer))
            case Reading():
                results.fetched.append((claimed, answer, to_micros(situation.now)))
            case NotSent():
                follow = situation.follow(Stage(claimed.stage), Actor.HUB, 0.0)
                results.next.append((claimed, Next(follow, "not sent", str(answer))))
            case None:
                results.next.append((claimed, after_search(situation, None)))
            case Fault() if claimed.stage == Stage.DOUBTFUL:
                results.next.append((claimed, after_search(situation, answer)))
            case _:
                results.next.append((claimed, after(situation, answer)))

    async def _record_all(self, results: Results, heard: Heard, permit: Permit, now: datetime) -> None:
        """What can't be stored takes nothing else with it: an answer of that kind is none."""
        try:
            await self._record_in_time(results, heard, permit)
        except UNSTORABLE:
            for part in results.one_by_one():
                await self._record_one(part, heard, permit, now)

    async def _record_one(self, one: Results, heard: Heard, permit: Permit, now: datetime) -> None:
        try:
            await self._record_in_time(one, heard, permit)
        except UNSTORABLE as error:
            unknown = Unknown(f"its answer can't be stored: {type(error).__name__}")
            nothing = Results(next=[(c, after(self._situation(c, now), unknown)) for c in one.claimed()])
            await self._record_in_time(nothing, heard, permit)

    async def _record_in_time(self, results: Results, heard: Heard, permit: Permit) -> None:
        """Record what was heard, again and again while the database is away: what isn't recorded was never heard.

        A lease that ends meanwhile does no harm: what others have taken over is left to them, and a receipt counts however
        late it comes.
        """
        gives_up, wait_seconds = time.monotonic() + self.record_seconds, _RECORD_AGAIN_SECONDS
        while True:
            try:
                return await self._record(results, heard, permit)
            except LOST:
                if time.monotonic() + wait_seconds > gives_up:
                    raise
            await asyncio.sleep(wait_seconds * (0.5 + self.luck.random()))
            wait_seconds = min(wait_seconds * 2, _RECORD_AGAIN_SECONDS_MAX)

    async def _record(self, results: Results, heard: Heard, permit: Permit) -> None:
        unreachable = heard.cant_connect or self._lost_rounds >= _LOST_ROUNDS_MAX
        async with self.database.transaction() as tx:
            refused = await record(tx, self.line.connection, self.line.connector, results)
            if not heard.reached and unreachable and permit == "free":
                await brakes.apply_brake(tx, Brake(self.line.connection, "outage", heard.trouble), self.probe_seconds)
            elif permit == "probe" and heard.answered and not refused:
                await brakes.lift_brake(tx, self.line.connection, "an answered probe")
            kept = await seeing.kept(tx, results.met)
            reach("receipt:before_commit")
        reach("receipt:after_commit")
        seeing.count_kept(kept)
        self.wake(results.released)

    def _follow_pace(self, answers: dict[int, Answer | None], heard: Heard) -> None:
        # After a stop the lane goes faster and faster, so that a target that just came back isn't knocked over.
        if answers:
            self._ramp = min(self.batch_max, self._ramp * 4) if heard.answered else 1


@dataclass(frozen=True, slots=True)
class Heard:
    """What a round's answers say of the target as a whole."""

    answered: bool
    """It answered something."""
    reached: bool
    """Nothing says that it is down: it answered something, or nothing was sent."""
    cant_connect: bool
    trouble: str


def _heard(answers: dict[int, Answer | None]) -> Heard:
    lost = [a for a in answers.values() if isinstance(a, Fault) and a.outage]
    answered = len(lost) < sum(not isinstance(answer, NotSent) for answer in answers.values())
    cant_connect = any(isinstance(fault, Transient) for fault in lost)
    return Heard(answered, answered or not lost, cant_connect, lost[0].detail if lost else "")


def _to_send(situation: Situation) -> bool:
    """Ready, or sent before without a known outcome where sending the same again does no harm."""
    stage = situation.claimed.stage
    return stage == Stage.READY or (stage == Stage.CALLING and resendable(situation))
