"""One life from a seed: reality, messages, settling, calls, answers and people take turns until nothing changes any more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar

from crossdock.canonical.payment import PaymentCapture
from crossdock.connect.receipts import Confirmed
from crossdock.kernel.faults import Rejected, Transient, Unknown
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import ApprovalNeeded
from crossdock.promises.policy import Policy
from tests.lives.hub import MAX_TRAVEL, Command, Hub, Row, Said
from tests.lives.oracle import Watch
from tests.lives.policies import policy_for
from tests.lives.reality import Reality


@dataclass
class Life:
    """A seed's order, its hub, and what was seen of both."""

    rounds_max: ClassVar[int] = 600
    seed: int
    swaps: bool = False
    """Its buyer mostly wants other goods for what comes back, and more happens."""
    policy: Policy = field(init=False)
    reality: Reality = field(init=False)
    hub: Hub = field(init=False)
    watch: Watch = field(init=False)
    wire: list[tuple[datetime, Command]] = field(default_factory=list[tuple[datetime, Command]])
    """Requests that still travel though nobody waits for their answers."""
    answers: list[tuple[Row, int, Confirmed | Rejected]] = field(
        default_factory=list[tuple[Row, int, Confirmed | Rejected]]
    )
    heard: list[Said] = field(default_factory=list[Said])
    done: dict[str, Confirmed] = field(default_factory=dict[str, Confirmed])
    effects: Counter[str] = field(default_factory=Counter[str])
    paid_on_the_next_day: bool = False
    """A limit held a refund back for a day."""
    _given_by_the_day_before: int = -1

    def __post_init__(self) -> None:
        self.luck, world = Random(self.seed), Random(f"world {self.seed}")
        self.policy = policy_for(self.luck, world)
        self.reality = Reality(
            self.luck,
            world=world,
            taking=self.policy.capture_when,
            swaps=self.swaps,
            settles_in="USD" if world.random() < 0.3 else "",
            remembers=world.random() < 0.7,
        )
        self.hub = Hub(self.policy, self.reality.now)
        busy = [world.random() < 0.8]
        self.hub.spent_elsewhere = lambda limit: limit if busy and busy.pop() else 0
        self.watch = Watch(self.reality, self.policy)

    def live(self) -> Life:
        """Everything that happens, and then the rest until nothing moves."""
        calm = self.luck.random() < 0.3
        for _ in range(self.luck.randint(*((10, 26) if self.swaps else (3, 14)))):
            self._turns(self.luck.randint(0, 6) if not calm else 30)
            self.reality.something()
            self.watch.look()
        self._to_rest()
        return self

    def _turns(self, turns: int) -> None:
        for _ in range(turns):
            draw = self.luck.random()
            if draw < 0.35 and self.reality.unheard:
                self._hear_one()
            elif draw < 0.55 and self.hub.dirty:
                self._settle()
            elif draw < 0.85:
                self._call_one(honest=False)
            elif draw < 0.95 and self.answers:
                self._answer(self.answers.pop(self.luck.randrange(len(self.answers))))
            elif draw < 0.97 and self.wire:
                self._do(self.wire.pop()[1])
            else:
                self._pass(self.luck.choice((1, 1, 5, 60, 60 * 24)))

    def _hear_one(self) -> None:
        unheard = self.reality.unheard
        said = unheard.pop(self.luck.randrange(len(unheard)) if self.luck.random() < 0.3 else 0)
        self.hub.hear(said)
        self.heard.append(said)
        if self.luck.random() < 0.15:
            self.hub.hear(self.luck.choice(self.heard))

    def _settle(self) -> None:
        self.hub.settle()
        self.watch.settled(self.hub)
        for each in self.hub.changes.approvals:
            if self.luck.random() < 0.5:
                self.reality.decide(each)
                self.watch.look()

    def _pass(self, minutes: int) -> None:
        later = self.reality.now + timedelta(minutes=minutes)
        for sent_at, command in [each for each in self.wire if each[0] + MAX_TRAVEL <= later]:
            self.wire.remove((sent_at, command))
            if self.luck.random() < 0.6:
                self._do(command)
        if self.hub.settled_at and any(self.hub.settled_at < w.until <= later for w in self.hub.changes.waits):
            self.hub.dirty = True
        self.reality.now = self.hub.now = later

    # Calls

    def _call_one(self, *, honest: bool) -> bool:
        due = self.hub.due()
        if not due:
            return False
        row = due[0] if honest else self.luck.choice(due)
        self._forget_answers(row)
        match row.stage:
            case Stage.DOUBTFUL:
                self._search(row)
            case Stage.READY:
                self._send(row, honest=honest)
            case _ if self.hub.resendable(row):
                self._send(row, honest=honest)
            case _:
                self.hub.claim(row)
                self.hub.lost(row)
        return True

    def _send(self, row: Row, *, honest: bool) -> None:
        self.hub.claim(row)
        command = self.hub.seal(row)
        if command is None:
            return
        fate = 1.0 if honest else self.luck.random()
        if fate < 0.08:
            self._travels(row, command)
        elif fate < 0.12:
            self.hub.failed(row, Unknown("lost on its way"))
        elif fate < 0.15:
            self.hub.failed(row, Transient("not now"))
        elif fate < 0.25:
            self._do(command)
            if fate < 0.21:
                self.hub.failed(row, Unknown("the answer was lost"))
        else:
            outcome = self._do(command)
            if honest or self.luck.random() < 0.7:
                self._answer((row, row.fence, outcome))
            else:
                self.answers.append((row, row.fence, outcome))

    def _travels(self, row: Row, command: Command) -> None:
        self.wire.append((self.reality.now, command))
        if self.luck.random() < 0.7:
            self.hub.failed(row, Unknown("timed out"))

    def _do(self, command: Command) -> Confirmed | Rejected:
        target = {"erp": self.reality.erp, "psp": self.reality.psp, "warehouse": self.reality.warehouse}.get(
            command.target, self.reality.channel
        )
        replayed = command.target == "psp" and command.key in self.done
        try:
            outcome = target.do(command)
        except Rejected as refused:
            return refused
        if not replayed:
            self.effects[command.key] += 1
        self.done[command.key] = outcome
        self.watch.did(command)
        return outcome

    def _answer(self, answer: tuple[Row, int, Confirmed | Rejected]) -> None:
        row, fence, outcome = answer
        if isinstance(outcome, Confirmed):
            self.hub.confirm(row, outcome)
        elif row.fence == fence and row.stage == Stage.CALLING:
            self.hub.failed(row, outcome)

    def _forget_answers(self, row: Row) -> None:
        """Its lease is over: a refusal that comes later is nobody's any more, a confirmation still counts."""
        self.answers = [a for a in self.answers if a[0] is not row or isinstance(a[2], Confirmed)]

    def _search(self, row: Row) -> None:
        self.hub.claim(row)
        found = self.done.get(row.key)
        if found is None:
            self.hub.not_found(row)
        elif isinstance(row.owed.body, PaymentCapture):  # its provider keeps no reference with a capture of its own
            self.hub.confirm(row, Confirmed(id=f"found/{row.key}"))
        else:
            self.hub.confirm(row, found)

    # Rest

    def _to_rest(self) -> None:
        """All is heard, every answer comes, people decide what they are asked; only waits are left."""
        for _ in range(self.rounds_max):
            if self._moved():
                continue
            due = self.hub.next_due() or self._next_day()
            if due is None:
                return
            self._pass(max(1, -(-int((due - self.reality.now).total_seconds()) // 60)))
        raise AssertionError(f"seed {self.seed}: never at rest: {[r for r in self.hub.rows if r.stage is not None]}")

    def _next_day(self) -> datetime | None:
        """When there is a new limit, where the last one held something back; None once a day has brought nothing more."""
        ends = [each.until for each in self.hub.changes.waits if each.name.startswith("day_of:")]
        given = sum(1 for key in self.done if "/refund:" in key)
        self.paid_on_the_next_day |= 0 <= self._given_by_the_day_before < given
        if not ends or given == self._given_by_the_day_before:
            return None
        self._given_by_the_day_before = given
        return min(ends)

    def _moved(self) -> bool:
        if self.reality.unheard:
            while self.reality.unheard:
                self._hear_one()
            return True
        if self.hub.dirty:
            self.hub.settle()
            self.watch.settled(self.hub)
            return True
        if self.answers:
            self._answer(self.answers.pop())
            return True
        if self._call_one(honest=True):
            return True
        asked = [each for each in self.hub.obligations if isinstance(each, ApprovalNeeded)]
        if asked and len(self.reality.verdicts) < 12 and self.luck.random() < 0.8:
            self.reality.decide(asked[0])
            self.watch.look()
            return True
        return False
