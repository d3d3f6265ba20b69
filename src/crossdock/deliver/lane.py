"""A lane: one connection's open promises, claimed, sealed, called and recorded, round after round."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crossdock.connect.documents import Reading
from crossdock.connect.receipts import Confirmed
from crossdock.deliver import calling, sealing
from crossdock.deliver.calling import Answer
from crossdock.deliver.following import Actor, Next, Situation, after, after_search, crashed, resendable
from crossdock.deliver.lines import Line, NotSent
from crossdock.deliver.recording import Results, record
from crossdock.deliver.sealing import Sealing, as_sealed
from crossdock.kernel.faults import Fault, Throttled, Transient
from crossdock.kernel.moments import to_micros
from crossdock.observe.checkpoints import reach
from crossdock.promises.difference import Stage
from crossdock.store import brakes, delivery
from crossdock.store.brakes import Brake, Permit
from crossdock.store.database import Database, Transaction
from crossdock.store.delivery import Claimed, Wake, nobody_to_wake

# Rounds that lose their answers one after another before the lane is stopped: one slow item is no outage.
_LOST_ROUNDS_MAX = 3


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
    _ramp: int = 200
    _lost_rounds: int = 0

    async def round(self) -> int:
        """Claim what is due, seal it, call, record; answers how many promises were claimed."""
        if time.monotonic() < self.line.quiet_until:
            return 0
        lease_ends = time.monotonic() + self.lease_seconds
        async with self.database.transaction() as tx:
            claimed, permit = await self._claim(tx)
            if not claimed:
                return 0
            now = claimed[0].claimed_at
            ready = [situation for c in claimed if _to_send(situation := self._situation(c, now))]
            sealed = await sealing.seal(tx, ready, now, self.worker, self.code) if ready else Sealing()
            reach("seal:before_commit")
        reach("seal:after_commit")
        answers = await self._answers(claimed, sealed, lease_ends)
        results = self._results(claimed, sealed, answers, now)
        await self._record(results, answers, permit)
        return len(claimed)

    async def _claim(self, tx: Transaction) -> tuple[list[Claimed], Permit]:
        """What may be called for now; the brake is asked about only when there is nothing, for that is how it shows."""
        target, limit = self.line.connection, min(self._ramp, self._affordable())
        if claimed := await delivery.claim(tx, target, limit, self.lease_seconds):
            return claimed, "free"
        permit = await brakes.permit(tx, target, self.probe_seconds)
        if permit == "probe":
            return await delivery.claim(tx, target, 1, self.lease_seconds, probe=True), permit
        if permit == "braked":
            self._ramp = 1
        return [], permit

    def _affordable(self) -> int:
        """No more than the call budget lets out in a quarter of a lease, so that no lease runs out while waiting."""
        rate = self.line.budget.rate
        return self.batch_max if rate is None else max(1, min(self.batch_max, int(rate * self.lease_seconds / 4)))

    def _situation(self, claimed: Claimed, now: datetime) -> Situation:
        effects = self.line.effects(claimed.noun)
        return Situation(claimed, self.line.connection, effects, now, self.luck.random())

    async def _answers(
        self, claimed: Sequence[Claimed], sealed: Sealing, lease_ends: float
    ) -> dict[int, Answer | None]:
        """What the target says about each: sent now, asked about, or searched for (None: it is not there)."""
        answers: dict[int, Answer | None] = {}
        if sealed.ready:
            answers |= await calling.call(self.line, sealed.ready, lease_ends)
        if accepted := [as_sealed(c) for c in claimed if c.stage == Stage.ACCEPTED]:
            answers |= await calling.inquire(self.line, accepted, lease_ends)
        if doubtful := [as_sealed(c) for c in claimed if c.stage == Stage.DOUBTFUL]:
            answers |= await calling.search(self.line, doubtful, lease_ends)
        return answers

    def _results(
        self, claimed: Sequence[Claimed], sealed: Sealing, answers: dict[int, Answer | None], now: datetime
    ) -> Results:
        results = Results()
        held = {n.follow.promise: n for n in sealed.held}
        for each in claimed:
            if each.promise in held:
                results.next.append((each, held[each.promise]))
            elif each.promise in answers:
                self._sort(results, each, answers[each.promise], now)
            else:
                results.next.append((each, after(self._situation(each, now), crashed())))
        return results

    def _sort(self, results: Results, claimed: Claimed, answer: Answer | None, now: datetime) -> None:
        match answer:
            case Confirmed():
                results.confirmed.append((claimed, answer))
            case Reading():
                results.fetched.append((claimed, answer, to_micros(now)))
            case NotSent():
                follow = self._situation(claimed, now).follow(Stage(claimed.stage), Actor.HUB, 0.0)
                results.next.append((claimed, Next(follow, "not sent", str(answer))))
            case None:
                results.next.append((claimed, after_search(self._situation(claimed, now), None)))
            case Fault() if claimed.stage == Stage.DOUBTFUL:
                results.next.append((claimed, after_search(self._situation(claimed, now), answer)))
            case _:
                results.next.append((claimed, after(self._situation(claimed, now), answer)))

    async def _record(self, results: Results, answers: dict[int, Answer | None], permit: Permit) -> None:
        lost = [a for a in answers.values() if isinstance(a, Fault) and a.outage]
        reached = len(lost) < sum(not isinstance(answer, NotSent) for answer in answers.values())
        self._lost_rounds = 0 if reached or not lost else self._lost_rounds + 1
        unreachable = any(isinstance(fault, Transient) for fault in lost) or self._lost_rounds >= _LOST_ROUNDS_MAX
        async with self.database.transaction() as tx:
            refused = await record(tx, self.line.connection, self.line.connector, results)
            if lost and not reached and unreachable and permit == "free":
                await brakes.apply_brake(tx, Brake(self.line.connection, "outage", lost[0].detail), self.probe_seconds)
            elif permit == "probe" and reached and not refused:
                await brakes.lift_brake(tx, self.line.connection, "an answered probe")
            reach("receipt:before_commit")
        reach("receipt:after_commit")
        self.wake(results.released)
        if waits := [a.retry_after_seconds for a in answers.values() if isinstance(a, Throttled)]:
            self.line.quiet_until = time.monotonic() + max(waits)
        # After a stop the lane goes faster and faster, so that a target that just came back isn't knocked over.
        if answers:
            self._ramp = min(self.batch_max, self._ramp * 4) if reached else 1


def _to_send(situation: Situation) -> bool:
    """Ready, or sent before without a known outcome where sending the same again does no harm."""
    stage = situation.claimed.stage
    return stage == Stage.READY or (stage == Stage.CALLING and resendable(situation))
