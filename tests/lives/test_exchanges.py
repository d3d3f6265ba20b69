"""New goods for what comes back, promise by promise, in a world without any chance in it; and in lives full of exchanges."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crossdock.canonical.order import SalesOrder
from crossdock.canonical.payment import PaymentCapture
from crossdock.promises.obligations import Wait
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.terms import ReturnTerms
from crossdock.settle.statement import unexplained
from tests.lives.edits import Cell, Edited, Played
from tests.lives.goods import NewGoods
from tests.lives.hub import Hub
from tests.lives.living import Life
from tests.lives.oracle import Watch
from tests.lives.reality import Bringing, Coming

_LIVES = range(200)
_MUG = 1046
"""What the last of three mugs at 9.99 less 1.00 comes to, taxed at 8.25 %."""


class Swapped(Played):
    """The order of the grid, all of which has left; then its buyer wants another mug for one of them."""

    def __init__(self, *, taking: Any = "channel", **terms: Any) -> None:
        self._terms = ReturnTerms(**terms)
        super().__init__(Cell("address", "invoiced", taking))

    def __post_init__(self) -> None:
        super().__post_init__()
        roles = Roles(erp="erp", warehouse="warehouse", payments="psp")
        self.policy = Policy(roles=roles, returns=(self._terms,), capture_when=self.cell.taking, tolerance_minor=0)
        self.reality = Edited(self.cell.taking)
        self.hub, self.watch = Hub(self.policy, self.reality.now), Watch(self.reality, self.policy)
        self._to_moment()

    def wants(self, price: int, *, units: int = 1, rates: tuple[str, ...] = ("0.0825",)) -> Coming:
        """A mug is announced to come back, and so many others of a price are to leave for it."""
        line = Bringing("1", "L1", "MUG", 1, 0, None, keeps=False)
        came = Coming(f"R{len(self.reality.returns) + 1}", self.reality.now, [line], "authorised", "exchange", "desk")
        came.new = [NewGoods(f"{came.id}+1", "MUG-BLUE", units, units, price, rates)]
        self.reality.returns.append(came)
        self.say(came)
        return came

    def hands_in(self, came: Coming) -> None:
        for line in came.lines:
            line.received, line.disposition = line.units, "sellable"
        came.status = "closed"
        self.say(came)

    def say(self, came: Coming) -> None:
        self.reality._say_return(came)
        self.rest()

    def rest(self) -> None:
        self.watch.look()
        self._to_rest()
        assert not self.watch.judge(self.hub)
        assert not list(unexplained(self.hub.standing(), self.policy, expects=bool(self.told_waits())))

    def later(self, **by: Any) -> None:
        self._pass(int(timedelta(**by).total_seconds() // 60))
        self.rest()

    def leaves(self, units: dict[str, int] | None = None) -> None:
        assert self.reality.ship(units)
        self.rest()

    def open(self) -> dict[str, int]:
        return self.reality.warehouse.open()

    def told_waits(self) -> dict[str, str]:
        return {each.name: each.what for each in self.hub.obligations if isinstance(each, Wait)}

    def cases(self) -> set[str]:
        return {each.cause.partition(":")[0] for each in self.hub.changes.troubles}

    def refunds(self) -> list[int]:
        return [entry.amount for entry in self.reality.psp.refunds.values()]

    def documents(self) -> list[tuple[str, int]]:
        return [(each.kind, each.total) for each in self.reality.erp.posted]


def test_an_even_exchange_moves_goods_and_no_money_and_the_erp_credits_one_and_bills_the_other() -> None:
    of = Swapped()
    sold = of.documents()
    came = of.wants(_MUG - 80)  # 9.66 and 0.80 of tax
    assert (of.open(), of.refunds()) == ({}, [])
    of.hands_in(came)
    assert of.open() == {"R1+1": 1}
    of.leaves()
    assert of.refunds() == []
    assert of.documents()[len(sold) :] == [("credit_memo", _MUG), ("invoice", _MUG)]
    assert (of.cases(), of.told_waits()) == (set(), {})


def test_what_left_in_exchange_is_a_sale_of_its_own_and_its_shop_is_told_nothing_of_it() -> None:
    of = Swapped()
    of.hands_in(of.wants(_MUG - 80))
    of.leaves()
    sales = [step.command for step in of.steps if isinstance(step.command.body, SalesOrder)]
    [further] = [each.body for each in sales if each.body.part == 2]
    assert [(line.sku, line.ordered, line.replaces) for line in further.order.lines] == [("MUG-BLUE", 1, "R1")]
    assert "fulfilment:s2" not in {row.name for row in of.hub.rows}


def test_new_goods_leave_at_once_where_the_terms_trust_the_buyer() -> None:
    of = Swapped(exchange_ships="announced")
    came = of.wants(_MUG - 80)
    assert of.open() == {"R1+1": 1}
    of.leaves()
    assert (of.refunds(), of.cases(), set(of.told_waits())) == ([], set(), {"goods_back:return:desk:R1"})
    of.hands_in(came)
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_dearer_goods_wait_until_the_difference_is_paid_and_leave_then() -> None:
    of = Swapped()
    of.hands_in(of.wants(2000, rates=()))
    assert of.open() == {}
    assert of.told_waits()["difference:return:desk:R1"] == "to collect 9.54 USD for the new goods of return R1"
    of.reality.pay(2000 - _MUG)
    of.rest()
    assert of.open() == {"R1+1": 1}
    of.leaves()
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_dearer_goods_leave_while_the_difference_is_owed_where_the_terms_let_them() -> None:
    of = Swapped(exchange_dearer="owed")
    of.hands_in(of.wants(2000, rates=()))
    assert of.open() == {"R1+1": 1}
    of.leaves()
    assert of.told_waits() == {"difference:return:desk:R1": "to collect 9.54 USD for the new goods of return R1"}
    assert of.cases() == {"new_goods_unpaid"}
    of.reality.pay(2000 - _MUG)
    of.rest()
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_what_cheaper_goods_leave_over_goes_back_once() -> None:
    of = Swapped()
    of.hands_in(of.wants(500, rates=()))
    of.leaves()
    of.later(days=40)
    assert of.refunds() == [_MUG - 500]


def test_what_is_left_over_stays_in_the_house_where_the_terms_say_so() -> None:
    of = Swapped(exchange_rest="store_credit")
    of.hands_in(of.wants(500, rates=()))
    of.leaves()
    assert of.refunds() == []
    assert list(of.reality.channel.credits.values()) == [_MUG - 500]


@pytest.mark.parametrize(("rest", "refunds", "credits"), [("refund", [_MUG], []), ("store_credit", [], [_MUG])])
def test_new_goods_that_run_short_are_paid_back_as_the_terms_say(
    rest: str, refunds: list[int], credits: list[int]
) -> None:
    of = Swapped(exchange_rest=rest)
    came = of.wants(_MUG - 80)
    of.hands_in(came)
    came.new[0].given_up = 1
    of.say(came)
    assert (of.open(), of.refunds(), list(of.reality.channel.credits.values())) == ({}, refunds, credits)
    of.later(days=40)
    assert of.refunds() == refunds


def test_nothing_goes_back_for_new_goods_that_the_warehouse_has_picked() -> None:
    of = Swapped()
    came = of.wants(_MUG - 80)
    of.hands_in(came)
    of.reality.warehouse.picks = lambda: True
    came.new[0].given_up = 1
    of.say(came)
    assert of.refunds() == []
    assert any(name.startswith("refund:") for name in of.told_waits())
    of.leaves()
    assert of.refunds() == []


def test_what_was_paid_for_dearer_goods_stays_too_while_the_warehouse_may_send_them() -> None:
    of = Swapped()
    came = of.wants(2000, rates=())
    of.hands_in(came)
    of.reality.pay(2000 - _MUG)
    of.rest()
    of.reality.warehouse.picks = lambda: True
    came.new[0].given_up = 1
    of.say(came)
    assert of.refunds() == []
    assert any(name.startswith("refund:order") for name in of.told_waits())
    of.leaves()
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_new_goods_that_never_leave_are_given_up_after_a_while() -> None:
    of = Swapped(exchange_days=20)
    of.hands_in(of.wants(_MUG - 80))
    of.later(days=21)
    assert (of.open(), of.refunds()) == ({}, [_MUG])


def test_goods_that_never_come_back_are_owed_by_their_buyer_until_they_do() -> None:
    of = Swapped(exchange_ships="announced", window_days=90)
    came = of.wants(_MUG - 80)
    of.leaves()
    of.later(days=15)
    assert of.cases() == {"new_goods_unpaid"}
    assert of.told_waits()["difference:return:desk:R1"] == "to collect 10.46 USD for the new goods of return R1"
    of.hands_in(came)
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_an_exchange_that_is_called_off_before_anything_left_leaves_nothing_behind() -> None:
    of = Swapped(exchange_ships="announced")
    came = of.wants(_MUG - 80)
    came.status = "cancelled"
    of.say(came)
    assert (of.open(), of.refunds(), of.cases(), of.told_waits()) == ({}, [], set(), {})


def test_new_goods_can_be_returned_for_what_they_cost() -> None:
    of = Swapped()
    of.hands_in(of.wants(2000, rates=()))
    of.reality.pay(2000 - _MUG)
    of.rest()
    of.leaves()
    line = Bringing("1", "R1+1", "MUG-BLUE", 1, 1, "sellable", keeps=False)
    again = Coming("R2", of.reality.now, [line], "closed", "refund", "desk")
    of.reality.returns.append(again)
    of.say(again)
    assert sum(of.refunds()) == 2000
    assert (of.cases(), of.told_waits()) == (set(), {})


def test_new_goods_can_be_exchanged_again() -> None:
    of = Swapped()
    of.hands_in(of.wants(_MUG - 80))
    of.leaves()
    line = Bringing("1", "R1+1", "MUG-BLUE", 1, 1, "sellable", keeps=False)
    again = Coming("R2", of.reality.now, [line], "closed", "exchange", "desk")
    again.new = [NewGoods("R2+1", "MUG-RED", 1, 1, _MUG - 80, ("0.0825",))]
    of.reality.returns.append(again)
    of.say(again)
    assert of.open() == {"R2+1": 1}
    of.leaves()
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_where_the_hub_takes_the_money_only_the_difference_is_taken() -> None:
    of = Swapped(taking="shipped")
    taken = of.taken
    of.hands_in(of.wants(2000, rates=()))
    assert of.open() == {}
    of.reality.pay(2000 - _MUG)
    of.rest()
    of.leaves()
    captures = [step.command.body for step in of.steps if isinstance(step.command.body, PaymentCapture)]
    assert captures[-1].amount.minor == of.taken - taken == 2000 - _MUG
    assert (of.refunds(), of.cases(), of.told_waits()) == ([], set(), {})


def test_what_a_till_paid_out_for_a_return_does_not_pay_for_new_goods_as_well() -> None:
    of = Swapped()
    came = of.wants(_MUG - 80)
    of.reality.psp.refund("pi_1", _MUG, for_return=came.id)
    of.hands_in(came)
    assert of.open() == {}
    assert of.told_waits()["difference:return:desk:R1"] == "to collect 10.46 USD for the new goods of return R1"


# --- lives full of exchanges -------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", _LIVES[::50])
def test_every_cent_of_a_life_of_exchanges_is_where_the_accountant_expects_it(first: int) -> None:
    found: list[str] = []
    for seed in range(first, first + 50):
        life = Life(seed, swaps=True).live()
        found.extend(f"seed {seed}: {complaint}" for complaint in life.watch.judge(life.hub))
        said = bool(life.hub.changes.waits or life.hub.changes.troubles or life.hub.cases)
        odd = unexplained(life.hub.standing(), life.policy, expects=said)
        found.extend(f"seed {seed}: {question} {what}" for question, what in odd if question != "Q1")
    assert not found, "\n".join(found[:5])


def test_lives_of_exchanges_hold_every_end_that_one_can_come_to() -> None:
    lives = [Life(seed, swaps=True).live() for seed in range(80)]
    ends: dict[str, Callable[[Life], bool]] = {
        "left": lambda life: any(life.reality.warehouse.left[n.id] for c in life.reality.returns for n in c.new),
        "given up": lambda life: any(n.given_up for c in life.reality.returns for n in c.new),
        "lent": lambda life: life.watch.look().lent > 0,
        "again": lambda life: any("+" in b.line for c in life.reality.returns for b in c.lines),
    }
    rare = {end: count for end, is_so in ends.items() if (count := sum(map(is_so, lives))) < 3}
    assert not rare
