"""Any interleaving of changed facts, settling, sealing and outcomes: once for acts, eventually for states."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crossdock.canonical.order import OrderReference
from crossdock.promises.difference import MOVABLE, Basis, Book, Promised, Stage, Written, difference
from crossdock.promises.obligations import Act, Obligation, Priority, State
from crossdock.promises.standing import Fact

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BASIS = Basis(b"now", NOW - timedelta(days=1), None, None)


def body(value: int) -> OrderReference:
    return OrderReference(order=str(value))


@dataclass
class Kept:
    """A promise as the store keeps it; `ordinal` is the next seal's."""

    promised: Promised
    ordinal: int
    verb: type
    confirmed: bool = False


class Settling(RuleBasedStateMachine):
    """One entity with an act and a state. The store's part is played as its statements do it."""

    def __init__(self) -> None:
        super().__init__()
        self.desired, self.owed = 0, True
        self.kept: list[Kept] = []
        self.written: OrderReference | None = None
        self.written_by = 0
        self.target: OrderReference | None = None
        self.effects: Counter[str] = Counter()
        self.dirty = True
        self.clock = 0
        self.next_id = 0

    def _obligations(self) -> list[Obligation]:
        at = NOW + timedelta(seconds=self.clock)
        fact = Fact("order:shop:1", "order", "shop", NOW, at, None)
        given: Any = {"to": "erp", "body": body(self.desired), "cause": fact, "by": NOW, "priority": Priority.ORDERS}
        return [State(name="address", **given), *([Act(name="sale", **given)] if self.owed else [])]

    def _open(self) -> list[Kept]:
        return [each for each in self.kept if each.promised.stage is not None]

    @rule(value=st.integers(0, 1), owed=st.booleans())
    def the_facts_change(self, value: int, owed: bool) -> None:
        self.clock += 1
        self.desired, self.owed, self.dirty = value, owed, True

    @rule()
    def it_is_settled(self) -> None:
        written = {} if self.written is None else {"address": Written(self.written, 0)}
        book = Book([each.promised for each in self.kept], written)
        changes = difference(self._obligations(), book, BASIS, {}, 3)
        gone = {*changes.withdrawn, *(o.replaces for o in changes.opened if o.replaces)}
        for each in self.kept:
            if each.promised.id in gone:
                assert each.promised.stage in MOVABLE
                each.promised = replace(each.promised, stage=None, sealed=False)
        for opening in changes.opened:
            self.next_id += 1
            owed = opening.owed
            kept = Promised(
                self.next_id, owed.name, "erp", "order:shop:1", owed.body, Stage.READY, False, opening.ordinal - 1
            )
            self.kept.append(Kept(kept, opening.ordinal, type(owed)))
        self.dirty = False

    def _callable(self) -> list[Kept]:
        """What a lane may send: ready ones of settled entities whose document has no unresolved act."""
        busy = {e.promised.name for e in self._open() if e.promised.stage not in MOVABLE}
        return [
            e
            for e in self._open()
            if e.promised.stage == Stage.READY and e.promised.name not in busy and not self.dirty
        ]

    @precondition(lambda self: self._callable())
    @rule(data=st.data())
    def one_is_sealed(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self._callable()))
        chosen.promised = replace(
            chosen.promised,
            stage=Stage.CALLING,
            sealed=True,
            last_ordinal=max(chosen.ordinal, chosen.promised.last_ordinal),
        )

    def _unresolved(self) -> list[Kept]:
        return [each for each in self._open() if each.promised.stage in (Stage.CALLING, Stage.DOUBTFUL)]

    @precondition(lambda self: self._unresolved())
    @rule(data=st.data())
    def one_is_confirmed(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self._unresolved()))
        chosen.promised = replace(chosen.promised, stage=None)
        chosen.confirmed = True
        if chosen.verb is State:
            self.target = chosen.promised.body
            if chosen.promised.id >= self.written_by:
                self.written, self.written_by = chosen.promised.body, chosen.promised.id
        else:
            self.effects[chosen.promised.name] += 1

    @precondition(lambda self: self._unresolved())
    @rule(data=st.data(), stage=st.sampled_from([Stage.READY, Stage.CASE, Stage.BLOCKED]))
    def one_is_known_not_to_have_happened(self, data: st.DataObject, stage: Stage) -> None:
        """Refused, not found, or never sent: it may be replaced again, so its entity is settled again."""
        chosen = data.draw(st.sampled_from(self._unresolved()))
        chosen.promised = replace(chosen.promised, stage=stage)
        if stage != Stage.READY:
            chosen.ordinal += 1
        self.dirty = True

    @precondition(lambda self: self._unresolved())
    @rule(data=st.data())
    def one_is_in_doubt(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self._unresolved()))
        chosen.promised = replace(chosen.promised, stage=Stage.DOUBTFUL)

    @precondition(lambda self: any(e.promised.stage in (Stage.CASE, Stage.BLOCKED) for e in self._open()))
    @rule()
    def people_let_them_try_again(self) -> None:
        for each in self._open():
            if each.promised.stage in (Stage.CASE, Stage.BLOCKED):
                each.promised = replace(each.promised, stage=Stage.READY)

    @invariant()
    def an_act_happens_once(self) -> None:
        assert self.effects["sale"] <= 1
        acts = [e for e in self.kept if e.verb is Act]
        assert sum(e.confirmed or (e.promised.stage in (Stage.CALLING, Stage.DOUBTFUL)) for e in acts) <= 1

    @invariant()
    def one_document_has_one_unresolved_promise(self) -> None:
        assert all(count == 1 for count in Counter(e.promised.name for e in self._unresolved()).values())

    @invariant()
    def no_key_is_used_twice(self) -> None:
        keys = Counter((e.promised.name, e.ordinal) for e in self._open())
        sealed = [(e.promised.name, e.promised.last_ordinal) for e in self.kept if e.promised.sealed]
        assert all(count == 1 for count in Counter(sealed).values())
        assert self.dirty or all(count == 1 for count in keys.values())

    def teardown(self) -> None:
        """Left alone, with a target that answers, the desired state is written and an owed act is done."""
        for _ in range(20):
            if self.dirty:  # nobody looks again without a reason
                self.it_is_settled()
            self.people_let_them_try_again()
            for each in self._unresolved() or self._callable()[:1]:
                each.promised = replace(each.promised, stage=None, sealed=True, last_ordinal=each.ordinal)
                each.confirmed = True
                if each.verb is State:
                    self.target = each.promised.body
                    if each.promised.id >= self.written_by:
                        self.written, self.written_by = each.promised.body, each.promised.id
                else:
                    self.effects[each.promised.name] += 1
        assert self.target == body(self.desired)
        assert self.effects["sale"] <= 1
        assert not self.owed or self.effects["sale"] == 1
        assert not self._open()


Settling.TestCase.settings = settings(max_examples=500, stateful_step_count=25, deadline=None)
TestSettling = Settling.TestCase
