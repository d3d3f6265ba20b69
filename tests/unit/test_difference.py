"""The difference between owed and promised: states compared three ways, acts never owed twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossdock.canonical.order import ErpAddress, OrderReference, PartyAccount
from crossdock.promises.difference import APPROVAL, Basis, Book, Changes, Promised, Stage, Written, difference
from crossdock.promises.obligations import Act, Obligation, Priority, State, Trouble, Wait
from crossdock.promises.standing import Fact
from tests.stage import ROSE, SAGE

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CODE = Basis(b"now", NOW - timedelta(days=1), None, None)
FACT = Fact("customer:shop:c1", "customer", "shop", NOW, NOW, None)


def account(name: str) -> PartyAccount:
    return PartyAccount(code="customer:shop:c1", name=name)


def state(name: str = "Ada") -> State:
    return State(name="party_account", to="erp", body=account(name), cause=FACT, by=NOW, priority=Priority.CUSTOMERS)


def act(body: Any = None, cause: Fact = FACT) -> Act:
    body = body or OrderReference(order="1")
    return Act(name="sale", to="erp", body=body, cause=cause, by=NOW, priority=Priority.ORDERS)


def refund(payment: str, amount: int) -> Act:
    body = OrderReference(order=f"{payment} {amount}")
    return replace(act(body), name=f"refund:order|{payment}:1", among="refund:order|")


def promised(
    body: Any, stage: Stage | None, *, id_: int = 1, sealed: bool = True, name: str = "party_account"
) -> Promised:
    return Promised(id_, name, "erp", FACT.id, body, stage, sealed, id_ if sealed else id_ - 1)


def compared(
    owed: Sequence[Obligation],
    promises: Sequence[Promised] = (),
    *,
    written: str | None = None,
    there: str | None = None,
    repairs: int = 0,
    drift: Mapping[str, str] | None = None,
    basis: Basis = CODE,
) -> Changes:
    book = Book(
        promises,
        {} if written is None else {"party_account": Written(account(written), repairs)},
        {} if there is None else {"party_account": account(there)},
    )
    return difference(owed, book, basis, drift or {}, repairs_max=3)


def opened(changes: Changes) -> list[Any]:
    return [opening.owed.body for opening in changes.opened]


NOTHING = Changes()


def test_a_state_never_written_is_written() -> None:
    assert opened(compared([state()])) == [account("Ada")]


def test_what_is_written_already_is_not_written_again() -> None:
    assert compared([state()], [promised(account("Ada"), None)], written="Ada") == NOTHING


def test_the_targets_echo_of_what_we_wrote_writes_nothing() -> None:
    assert compared([state()], [promised(account("Ada"), None)], written="Ada", there="Ada") == NOTHING


def test_sameness_is_judged_by_how_the_target_holds_a_value() -> None:
    book = Book(
        [promised(account("ada"), None)],
        {"party_account": Written(account("ADA"), 0)},
        normalise={("erp", "PartyAccount"): lambda body: account(body.name.upper())},
    )
    assert difference([state("ada")], book, CODE, {}, 3) == NOTHING


def test_a_value_changed_and_changed_back_before_it_was_sent_writes_nothing() -> None:
    changes = compared([state("A")], [promised(account("B"), Stage.READY, id_=2, sealed=False)], written="A")
    assert opened(changes) == []
    assert changes.withdrawn == (2,)


@pytest.mark.parametrize("stage", [Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL])
def test_a_value_changed_back_while_the_change_is_on_its_way_is_written_back(stage: Stage) -> None:
    assert opened(compared([state("A")], [promised(account("B"), stage)], written="A")) == [account("A")]


@pytest.mark.parametrize("stage", [Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL])
def test_a_later_change_is_replaced_while_an_earlier_one_is_on_its_way(stage: Stage) -> None:
    under_way = [promised(account("B"), stage), promised(account("C"), Stage.READY, id_=2, sealed=False)]
    changes = compared([state("A")], under_way, written="A")
    assert opened(changes) == [account("A")]
    assert changes.opened[0].replaces == 2
    back_to_what_is_on_its_way = compared([state("B")], under_way, written="A")
    assert opened(back_to_what_is_on_its_way) == []
    assert back_to_what_is_on_its_way.withdrawn == (2,)


def test_a_new_value_replaces_one_that_waits() -> None:
    for stage in (Stage.READY, Stage.BLOCKED, Stage.CASE):
        changes = compared([state("B")], [promised(account("A"), stage, sealed=False)])
        assert opened(changes) == [account("B")]
        assert changes.opened[0].replaces == 1
        assert changes.withdrawn == ()


def test_a_state_no_longer_owed_is_taken_back_unless_it_is_on_its_way() -> None:
    assert compared([], [promised(account("A"), Stage.READY)]).withdrawn == (1,)
    assert compared([], [promised(account("A"), Stage.CALLING)]) == NOTHING


def test_a_target_that_drifted_is_repaired_adopted_or_a_case_as_policy_says() -> None:
    done = [promised(account("Ada"), None)]
    repaired = compared([state()], done, written="Ada", there="Bob")
    assert opened(repaired) == [account("Ada")]
    assert repaired.opened[0].repair
    adopted = compared([state()], done, written="Ada", there="Bob", drift={"party_account": "adopt"})
    assert adopted == NOTHING
    case = compared([state()], done, written="Ada", there="Bob", drift={"party_account": "case"})
    assert opened(case) == []
    assert [trouble.cause for trouble in case.troubles] == ["drift:erp:party_account"]


def test_a_state_repaired_too_often_is_a_case() -> None:
    done = [promised(account("Ada"), None)]
    assert opened(compared([state()], done, written="Ada", there="Bob", repairs=2)) == [account("Ada")]
    fought_over = compared([state()], done, written="Ada", there="Bob", repairs=3)
    assert opened(fought_over) == []
    assert len(fought_over.troubles) == 1


def test_a_change_of_ours_is_no_repair_even_when_the_target_drifted_too() -> None:
    changes = compared([state("New")], [promised(account("Ada"), None)], written="Ada", there="Bob")
    assert opened(changes) == [account("New")]
    assert not changes.opened[0].repair


def test_a_target_that_holds_the_new_value_already_is_taken_at_its_word() -> None:
    changes = compared([state("New")], [promised(account("Ada"), None)], written="Ada", there="New")
    assert opened(changes) == []
    assert changes.adopted == (("party_account", account("New")),)


SENT = [None, Stage.CALLING, Stage.ACCEPTED, Stage.DOUBTFUL]


@pytest.mark.parametrize("stage", SENT)
@pytest.mark.parametrize("body", [OrderReference(order="1"), OrderReference(order="2")])
def test_an_act_that_was_ever_sent_is_never_owed_again_whatever_its_facts_say(stage: Stage | None, body: Any) -> None:
    assert compared([act(body)], [promised(OrderReference(order="1"), stage, name="sale")]) == NOTHING


@pytest.mark.parametrize("stage", SENT)
def test_an_act_that_was_ever_sent_is_not_taken_back_when_it_is_no_longer_owed(stage: Stage | None) -> None:
    assert compared([], [promised(OrderReference(order="1"), stage, name="sale")]) == NOTHING


@pytest.mark.parametrize("stage", [Stage.READY, Stage.BLOCKED, Stage.CASE])
@pytest.mark.parametrize("sealed", [True, False])
def test_an_act_nothing_was_done_about_follows_the_facts(stage: Stage, sealed: bool) -> None:
    held = promised(OrderReference(order="1"), stage, name="sale", sealed=sealed)
    assert compared([act()], [held]) == NOTHING
    changes = compared([act(OrderReference(order="2"))], [held])
    assert opened(changes) == [OrderReference(order="2")]
    assert changes.opened[0].replaces == 1
    assert changes.opened[0].ordinal == (2 if sealed else 1)
    assert compared([], [held]).withdrawn == (1,)


def test_an_act_that_was_taken_back_and_is_owed_again_is_a_new_act_under_a_new_key() -> None:
    withdrawn = Promised(1, "sale", "erp", FACT.id, OrderReference(order="1"), None, sealed=False, last_ordinal=1)
    changes = compared([act()], [withdrawn])
    assert changes.opened[0].ordinal == 2
    again = promised(OrderReference(order="1"), Stage.READY, id_=2, name="sale", sealed=False)
    assert compared([act()], [withdrawn, again]) == NOTHING


def test_new_code_owes_no_act_for_what_other_code_has_settled() -> None:
    settled = replace(CODE, settled_code=b"before", settled_at=NOW)
    changes = compared([act()], basis=settled)
    assert changes.withheld == ("sale",)
    assert opened(changes) == []
    later = replace(FACT, changed_at=NOW + timedelta(seconds=1))
    assert opened(compared([act(cause=later)], basis=settled)) == [OrderReference(order="1")]
    assert opened(compared([act()], basis=replace(settled, settled_code=b"now"))) == [OrderReference(order="1")]
    assert opened(compared([state()], basis=settled)) == [account("Ada")]


def test_what_was_withheld_stays_so_however_often_the_same_code_settles_it() -> None:
    again = replace(CODE, settled_code=b"now", settled_at=NOW, withheld={"sale": NOW})
    assert compared([act()], basis=again).withheld == ("sale",)
    later = replace(FACT, changed_at=NOW + timedelta(seconds=1))
    assert opened(compared([act(cause=later)], basis=again)) == [OrderReference(order="1")]


def test_an_amount_that_other_code_owed_is_split_anew_by_newer_code() -> None:
    settled = replace(CODE, settled_code=b"before", settled_at=NOW)
    first, second = refund("a", 1500), refund("b", 500)
    whole = promised(refund("a", 2000).body, Stage.READY, name=first.name, sealed=False)
    assert opened(compared([first, second], [whole], basis=settled)) == [first.body, second.body]
    assert opened(compared([second], basis=replace(settled, awaited=frozenset({f"{APPROVAL}{first.name}"})))) != []
    sent = promised(refund("a", 2000).body, None, name=first.name)
    assert compared([first, second], [sent], basis=settled).withheld == (second.name,)


def test_what_was_withheld_is_not_let_through_as_another_part_of_the_same_amount() -> None:
    again = replace(CODE, settled_code=b"now", settled_at=NOW, withheld={refund("a", 2000).name: NOW})
    assert compared([refund("b", 500)], basis=again).withheld == (refund("b", 500).name,)


def test_waits_and_troubles_are_told_and_open_nothing() -> None:
    wait = Wait(name="parcels", on="warehouse", what="3 units", until=NOW)
    trouble = Trouble(cause="odd", title="Odd", remedy="Look", detail="")
    assert compared([wait, trouble]) == Changes(waits=(wait,), troubles=(trouble,))


def test_two_states_of_one_entity_do_not_touch_each_other() -> None:
    address = State(
        name="erp_address", to="erp", body=ErpAddress(ship_to=ROSE), cause=FACT, by=NOW, priority=Priority.ORDERS
    )
    held = promised(ErpAddress(ship_to=SAGE), Stage.READY, id_=5, name="erp_address", sealed=False)
    changes = compared([state(), address], [held, promised(account("Ada"), None)], written="Ada")
    assert [(opening.owed.name, opening.replaces) for opening in changes.opened] == [("erp_address", 5)]
