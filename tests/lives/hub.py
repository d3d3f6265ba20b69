"""The hub around the pure core for one order: what is stored, settled, sealed and followed, in memory and in one thread.

Standings, books, obligations, differences and what follows an outcome are the real functions. Only the rows between
them are played here, as the statements of `store/sql` keep them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.payment import PaymentCapture
from crossdock.canonical.shipment import ShipmentLines
from crossdock.connect.effects import Effect, Keyed, Searchable
from crossdock.connect.receipts import Confirmed
from crossdock.deliver.following import Next, Situation, after, after_search, crashed, resendable
from crossdock.kernel.faults import Fault
from crossdock.promises.difference import MOVABLE, Basis, Changes, Promised, Stage, difference
from crossdock.promises.obligations import Act, Obligation, Owed, State, Verb
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Evidence, Standing
from crossdock.settle import reading
from crossdock.settle.rules import owed
from crossdock.store.delivery import Claimed

ENTITY = "order:shop:1"
LEASE = timedelta(seconds=60)
MAX_TRAVEL = timedelta(seconds=90)
EFFECTS: dict[str, tuple[Effect, ...]] = {
    "psp": (
        Keyed(timedelta(hours=24)),
        Searchable(by="reference", visible_after=timedelta(seconds=30), max_travel=MAX_TRAVEL),
    ),
    "erp": (Searchable(by="reference", visible_after=timedelta(seconds=30), max_travel=MAX_TRAVEL),),
}
UNIQUE_KEY: tuple[Effect, ...] = (Keyed(),)
_CODE = b"code"
_EXPIRED_WAIT = timedelta(seconds=5)


class Said(NamedTuple):
    """A system's statement, as translation hands it on."""

    connection: str
    kind: str
    id: str
    token: int
    body: Any
    fact: str = ""


class Command(NamedTuple):
    """What a target is sent, the same on every resend."""

    key: str
    name: str
    target: str
    body: Any
    refs: Mapping[str, str]
    """label -> the promise whose thing it is, by name."""


@dataclass(slots=True)
class Row:
    """One promise with its place in the queue."""

    id: int
    owed: Owed
    ordinal: int
    first: int
    stage: Stage | None
    due: datetime | None
    blocked_on: str | None
    repair: bool = False
    last: int | None = None
    withdrawn: bool = False
    attempts: int = 0
    unclear: int = 0
    sealed_at: datetime | None = None
    fence: int = 0
    claimed: Stage | None = None
    """The stage it was in when the lane took it: what follows an outcome is judged from there."""

    @property
    def name(self) -> str:
        return self.owed.name

    @property
    def document(self) -> str:
        return self.owed.document or self.owed.name

    @property
    def key(self) -> str:
        return f"{ENTITY}/{self.owed.name}/{self.owed.cause.id}/{self.ordinal}"

    @property
    def has_seal(self) -> bool:
        return self.last == self.ordinal

    def command(self) -> Command:
        refs = {label: need.name for label, need in self.owed.needs.items()}
        return Command(self.key, self.owed.name, self.owed.to, self.owed.body, refs)

    def promised(self) -> Promised:
        sealed = self.last is not None and not self.withdrawn
        last = self.first - 1 if self.last is None else self.last
        until = self.owed.valid_until if isinstance(self.owed, Act) else None
        return Promised(
            self.id,
            self.owed.name,
            self.owed.to,
            self.owed.cause.id,
            self.owed.body,
            self.stage,
            sealed,
            last,
            until,
            tuple(_movements(self)),
            {label: need.key for label, need in self.owed.needs.items()},
        )


def _movements(row: Row) -> list[tuple[str, int, int]]:
    return [(w.account, w.amount, w.limit) for w in row.owed.within] if isinstance(row.owed, Act) else []


class Account:
    __slots__ = ("limit", "pending", "posted")

    def __init__(self, limit: int, posted: int = 0) -> None:
        self.limit, self.pending, self.posted = limit, 0, posted

    @property
    def left(self) -> int:
        return self.limit - self.pending - self.posted


class Hub:
    """One order's promises. `now` is the world's clock, moved by the driver."""

    def __init__(self, policy: Policy, now: datetime) -> None:
        self.policy, self.now, self._live_at = policy, now, now - timedelta(days=400)
        self.spent_elsewhere: Callable[[int], int] = lambda _: 0
        """What of a day's limit other orders' refunds take."""
        self.evidence: dict[tuple[str, str, str], Evidence] = {}
        self.rows: list[Row] = []
        self.receipts: dict[str, str] = {}
        self.written: dict[str, tuple[int, datetime, bytes | None, int, str]] = {}
        self.pins: dict[str, str] = {}
        self.accounts: dict[str, Account] = {}
        self.dirty = False
        self.settled_at: datetime | None = None
        self._code, self._settled_code = _CODE, _CODE
        self.obligations: list[Obligation] = []
        self.changes = Changes()
        self.cases: dict[int, str] = {}
        self.settles = self._ids = self._fences = 0

    # What is known

    def hear(self, said: Said) -> None:
        """Merge a statement: the higher version is kept, so that order and repetition make no difference."""
        at = (said.connection, said.kind, said.id)
        held, version = self.evidence.get(at), (1, said.token, 0)
        if held is not None and held.version >= version:
            return
        recorded = self.now if held is None else held.recorded_at
        fact = said.fact or f"{said.kind}:{said.connection}:{said.id}"
        gone = said.body is None
        self.evidence[at] = Evidence(
            said.connection, said.kind, said.id, fact, version, recorded, self.now, gone, said.body
        )
        self.dirty = True

    # What is promised

    def settle(self) -> Changes:
        """Work out what is owed and save the difference; answers it."""
        self.settles += 1
        promised = [row.promised() for row in self.rows]
        standing, book = self._read(promised)
        self.obligations = list(owed(standing, self.policy))
        settled_code = self._settled_code if self.settled_at else None
        awaited = (
            frozenset(each.name for each in self.changes.waits) if settled_code != self._code else frozenset[str]()
        )
        basis = Basis(self._code, self._live_at, settled_code, self.settled_at, {}, {}, awaited)
        self.changes = difference(self.obligations, book, basis, self.policy.drift, self.policy.repairs_max)
        self.dirty, self.settled_at, self._settled_code = False, self.now, self._code
        self._save(self.changes)
        return self.changes

    def deploy(self) -> None:
        """Rules of another version that say the same go live: they may withhold nothing."""
        self._code, self._live_at = self._code + b"'", self.now

    def standing(self) -> Standing:
        """Where the order stands now."""
        return self._read([row.promised() for row in self.rows])[0]

    def _read(self, promised: list[Promised]) -> Any:
        evidence = list(self.evidence.values())
        receipts: Any = [
            (ENTITY, name, noun, at, body, repairs, self.receipts[f"{ENTITY}/{name}"])
            for name, (_, at, body, repairs, noun) in self.written.items()
        ]
        pins: Any = [(ENTITY, name, value) for name, value in self.pins.items()]
        standing = reading.standing_of(ENTITY, evidence, promised, receipts, pins, self.now)
        return standing, reading.book_of(promised, receipts, evidence, {})

    def _save(self, changes: Changes) -> None:
        assert not changes.withheld, changes.withheld
        gone = {*changes.withdrawn, *(o.replaces for o in changes.opened if o.replaces is not None)}
        if gone:
            for row in [r for r in self.rows if r.id in gone]:
                self._withdraw(row)
        for opening in changes.opened:
            self._ids += 1
            needs = list(opening.owed.needs.values())
            blocked = needs[-1].key if needs and needs[-1].key not in self.receipts else None
            stage = Stage.BLOCKED if blocked else Stage.READY
            due = None if blocked else self.now
            self.rows.append(
                Row(self._ids, opening.owed, opening.ordinal, opening.ordinal, stage, due, blocked, opening.repair)
            )

    def _withdraw(self, row: Row) -> None:
        assert row.stage in MOVABLE, row
        self.cases.pop(row.id, None)
        if row.has_seal:
            self._move(row, pending=-1)
        if row.last is None:
            self.rows.remove(row)
        else:
            row.stage, row.due, row.withdrawn = None, None, True

    # What is sent

    def due(self) -> list[Row]:
        """What a lane may claim now."""
        return [
            row
            for row in self.rows
            if row.stage is not None
            and row.due is not None
            and row.due <= self.now
            and (row.stage != Stage.READY or not self.dirty)
        ]

    def next_due(self) -> datetime | None:
        return min((row.due for row in self.rows if row.stage is not None and row.due is not None), default=None)

    def claim(self, row: Row) -> None:
        self._fences += 1
        row.fence, row.due, row.claimed = self._fences, self.now + LEASE, row.stage

    def seal(self, row: Row) -> Command | None:
        """The command to send, sealed now or before; None when it is held."""
        if self._busy(row):
            row.due = self.now + timedelta(seconds=1)
            return None
        if not row.has_seal:
            unmet = next((n.key for n in row.owed.needs.values() if n.key not in self.receipts), None)
            if unmet is not None:
                row.stage, row.due, row.blocked_on = Stage.BLOCKED, None, unmet
                return None
            if not self._still_allowed(row) or not self._take(row):
                return None
            row.last, row.sealed_at = row.ordinal, self.now
            if isinstance(row.owed, Act):
                for name, value in row.owed.pins.items():
                    self.pins.setdefault(name, value)
        row.stage = Stage.CALLING
        return row.command()

    def _still_allowed(self, row: Row) -> bool:
        until = row.owed.valid_until if isinstance(row.owed, Act) else None
        if until is None or self.now < until:
            return True
        row.due, self.dirty = self.now + _EXPIRED_WAIT, True
        return False

    def _busy(self, row: Row) -> bool:
        under_way = (Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL)
        return any(
            other is not row
            and other.stage in under_way
            and other.owed.to == row.owed.to
            and other.document == row.document
            for other in self.rows
        )

    def _take(self, row: Row) -> bool:
        needed: Counter[str] = Counter()
        for name, amount, limit in _movements(row):
            if name not in self.accounts:
                self.accounts[name] = Account(limit, self.spent_elsewhere(limit) if name.startswith("refunds/") else 0)
            account = self.accounts[name]
            if account.limit != limit and limit >= account.pending + account.posted:
                account.limit = limit
            needed[name] += amount
        over = [name for name, amount in needed.items() if amount > self.accounts[name].left]
        if over:
            row.stage, row.due = Stage.CASE, None
            self.cases[row.id] = f"overdrawn:{over[0]}"
            return False
        self._move(row, pending=1)
        return True

    def _move(self, row: Row, *, pending: int = 0, posted: int = 0) -> None:
        for name, amount, _ in _movements(row):
            account = self.accounts[name]
            account.pending += pending * amount
            account.posted += posted * amount
            assert account.pending >= 0, (name, account.pending)

    # What came of it

    def confirm(self, row: Row, receipt: Confirmed) -> None:
        slot = f"{ENTITY}/{row.name}"
        self.receipts[slot] = receipt.id
        if row.stage is not None:
            row.stage, row.due = None, None
            self._move(row, pending=-1, posted=1)
            self.cases.pop(row.id, None)
        if isinstance(row.owed, State):
            self._wrote(row, receipt)
        elif isinstance(row.owed.body, PaymentCapture):
            self.written[row.name] = (row.id, self.now, None, 0, "payment_capture")
        for other in self.rows:
            if other.blocked_on == slot:
                other.stage, other.due, other.blocked_on = Stage.READY, self.now, None
        self._free(row)

    def _wrote(self, row: Row, receipt: Confirmed) -> None:
        held = self.written.get(row.name)
        if held is not None and held[0] > row.id:
            return
        body = row.owed.body if receipt.body is None else receipt.body
        repairs = (0 if held is None else held[3]) + 1 if row.repair else 0
        self.written[row.name] = (row.id, self.now, msgspec.json.encode(body), repairs, NAMES[type(row.owed.body)])
        answers_again = held is not None and isinstance(row.owed.body, ShipmentLines)
        self.dirty |= answers_again or body != row.owed.body

    def _free(self, row: Row) -> None:
        for other in self.rows:
            if other.stage == Stage.READY and other.document == row.document and other.due and other.due > self.now:
                other.due = self.now

    def failed(self, row: Row, fault: Fault) -> None:
        searched = row.claimed == Stage.DOUBTFUL
        situation = self.situation(row)
        self._follow(row, after_search(situation, fault) if searched else after(situation, fault))

    def not_found(self, row: Row) -> None:
        self._follow(row, after_search(self.situation(row), None))

    def lost(self, row: Row) -> None:
        """Its process went away before it recorded an answer."""
        self._follow(row, after(self.situation(row), crashed()))

    def resendable(self, row: Row) -> bool:
        """Asked before it is claimed, of the stage it is in."""
        row.claimed = row.stage
        return resendable(self.situation(row))

    def _follow(self, row: Row, then: Next) -> None:
        follow = then.follow
        if then.frees_accounts:
            self._move(row, pending=-1)
        row.stage = Stage(follow.stage)
        row.due = None if follow.wait_seconds is None else self.now + timedelta(seconds=follow.wait_seconds)
        row.attempts += follow.burnt
        row.unclear = follow.unclear
        row.ordinal += follow.bump
        row.blocked_on = follow.blocked_on
        if then.case is not None:
            self.cases[row.id] = then.case.cause
        if then.frees_accounts:
            self._free(row)
        self.dirty |= row.stage in MOVABLE

    def situation(self, row: Row) -> Situation:
        assert row.stage is not None
        stage = row.stage if row.claimed is None else row.claimed
        verb = Verb.ACT if isinstance(row.owed, Act) else Verb.STATE
        sealed = row.sealed_at if row.has_seal else None
        noun = NAMES[type(row.owed.body)]
        claimed = Claimed(
            row.id, ENTITY, int(stage), row.fence, row.attempts, row.ordinal, row.document, None, row.name,
            int(verb), noun, row.owed.cause.id, "[]", "{}", False, b"", row.key if sealed else None, sealed, b"{}",
            b"", None, None, self.now, None, 0, row.unclear,
        )  # fmt: skip
        return Situation(claimed, row.owed.to, EFFECTS.get(row.owed.to, UNIQUE_KEY), self.now, 0.5)
