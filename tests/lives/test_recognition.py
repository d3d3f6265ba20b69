"""When a sale is billed: the documents of each way differ in time, and their totals agree when all has left and arrived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.shipment import InvoicePosting
from crossdock.promises.obligations import Wait
from crossdock.promises.policy import Policy
from crossdock.promises.terms import Recognition
from crossdock.settle.statement import unexplained
from tests.lives.edits import Cell, Edited, Played
from tests.lives.hub import Hub
from tests.lives.living import Life
from tests.lives.oracle import Watch
from tests.lives.reality import BEGIN, Bringing, Coming

WAYS = ("ordered", "shipped", "delivered")
_ALL = 8927
"""The order of the grid."""


class Billed(Played):
    """The order of the grid, as it was placed, billed in one of the ways."""

    def __init__(self, *terms: Recognition) -> None:
        self._recognition = terms
        super().__init__(Cell("address", "posted"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.policy = msgspec.structs.replace(self.policy, recognition=self._recognition)
        self.reality = Edited("channel")
        self.hub, self.watch = Hub(self.policy, self.reality.now), Watch(self.reality, self.policy)
        self.rest()

    def rest(self) -> None:
        self.watch.look()
        self._to_rest()
        assert not self.watch.judge(self.hub)
        assert not list(unexplained(self.hub.standing(), self.policy, expects=bool(self.waits())))

    def leaves(self, units: dict[str, int] | None = None) -> None:
        assert self.reality.ship(units)
        self.rest()

    def arrives(self) -> None:
        while self.reality.a_parcel_arrives():
            pass
        self.rest()

    def later(self, days: int) -> None:
        self._pass(days * 24 * 60)
        self.rest()

    def under(self, policy: Policy) -> None:
        self.policy = self.hub.policy = policy
        self.hub.dirty = True
        self._to_rest()

    def waits(self) -> dict[str, str]:
        return {each.name: each.what for each in self.hub.obligations if isinstance(each, Wait)}

    def documents(self) -> list[tuple[str, int]]:
        return [(each.kind, each.total) for each in self.reality.erp.posted]


def _way(when: Any, **more: Any) -> Billed:
    return Billed(Recognition(when=when, **more))


def test_what_is_billed_as_it_leaves_is_the_rule_where_nothing_is_said() -> None:
    of = Billed()
    assert of.documents() == []
    of.leaves({"L1": 2})
    of.leaves()
    assert [kind for kind, _ in of.documents()] == ["invoice", "invoice"]
    assert of.billed == _ALL


def test_what_is_billed_as_it_is_ordered_is_one_invoice_before_anything_leaves() -> None:
    of = _way("ordered")
    assert of.documents() == [("invoice", _ALL)]
    of.leaves({"L1": 2})
    of.leaves()
    assert of.documents() == [("invoice", _ALL)]


def test_what_is_billed_as_it_is_ordered_is_credited_when_it_is_taken_off() -> None:
    of = _way("ordered")
    assert of.reality.edit("quantity down")
    of.rest()
    assert [kind for kind, _ in of.documents()] == ["invoice", "credit_memo"]
    assert of.billed == of.reality.basket.total == of.taken


def test_what_is_added_to_an_order_that_is_billed_as_it_is_ordered_is_billed_by_its_own_sale() -> None:
    of = _way("ordered")
    assert of.reality.edit("add line")
    of.rest()
    assert [kind for kind, _ in of.documents()] == ["invoice", "invoice"]
    assert of.billed == of.reality.basket.total


def test_what_is_billed_as_it_arrives_waits_for_that_and_takes_its_day() -> None:
    of = _way("delivered")
    of.leaves()
    assert of.documents() == []
    assert of.waits() == {"invoice:s1": "to say that parcel s1 has arrived, which is billed then"}
    of._pass(600)
    of.arrives()
    assert of.documents() == [("invoice", _ALL)]
    [day] = [each.command.body.invoice_date for each in of.steps if isinstance(each.command.body, InvoicePosting)]
    assert day == of.reality.arrived["s1"]
    assert of.waits() == {}


def test_a_parcel_nobody_saw_arrive_is_billed_when_it_must_have() -> None:
    of = _way("delivered", transit_days=4)
    of.leaves()
    of.later(3)
    assert of.documents() == []
    of.later(1)
    assert of.documents() == [("invoice", _ALL)]


def test_what_comes_back_had_arrived() -> None:
    of = _way("delivered")
    of.leaves()
    of.reality.bring_back_a_mug()
    of.rest()
    assert [kind for kind, _ in of.documents()] == ["invoice", "credit_memo"]
    assert of.billed == of.taken


@pytest.mark.parametrize("before", WAYS)
@pytest.mark.parametrize("after", WAYS)
def test_an_order_whose_sale_is_made_stays_as_it_was_whatever_the_policy_says_later(before: Any, after: Any) -> None:
    of, other = _way(before), _way(before)
    of.under(msgspec.structs.replace(of.policy, recognition=(Recognition(when=after),)))
    for each in (of, other):
        assert each.reality.ship()
        each._to_rest()
    assert of.documents() == other.documents()


def test_how_long_a_parcel_may_be_on_its_way_stays_as_it_was_too() -> None:
    of = _way("delivered", transit_days=10)
    of.leaves()
    of.under(msgspec.structs.replace(of.policy, recognition=(Recognition(when="shipped", transit_days=2),)))
    of._pass(3 * 24 * 60)
    of._to_rest()
    assert of.documents() == []
    of._pass(8 * 24 * 60)
    of._to_rest()
    assert [kind for kind, _ in of.documents()] == ["invoice"]


def test_a_parcel_that_nobody_saw_arrive_is_billed_under_the_day_it_must_have_whatever_came_back_of_others() -> None:
    of = _way("delivered", transit_days=10)
    of.leaves({"L1": 2})
    of.arrives()
    came = Coming(
        "R1", of.reality.now, [Bringing("1", "L1", "MUG", 1, 1, "sellable", keeps=False)], "closed", "refund", "till"
    )
    of.reality.returns.append(came)
    of.reality._say_return(came)
    of.rest()
    of.later(days=2)
    left = of.reality.now
    of.leaves()
    of.later(days=11)
    dates = [e.command.body.invoice_date for e in of.steps if isinstance(e.command.body, InvoicePosting)]
    assert dates[-1] == left + timedelta(days=10)


def test_the_terms_are_those_of_the_moment_the_order_was_placed() -> None:
    later = Recognition(when="shipped", since=BEGIN + timedelta(minutes=1))
    assert Billed(later, Recognition(when="ordered")).documents() == [("invoice", _ALL)]
    assert Billed(Recognition(when="ordered", since=later.since), Recognition()).documents() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", [20_000, 20_040])
def test_the_same_life_comes_to_the_same_money_in_every_way_once_all_has_arrived(first: int) -> None:
    """What differs is when: no cent more or less is billed, given back or kept."""
    compared = 0
    for seed in range(first, first + 40):
        ends: list[tuple[Any, ...]] = []
        for when in WAYS:
            life = Life(seed)
            life.hub.policy = life.policy = msgspec.structs.replace(
                life.policy, recognition=(Recognition(when=when),), tolerance_minor=0
            )
            life.watch = Watch(life.reality, life.policy)
            life.live()
            _everything_leaves_and_arrives(life)
            assert not life.watch.judge(life.hub), (seed, when)
            ends.append((when, sum(life.watch.billed().values()), life.watch.look()))
        compared += 1
        for _, billed, truth in ends:
            if truth.worth == truth.left_and_kept:  # nothing is left to come
                assert billed == truth.worth, (seed, ends)
    assert compared == 40


def _everything_leaves_and_arrives(life: Life) -> None:
    open_ = life.reality.warehouse.open()
    if open_:
        life.reality._leaves(open_)
        life._to_rest()
    while life.reality.a_parcel_arrives():
        pass
    life._to_rest()
