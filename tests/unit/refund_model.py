"""Every life of one order's refunds: an exhaustive model whose hub is the real code.

What is owed comes from `owed_for_order`, what changes from `difference`, what follows an outcome from `deliver.following`,
facts from `facts_of` and what is sealed from `settle.reading`. Around them only the rows of the store, the provider and
time are played. Time goes in ticks of a minute and is kept relative (how old, how long until), so that there are finitely
many states and none is cut off by a horizon. A request travels for at most one tick, a refund is found by search one tick
later at the latest, a call's lease is one tick, and the provider forgets keys after five.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.payment import Capture, Dispute, PaymentAuthorization, PaymentRefund, Refund
from crossdock.canonical.returns import Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connect.effects import Effect, Keyed, Searchable
from crossdock.deliver.following import Next, Situation, after, after_search, crashed, resendable
from crossdock.kernel.faults import Fault, Rejected, Unknown
from crossdock.kernel.money import usd
from crossdock.promises.difference import MOVABLE, Basis, Book, Promised, Stage, difference
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation, Trouble, Verb
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Evidence, Standing, facts_of
from crossdock.promises.terms import ReturnTerms
from crossdock.settle import reading
from crossdock.settle.rules import owed
from crossdock.store.delivery import Claimed

TICK = timedelta(minutes=1)
TRAVEL, VISIBLE, LEASE, WINDOW = 1, 1, 1, 5
KEYED = Keyed(WINDOW * TICK)
SEARCHABLE = Searchable(by="reference", visible_after=VISIBLE * TICK, max_travel=TRAVEL * TICK)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ENTITY = "order:shop:1"
POLICY = Policy(roles=Roles(payments="psp"), returns=(ReturnTerms(inspect=False),))
PRICE = 100
_OLD = WINDOW + 1
_BASIS = Basis(b"code", NOW - timedelta(days=99), None, None)
_UNDER_WAY = (Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL)


class Row(NamedTuple):
    """One promise; `act` is its place in the list of acts seen, `age` how long ago it was sealed."""

    act: int
    stage: Stage | None
    due: int | None
    first: int
    ordinal: int
    last: int | None = None
    age: int | None = None
    attempts: int = 0
    kept: bool = False
    again: bool = False
    """It was in doubt when the lane took it: what it sends now is not the first."""
    asks: bool = False
    """Somebody waits for the answer."""
    unclear: int = 0

    @property
    def sealed(self) -> bool:
        return self.last == self.ordinal


class Paid(NamedTuple):
    """One refund on the provider's ledger: under which key (none: a clerk's), how long ago."""

    key: str
    amount: int
    age: int


class State(NamedTuple):
    returned: int = 0
    rows: tuple[Row, ...] = ()
    wire: tuple[tuple[int, int, int], ...] = ()
    """(row, ordinal, age) of requests still travelling."""
    answers: tuple[tuple[int, int], ...] = ()
    """(row, refund) of answers still travelling."""
    paid: tuple[Paid, ...] = ()
    unheard: tuple[tuple[int, bool], ...] = ()
    """(refund, is the shop's echo)"""
    heard: frozenset[tuple[int, bool]] = frozenset()
    dirty: bool = True
    reading: tuple[Any, ...] | None = None
    """What settling has worked out and not saved yet, while the lane goes on."""
    troubled: bool = False
    losses: int = 0
    by_hand: int = 0
    failed: int = 0
    kept_failures: tuple[tuple[str, int], ...] = ()
    """(key, age) of failures that the provider repeats under their keys."""
    dispute: int = 0
    """0: none, 1: open, 2: won, 3: lost; plus 4 while the hub has not heard so."""


@dataclass(frozen=True)
class World:
    """What comes back when, what the target offers, and which safeguard is taken out."""

    worth: tuple[int, ...] = (0, 30, 50)
    """What all returns together entitle to, after each of them."""
    one_return: bool = False
    """The second comes as more units of the first, so that one cause is owed twice."""
    effects: Sequence[Effect] = (KEYED, SEARCHABLE)
    key_ticks: int | None = WINDOW
    """How long the provider remembers a key: None for ever."""
    losses: int = 1
    clerk: int = 0
    """What a clerk refunds by hand, at some moment."""
    chargeback: int = 0
    resendable: Callable[[Situation], bool] = resendable
    counts_sealed: bool = True
    echo_is_the_same_fact: bool = True
    key_of: Callable[[Row, Act], str] = lambda row, act: f"{ENTITY}/{act.name}/{act.cause.id}/{row.ordinal}"
    owed: Callable[[Standing, Policy], Iterable[Obligation]] = owed
    echoes: int = 1
    """Of how many refunds the shop tells, too."""
    failures: int = 0
    """How often the provider ends a refund in a 500, before or after paying it, and keeps that under its key."""
    marks_kept: bool = True
    """It says of an answer that it is the kept one."""
    after: Callable[[Situation, Any], Next] = after
    half_read: bool = False
    """Settling reads and saves in two steps, with lanes of other workers between them."""


class Verdict(NamedTuple):
    states: int
    resting: int
    over: list[str] | None
    """How the hub came to give back more than was owed, if there is a way."""
    wrong: list[str] | None
    """How it came to rest with something else than what is owed, and nobody told, if there is a way."""
    needless: list[str] | None
    """How it came to bother a person though all is right, if there is a way."""


@dataclass
class Model:
    world: World
    acts: list[Act] = field(default_factory=list[Act])
    _index: dict[tuple[str, bytes, str], int] = field(default_factory=dict[tuple[str, bytes, str], int])
    _worked_out: dict[Any, tuple[Any, ...]] = field(default_factory=dict[Any, tuple[Any, ...]])

    def explore(self, states_max: int = 1_000_000) -> Verdict:
        """Every state there is, breadth first, so that what is found is the shortest way to it."""
        begin = State()
        came: dict[State, tuple[State, str] | None] = {begin: None}
        queue, resting = deque([begin]), 0
        over = wrong = needless = None
        while queue:
            state = queue.popleft()
            if over is None and self._given_back(state) > self._owed(state):
                over = _way(came, state)
            steps = list(self._steps(state))
            if not any(must for _, _, must in steps):
                resting += 1
                wrong = wrong or (_way(came, state) if self._is_wrong(state) else None)
                needless = needless or (_way(came, state) if self._is_needless(state) else None)
            if over or wrong or needless:
                return Verdict(len(came), resting, over, wrong, needless)
            for step, to, _ in steps:
                following = self._forgetting(to)
                if following not in came:
                    came[following] = (state, step)
                    queue.append(following)
            assert len(came) < states_max, "the model has grown too large"
        return Verdict(len(came), resting, over, wrong, needless)

    def _forgetting(self, state: State) -> State:
        """The same without what can't matter any more: how old a refund is that nobody will ask for again."""
        if all(paid.age == _OLD for paid in state.paid) and not state.kept_failures:
            return state
        asking = {self._key(row) for row in state.rows if row.stage is not None}
        asking |= {self._key(state.rows[at]._replace(ordinal=ordinal)) for at, ordinal, _ in state.wire}
        paid = tuple(p if p.age == _OLD or p.key in asking else p._replace(age=_OLD) for p in state.paid)
        failures = tuple(each for each in state.kept_failures if each[0] in asking)
        return state._replace(paid=paid, kept_failures=failures)

    # Safety and exactness

    def _owed(self, state: State) -> int:
        return self.world.worth[state.returned]

    def _given_back(self, state: State) -> int:
        return sum(paid.amount for paid in state.paid if paid.key)

    def _is_wrong(self, state: State) -> bool:
        total = sum(paid.amount for paid in state.paid) + (self.world.chargeback if state.dispute == 3 else 0)
        lost_beyond = state.dispute == 3 and total > self._owed(state) >= self._given_back(state)
        return total != self._owed(state) and not lost_beyond and not self._told(state)

    def _is_needless(self, state: State) -> bool:
        plain = state.by_hand == 0 and state.dispute == 0
        return plain and self._told(state)

    def _told(self, state: State) -> bool:
        waiting = any(
            row.stage == Stage.CASE or (row.stage == Stage.DOUBTFUL and row.due is None) for row in state.rows
        )
        return state.troubled or waiting

    # Steps: what it is, where it leads, and whether it is bound to come

    def _steps(self, state: State) -> Iterator[tuple[str, State, bool]]:
        if state.returned < len(self.world.worth) - 1:
            yield "goods come back", state._replace(returned=state.returned + 1, dirty=True, reading=None), True
        yield from self._settling(state)
        for at, row in enumerate(state.rows):
            if row.stage is not None and row.due == 0 and (row.stage != Stage.READY or not state.dirty):
                yield from self._claimed(state, at, row)
        yield from self._provider(state)
        yield from self._messages(state)
        yield from self._people(state)
        if self._time_matters(state) and all(age < TRAVEL for _, _, age in state.wire):
            yield "a minute passes", _minute_later(state), True

    def _time_matters(self, state: State) -> bool:
        """Something is under way whose age counts. That the hub may be slow to begin changes nothing, so it isn't here."""
        if state.dirty or any(row.stage == Stage.READY and row.due == 0 and not row.sealed for row in state.rows):
            return False
        return bool(state.wire) or any(row.stage is not None and row.due is not None for row in state.rows)

    def _settling(self, state: State) -> Iterator[tuple[str, State, bool]]:
        if state.reading is not None:
            yield "settling saves", self._saved(state, state.reading), True
        elif state.dirty:
            found = self._work_out(state)
            if self.world.half_read:
                yield "settling reads", state._replace(reading=found), True
            else:
                yield "it is settled", self._saved(state, found), True

    def _saved(self, state: State, found: tuple[Any, ...]) -> State:
        opened, withdrawn, troubled = found
        gone = {at for at in withdrawn if state.rows[at].stage in MOVABLE}
        # A promise a call is under way for can't be replaced; its entity is looked at again when that is over.
        kept = bool(set(withdrawn) - gone)
        state = _without(state, gone)
        new = [
            Row(act, Stage.READY, 0, ordinal, ordinal)
            for act, ordinal, replaces in opened
            if replaces is None or replaces in gone
        ]
        return state._replace(rows=(*state.rows, *new), dirty=kept, reading=None, troubled=troubled)

    def _claimed(self, state: State, at: int, row: Row) -> Iterator[tuple[str, State, bool]]:
        situation = self._situation(row)
        if row.stage == Stage.DOUBTFUL:
            yield from self._searched(state, at, row, situation)
        elif row.stage == Stage.READY or self.world.resendable(self._situation(row._replace(again=True))):
            yield from self._sent(state, at, row)
        else:
            situation = self._situation(row._replace(again=True))
            yield (
                "nobody knows what came of it",
                self._followed(state, at, self.world.after(situation, crashed())),
                True,
            )

    def _sent(self, state: State, at: int, row: Row) -> Iterator[tuple[str, State, bool]]:
        document = self._document(row)
        for other, its in enumerate(state.rows):
            if other != at and its.stage in _UNDER_WAY and self._document(its) == document:
                yield "busy", _with(state, at, row._replace(due=1)), True
                return
        if not row.sealed:
            if self._overdrawn(state, row):
                yield "overdrawn", _with(state, at, row._replace(stage=Stage.CASE, due=None))._replace(dirty=True), True
                return
            row = row._replace(last=row.ordinal, age=0)
        row = row._replace(stage=Stage.CALLING, due=LEASE, again=row.stage == Stage.CALLING, asks=True)
        alone = _with(state, at, row)
        what = f"{self.acts[row.act].name} #{row.ordinal}"
        yield f"{what} is sent", alone._replace(wire=tuple(sorted({*state.wire, (at, row.ordinal, 0)}))), True
        if state.losses < self.world.losses:
            yield f"{what} is sealed, then the process dies", alone._replace(losses=state.losses + 1), False

    def _overdrawn(self, state: State, row: Row) -> bool:
        for within in self.acts[row.act].within:
            used = 0
            for other in state.rows:
                if other.kept or other.stage in _UNDER_WAY or (other.stage == Stage.READY and other.sealed):
                    used += sum(w.amount for w in self.acts[other.act].within if w.account == within.account)
            if used + within.amount > within.limit:
                return True
        return False

    def _searched(self, state: State, at: int, row: Row, situation: Situation) -> Iterator[tuple[str, State, bool]]:
        key = self._key(row)
        there = [n for n, paid in enumerate(state.paid) if paid.key == key]
        if there:
            yield "found", self._confirmed(state, at), True
        if not any(state.paid[n].age >= VISIBLE for n in there):
            yield "not found", self._followed(state, at, after_search(situation, None)), True

    def _provider(self, state: State) -> Iterator[tuple[str, State, bool]]:
        for at, ordinal, age in state.wire:
            wire = list(state.wire)
            wire.remove((at, ordinal, age))
            less = state._replace(wire=tuple(wire))
            yield from self._executed(less, at, ordinal)
            if state.losses < self.world.losses:
                lost = less._replace(losses=state.losses + 1)
                row = state.rows[at]
                yield "a request is lost", lost, False
                if row.asks and row.stage == Stage.CALLING and row.ordinal == ordinal:
                    gave_up = self._followed(
                        state._replace(losses=state.losses + 1),
                        at,
                        self.world.after(self._situation(row), Unknown("timeout")),
                    )
                    yield "it times out on its way", gave_up, False
        for at, refund in state.answers:
            answers = list(state.answers)
            answers.remove((at, refund))
            less = state._replace(answers=tuple(answers))
            yield f"answer: refund {refund}", self._confirmed(less, at), True
            row = state.rows[at]
            if state.losses < self.world.losses:
                lost = less._replace(losses=state.losses + 1)
                yield "an answer is lost with its process", lost, False
                if row.asks and row.stage == Stage.CALLING:
                    yield (
                        "an answer is lost",
                        self._followed(lost, at, self.world.after(self._situation(row), Unknown("cut"))),
                        False,
                    )

    def _executed(self, state: State, at: int, ordinal: int) -> Iterator[tuple[str, State, bool]]:
        row, act = state.rows[at], self.acts[state.rows[at].act]
        key, amount = self._key(row._replace(ordinal=ordinal)), act.body.amount.minor  # pyright: ignore
        for failing, age in state.kept_failures:
            if failing == key and (self.world.key_ticks is None or age < self.world.key_ticks):
                kept = Unknown("HTTP 500", kept=self.world.marks_kept)
                yield "the provider repeats its failure", self._answered(state, at, ordinal, kept), True
                return
        for refund, paid in enumerate(state.paid):
            if paid.key == key and (self.world.key_ticks is None or paid.age < self.world.key_ticks):
                yield (
                    "the provider replays",
                    state._replace(answers=tuple(sorted({*state.answers, (at, refund)}))),
                    True,
                )
                return
        if amount > self._left(state):
            yield "the provider refuses", self._answered(state, at, ordinal, Rejected("more than is left")), True
            return
        paid = (*state.paid, Paid(key, amount, 0))
        refund = len(state.paid)
        echo = ((refund, True),) if refund < self.world.echoes else ()
        told = tuple(sorted((*state.unheard, (refund, False), *echo)))
        answers = tuple(sorted({*state.answers, (at, refund)}))
        yield f"the provider PAYS {amount} ({key[-6:]})", state._replace(paid=paid, unheard=told, answers=answers), True
        if state.failed < self.world.failures:
            kept = tuple(sorted({*state.kept_failures, (key, 0)}))
            failed = state._replace(failed=state.failed + 1, kept_failures=kept)
            unknown = Unknown("HTTP 500")
            yield "the provider fails, and keeps that", self._answered(failed, at, ordinal, unknown), False
            failed = failed._replace(paid=paid, unheard=told)
            yield (
                f"the provider PAYS {amount} ({key[-6:]}), then fails, and keeps that",
                self._answered(failed, at, ordinal, unknown),
                False,
            )

    def _answered(self, state: State, at: int, ordinal: int, fault: Fault) -> State:
        """The answer of a request that came to nothing else, as far as somebody waits for it."""
        row = state.rows[at]
        if not (row.asks and row.stage == Stage.CALLING and row.ordinal == ordinal):
            return state
        return self._followed(state, at, self.world.after(self._situation(row), fault))

    def _left(self, state: State) -> int:
        held = self.world.chargeback if state.dispute % 4 in (1, 3) else 0
        return PRICE - held - sum(paid.amount for paid in state.paid)

    def _messages(self, state: State) -> Iterator[tuple[str, State, bool]]:
        for told in state.unheard:
            rest = tuple(each for each in state.unheard if each != told)
            heard = state._replace(unheard=rest, heard=state.heard | {told}, dirty=True, reading=None)
            yield f"{'the shop' if told[1] else 'the provider'} tells of refund {told[0]}", heard, True
        if state.dispute > 4:
            yield "the dispute is told", state._replace(dispute=state.dispute - 4, dirty=True, reading=None), True

    def _people(self, state: State) -> Iterator[tuple[str, State, bool]]:
        by_hand = self.world.clerk
        if by_hand and not state.by_hand and state.returned and self._left(state) >= by_hand:
            refund = len(state.paid)
            told = tuple(sorted((*state.unheard, (refund, False))))
            paid = (*state.paid, Paid("", by_hand, 0))
            yield f"a clerk refunds {by_hand}", state._replace(paid=paid, unheard=told, by_hand=1), False
        amount = self.world.chargeback
        if amount and state.dispute == 0 and self._left(state) >= amount:
            yield "a dispute is opened", state._replace(dispute=5), False
        if state.dispute == 1:
            yield "the dispute is won", state._replace(dispute=6), True
            yield "the dispute is lost", state._replace(dispute=7), True

    # What came of it

    def _confirmed(self, state: State, at: int) -> State:
        row = state.rows[at]
        if row.stage is None:
            return state
        rows = tuple(
            each._replace(due=0)
            if each.stage == Stage.READY and self._document(each) == self._document(row) and n != at
            else each
            for n, each in enumerate(state.rows)
        )
        return _with(
            state._replace(rows=rows),
            at,
            row._replace(stage=None, due=None, age=None, attempts=0, kept=True, again=False, asks=False, unclear=0),
        )

    def _followed(self, state: State, at: int, then: Next) -> State:
        row, follow = state.rows[at], then.follow
        due = None if follow.wait_seconds is None else -(-int(follow.wait_seconds) // 60)
        row = row._replace(
            stage=Stage(follow.stage),
            due=due,
            attempts=min(row.attempts + follow.burnt, 2),
            again=follow.stage == Stage.CALLING,
            asks=False,
            ordinal=row.ordinal + follow.bump,
            unclear=follow.unclear,
        )
        if row.stage not in MOVABLE:
            return _with(state, at, row)
        return _with(state, at, row)._replace(dirty=True, reading=None)

    def _situation(self, row: Row) -> Situation:
        act = self.acts[row.act]
        sealed = NOW - (row.age or 0) * TICK if row.sealed else None
        assert row.stage is not None
        first = row.stage == Stage.CALLING and not row.again
        stage = int(Stage.READY if first else row.stage)
        claimed = Claimed(
            1, ENTITY, stage, 1, row.attempts, row.ordinal, self._document(row), None, act.name, int(Verb.ACT),
            NAMES[type(act.body)], act.cause.id, "[]", "{}", False, b"", "key" if sealed else None, sealed, b"{}", b"",
            None, None, NOW, None, 0, row.unclear,
        )  # fmt: skip
        return Situation(claimed, "psp", self.world.effects, NOW, 0.5)

    def _document(self, row: Row) -> str:
        return self.acts[row.act].document or self.acts[row.act].name

    def _key(self, row: Row) -> str:
        return self.world.key_of(row, self.acts[row.act])

    # The pure core

    def _work_out(self, state: State) -> tuple[Any, ...]:
        """(opened, withdrawn, is somebody told) of the real rules; each standing is worked out once."""
        rows = tuple((row.act, row.stage, row.first, row.last, row.kept) for row in state.rows)
        refunds = tuple((paid.key, paid.amount) for paid in state.paid)
        known = (state.returned, rows, refunds, state.heard, state.dispute)
        if known not in self._worked_out:
            self._worked_out[known] = self._changes(state)
        return self._worked_out[known]

    def _changes(self, state: State) -> tuple[Any, ...]:
        promised = [self._promised(at, row) for at, row in enumerate(state.rows)]
        sealed = reading.sealed_of(promised, {})
        standing = Standing(ENTITY, facts_of(self._evidence(state)), NOW, sealed=sealed)
        if not self.world.counts_sealed:
            standing = replace(standing, sealed={})
            promised = [p if p.movable else replace(p, sealed=False, stage=None) for p in promised]
        obligations = [each for each in self.world.owed(standing, POLICY) if _about_money(each)]
        changes = difference(obligations, Book(promised), _BASIS, {}, 3)
        opened = tuple(
            (self._seen(o.owed), o.ordinal, None if o.replaces is None else o.replaces - 1)
            for o in changes.opened
            if isinstance(o.owed, Act)
        )
        told = bool(changes.troubles or changes.approvals)
        return (
            opened,
            tuple(sorted({w - 1 for w in changes.withdrawn} | {r for *_, r in opened if r is not None})),
            told,
        )

    def _promised(self, at: int, row: Row) -> Promised:
        act = self.acts[row.act]
        sealed = row.last is not None and not (row.stage is None and not row.kept)
        last = row.first - 1 if row.last is None else row.last
        within = tuple((each.account, each.amount, each.limit) for each in act.within)
        return Promised(
            at + 1,
            act.name,
            act.to,
            act.cause.id,
            act.body,
            row.stage,
            sealed,
            last,
            act.valid_until,
            within,
            {label: need.key for label, need in act.needs.items()},
        )

    def _seen(self, act: Act) -> int:
        at = (act.name, msgspec.json.encode(act.body), repr(act.within))
        if at not in self._index:
            self._index[at] = len(self.acts)
            self.acts.append(act)
        return self._index[at]

    def _evidence(self, state: State) -> list[Evidence]:
        said = [*_PLACED, *self._returns(state.returned)]
        for refund, is_echo in state.heard:
            paid = state.paid[refund]
            reference = "" if is_echo else paid.key
            body = Refund(id=f"re_{refund}", payment="pi_1", tender="card", amount=usd(paid.amount), status="succeeded",
                          refunded_at=NOW, reference=reference)  # fmt: skip
            where = "shop" if is_echo else "psp"
            fact = f"refund:psp:re_{refund}" if self.world.echo_is_the_same_fact else f"refund:{where}:re_{refund}"
            said.append(_evidence(where, "refund", f"re_{refund}", body, fact=fact))
        if state.dispute not in (0, 5):
            heard: Any = {2: "won", 3: "lost"}.get(state.dispute, "open")
            body = Dispute(id="dp", payment="pi_1", amount=usd(self.world.chargeback), status=heard, opened_at=NOW)
            said.append(_evidence("psp", "dispute", "dp", body))
        return said

    def _returns(self, returned: int) -> Iterator[Evidence]:
        """A line of a hundred units of a cent each: so many units are worth so many cents."""
        parts = [b - a for a, b in zip(self.world.worth, self.world.worth[1:], strict=False)][:returned]
        if self.world.one_return:
            parts = [sum(parts)] if parts else []
        for at, units in enumerate(parts):
            line = ReturnLine(
                id="1", line="L1", sku="MUG", units=units, received=units, disposition="sellable", location="EAST"
            )
            body = Return(id=f"R{at + 1}", returned_at=NOW, lines=(line,))
            yield _evidence("shop", "return", body.id, body, token=returned)


def _about_money(each: Obligation) -> bool:
    if isinstance(each, Act):
        return isinstance(each.body, PaymentRefund)
    return isinstance(each, Trouble | ApprovalNeeded)


def _evidence(connection: str, kind: str, id_: str, body: Any, *, fact: str = "", token: int = 1) -> Evidence:
    return Evidence(connection, kind, id_, fact or f"{kind}:{connection}:{id_}", (1, token, 0), NOW, NOW, False, body)


_LINE = OrderLine(id="L1", sku="MUG", title="Mug", ordered=PRICE, unit_price=usd(1))
_PLACED = [
    _evidence("shop", "order", "1", Order(id="1", number="#1", placed_at=NOW, currency="USD", lines=(_LINE,), total=usd(PRICE))),
    _evidence("psp", "payment", "pi_1", PaymentAuthorization(
        id="pi_1", tender="card", authorised=usd(PRICE), status="captured", authorised_at=NOW)),
    _evidence("psp", "capture", "ca_1", Capture(
        id="ca_1", payment="pi_1", tender="card", amount=usd(PRICE), captured_at=NOW)),
    _evidence("warehouse", "shipment", "s1", Shipment(id="s1", reference=ENTITY, location="EAST", shipped_at=NOW,
        lines=(ShipmentLine(line="L1", sku="MUG", units=PRICE),))),
]  # fmt: skip


def _without(state: State, gone: set[int]) -> State:
    """Promises that were taken back; those that had been sealed stay as history, for their ordinals are used up."""
    kept = [at for at, row in enumerate(state.rows) if at not in gone or row.last is not None]
    where = {at: n for n, at in enumerate(kept)}
    closed = {"stage": None, "due": None, "age": None, "attempts": 0, "again": False, "asks": False, "unclear": 0}
    return state._replace(
        rows=tuple(state.rows[at]._replace(**closed) if at in gone else state.rows[at] for at in kept),
        wire=tuple((where[at], ordinal, age) for at, ordinal, age in state.wire),
        answers=tuple((where[at], refund) for at, refund in state.answers),
    )


def _with(state: State, at: int, row: Row) -> State:
    return state._replace(rows=(*state.rows[:at], row, *state.rows[at + 1 :]))


def _minute_later(state: State) -> State:
    rows = tuple(
        row._replace(
            due=None if row.due is None else max(0, row.due - 1),
            age=None if row.age is None or row.stage is None else min(row.age + 1, _OLD),
        )
        for row in state.rows
    )
    paid = tuple(each._replace(age=min(each.age + 1, _OLD)) for each in state.paid)
    failures = tuple((key, min(age + 1, _OLD)) for key, age in state.kept_failures)
    wire = tuple((at, ordinal, age + 1) for at, ordinal, age in state.wire)
    return state._replace(rows=rows, wire=wire, paid=paid, kept_failures=failures)


def _way(came: Mapping[State, tuple[State, str] | None], state: State) -> list[str]:
    way: list[str] = []
    at = came[state]
    while at is not None:
        before, step = at
        way.append(step)
        at = came[before]
    return way[::-1]
