"""What follows an outcome: every effect class against every outcome, at every stage a call can be made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from crossdock.connect.effects import Blind, Effect, Keyed, Searchable
from crossdock.connect.receipts import Accepted, Partial
from crossdock.deliver.following import (
    ATTEMPTS_MAX,
    KEY_MARGIN,
    KEY_WINDOW_SHARE,
    UNCLEAR_MAX,
    Situation,
    after,
    after_search,
    crashed,
    key_holds,
    resendable,
)
from crossdock.kernel.faults import Absent, Fault, Missing, Refused, Rejected, Throttled, Transient, Unknown
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.delivery import Claimed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOREVER = Keyed()
YOUNG, OLD = Keyed(2 * HOUR), Keyed(HOUR / 2)
"""The promises of these tests were sealed an hour ago: the first key still holds, the second doesn't."""
SEARCH = Searchable(by="reference", visible_after=timedelta(seconds=20), max_travel=timedelta(seconds=40))


def claimed(stage: Stage = Stage.READY, verb: Verb = Verb.ACT, attempts: int = 0) -> Claimed:
    sealed = None if stage == Stage.READY else "order:shop:1/sale/order:shop:1/1"
    return Claimed(
        7, "order:shop:1", int(stage), 3, attempts, 1, "sale", None, "sale", int(verb), "sales_order", "order:shop:1",
        "[]", "{}", False, b"{}", sealed, NOW - HOUR, b"{}", b"", None, None, NOW,
    )  # fmt: skip


def situation(
    effects: Sequence[Effect],
    stage: Stage = Stage.READY,
    verb: Verb = Verb.ACT,
    attempts: int = 0,
    *,
    searches: int = 0,
    unclear: int = 0,
) -> Situation:
    taken = claimed(stage, verb, attempts)._replace(searches=searches, unclear=unclear)
    return Situation(taken, "erp", tuple(effects), NOW, 0.5)


EVERY_EFFECT: list[tuple[Effect, ...]] = [
    (),
    (FOREVER,),
    (YOUNG,),
    (OLD,),
    (SEARCH,),
    (Blind(),),
    (YOUNG, SEARCH),
    (OLD, SEARCH),
    (OLD, Blind()),
    (YOUNG, Blind()),
]
KEY_HOLDS = [(FOREVER,), (YOUNG,), (YOUNG, SEARCH), (YOUNG, Blind())]
SEARCHED = [(SEARCH,), (OLD, SEARCH)]


@pytest.mark.parametrize("effects", EVERY_EFFECT)
@pytest.mark.parametrize("stage", [Stage.READY, Stage.CALLING, Stage.ACCEPTED])
@pytest.mark.parametrize("fault", [Unknown("timeout"), Unknown("cut", outage=True), crashed()])
def test_an_unknown_outcome_is_resent_under_a_held_key_or_searched_for_or_a_persons_to_find_out(
    effects: tuple[Effect, ...], stage: Stage, fault: Fault
) -> None:
    follows = after(situation(effects, stage), fault)
    if effects in KEY_HOLDS:
        assert follows.follow.stage == Stage.CALLING
        assert follows.follow.wait_seconds is not None
        assert follows.case is None
    elif effects in SEARCHED:
        assert follows.follow.stage == Stage.DOUBTFUL
        assert follows.follow.wait_seconds == 60.0
        assert follows.case is None
    else:
        assert follows.follow.stage == Stage.DOUBTFUL
        assert follows.follow.wait_seconds is None
        assert follows.case is not None
        assert follows.case.kind == "doubt"
    assert not follows.frees_accounts
    assert not follows.follow.bump


@pytest.mark.parametrize("effects", [(YOUNG,), (OLD,), (YOUNG, SEARCH), (OLD, SEARCH)])
def test_the_key_of_an_act_that_was_sealed_in_this_round_holds_when_its_first_answer_is_lost(
    effects: tuple[Effect, ...],
) -> None:
    taken = claimed()._replace(key=None, sealed_at=None, refs=None, sealed_digest=None)
    follows = after(Situation(taken, "psp", effects, NOW, 0.5), Unknown("cut", outage=True))
    assert (follows.follow.stage, follows.case) == (Stage.CALLING, None)
    assert follows.follow.wait_seconds is not None
    assert follows.follow.wait_seconds < 1


@pytest.mark.parametrize("effects", EVERY_EFFECT)
@pytest.mark.parametrize("stage", [Stage.READY, Stage.CALLING, Stage.ACCEPTED])
@pytest.mark.parametrize(
    "fault", [Transient("no"), Transient("no", outage=True), Throttled("slow down", retry_after_seconds=7)]
)
def test_a_call_that_did_nothing_leaves_a_promise_where_it_was(
    effects: tuple[Effect, ...], stage: Stage, fault: Fault
) -> None:
    follows = after(situation(effects, stage), fault)
    assert follows.follow.stage == stage
    assert follows.follow.wait_seconds is not None
    assert not follows.follow.bump
    assert not follows.frees_accounts
    assert follows.case is None
    assert follows.follow.burnt == (type(fault) is Transient and not fault.outage)


@pytest.mark.parametrize("stage", [Stage.READY, Stage.CALLING, Stage.ACCEPTED])
def test_refused_credentials_brake_the_lane_and_burn_nothing(stage: Stage) -> None:
    follows = after(situation((FOREVER,), stage), Refused("401"))
    assert follows.follow.stage == stage
    assert follows.brake is not None
    assert follows.brake.kind == "refused"
    assert not follows.follow.burnt


@pytest.mark.parametrize("effects", EVERY_EFFECT)
@pytest.mark.parametrize("stage", [Stage.READY, Stage.ACCEPTED])
def test_a_rejected_act_becomes_a_case_and_its_next_seal_a_new_act(effects: tuple[Effect, ...], stage: Stage) -> None:
    follows = after(situation(effects, stage), Rejected("bad lines", field="lines"))
    assert follows.follow.stage == Stage.CASE
    assert follows.follow.bump
    assert follows.frees_accounts
    assert follows.case is not None
    assert follows.case.cause == "rejected:erp:sales_order:lines"


@pytest.mark.parametrize("effects", EVERY_EFFECT)
def test_an_act_refused_when_sent_again_may_still_happen_by_what_was_sent_first(effects: tuple[Effect, ...]) -> None:
    follows = after(situation(effects, Stage.CALLING), Rejected("no money left"))
    searched = any(isinstance(effect, Searchable) for effect in effects)
    assert follows.follow.stage == Stage.DOUBTFUL
    assert (follows.case is None) == searched
    assert (follows.follow.wait_seconds is not None) == searched
    assert not follows.follow.bump
    assert not follows.frees_accounts


def test_what_its_source_does_not_have_is_one_case_of_its_kind() -> None:
    follows = after(situation((FOREVER,)), Absent("erp has no order 7", field="order"))
    assert follows.follow.stage == Stage.CASE
    assert follows.case is not None
    assert (follows.case.cause, follows.case.kind) == ("absent:erp:order", "rejected")
    assert follows.case.detail == "erp has no order 7"


def test_a_missing_mapping_is_one_case_for_all_and_waits_under_its_name() -> None:
    follows = after(situation((FOREVER,)), Rejected("no SKU", missing=Missing("product", "SKU-9")))
    assert follows.follow.stage == Stage.BLOCKED
    assert follows.follow.blocked_on == "map/erp/product/SKU-9"
    assert follows.case is not None
    assert follows.case.cause == "map/erp/product/SKU-9"
    assert follows.frees_accounts


def test_an_accepted_act_is_asked_about_when_its_target_said() -> None:
    follows = after(situation((FOREVER,)), Accepted(job="j1", ask_after=timedelta(seconds=9)))
    assert (follows.follow.stage, follows.follow.job, follows.follow.wait_seconds) == (Stage.ACCEPTED, "j1", 9.0)


def test_a_partly_done_act_is_a_persons() -> None:
    follows = after(situation((FOREVER,)), Partial(id="S1", detail="line 2 is missing"))
    assert follows.follow.stage == Stage.DOUBTFUL
    assert follows.follow.wait_seconds is None
    assert follows.case is not None


def test_too_many_failures_are_a_case_but_never_deny_what_may_have_happened() -> None:
    last = ATTEMPTS_MAX - 1
    ready = after(situation((FOREVER,), Stage.READY, attempts=last), Transient("no"))
    assert ready.follow.stage == Stage.CASE
    for effects, stage in (((FOREVER,), Stage.CALLING), ((OLD,), Stage.DOUBTFUL), ((Blind(),), Stage.DOUBTFUL)):
        unsure = after(situation(effects, Stage.CALLING, attempts=last), Transient("no"))
        assert unsure.follow.stage == stage
        assert unsure.case is not None
        assert not unsure.follow.bump
        assert not unsure.frees_accounts
    assert after(situation((YOUNG, SEARCH), Stage.CALLING, attempts=last), Transient("no")).follow.wait_seconds == 60.0


@pytest.mark.parametrize("effects", [(FOREVER,), (YOUNG,), (YOUNG, Blind()), (SEARCH,), (YOUNG, SEARCH)])
def test_what_is_tried_in_vain_for_a_quarter_of_an_hour_is_a_case_and_goes_on_slowly(
    effects: tuple[Effect, ...],
) -> None:
    for attempts in range(ATTEMPTS_MAX + 5):
        follows = after(situation(effects, Stage.CALLING, attempts=attempts), Unknown("HTTP 500"))
        assert (follows.case is not None) == (attempts + 1 >= ATTEMPTS_MAX)
        assert follows.follow.wait_seconds is not None
        assert follows.follow.burnt
    assert follows.case is not None
    assert follows.case.cause == "failing:erp:sales_order"
    waits = [situation(effects, attempts=n).backoff_seconds for n in range(ATTEMPTS_MAX - 1)]
    assert 5 * 60 < sum(waits) < 15 * 60


@pytest.mark.parametrize("verb", [Verb.STATE, Verb.FETCH])
def test_a_state_or_read_that_always_fails_is_a_case_too(verb: Verb) -> None:
    follows = after(situation((), Stage.CALLING, verb, ATTEMPTS_MAX - 1), Unknown("HTTP 500"))
    assert follows.follow.stage == Stage.CALLING
    assert follows.case is not None


def test_an_outage_burns_no_attempts_and_one_item_without_an_answer_among_others_does() -> None:
    down = dataclasses.replace(situation((FOREVER,), Stage.CALLING, attempts=ATTEMPTS_MAX - 1), reached=False)
    follows = after(down, Unknown("HTTP 502", outage=True))
    assert (follows.follow.burnt, follows.case, follows.follow.unclear) == (False, None, 0)
    alone = after(dataclasses.replace(down, reached=True), Unknown("timeout", outage=True))
    assert alone.follow.burnt
    assert alone.case is not None


def test_an_answer_that_is_kept_under_the_key_is_searched_for_at_once_and_then_a_new_act() -> None:
    kept = Unknown("HTTP 500", kept=True)
    for stage in (Stage.READY, Stage.CALLING):
        follows = after(situation((YOUNG, SEARCH), stage), kept)
        assert (follows.follow.stage, follows.follow.wait_seconds, follows.case) == (Stage.DOUBTFUL, 60.0, None)
        assert not follows.follow.bump
        assert not follows.frees_accounts
    looking = situation((YOUNG, SEARCH), Stage.DOUBTFUL, unclear=follows.follow.unclear)
    absent = after_search(looking, None)
    assert (absent.follow.stage, absent.follow.bump, absent.follow.unclear) == (Stage.READY, True, 0)
    assert absent.frees_accounts
    for effects in ((YOUNG,), (FOREVER,), (FOREVER, Blind())):
        nowhere = after(situation(effects, Stage.CALLING), kept)
        assert (nowhere.follow.stage, nowhere.follow.wait_seconds) == (Stage.DOUBTFUL, None)
        assert nowhere.case is not None


def test_the_third_answer_that_leaves_it_unknown_is_taken_for_a_kept_one() -> None:
    unclear, stages = 0, list[int]()
    for outcome in (
        Unknown("HTTP 500"),
        Unknown("cut", outage=True),
        crashed(),
        Unknown("HTTP 500"),
        Unknown("garbled"),
    ):
        follow = after(situation((YOUNG, SEARCH), Stage.CALLING, unclear=unclear), outcome).follow
        unclear = follow.unclear
        stages.append(follow.stage)
    assert (unclear, stages) == (UNCLEAR_MAX, [Stage.CALLING] * 4 + [Stage.DOUBTFUL])
    only_keyed = after(situation((YOUNG,), Stage.CALLING, unclear=UNCLEAR_MAX), Unknown("HTTP 500"))
    assert only_keyed.follow.stage == Stage.CALLING


def test_an_act_that_is_absent_is_sent_under_the_same_key_while_its_target_may_still_know_it() -> None:
    absent = after_search(situation((OLD, SEARCH), Stage.DOUBTFUL, unclear=UNCLEAR_MAX - 1), None)
    assert (absent.follow.bump, absent.frees_accounts, absent.follow.wait_seconds) == (False, False, 0.0)
    often = after_search(situation((SEARCH,), Stage.DOUBTFUL, attempts=ATTEMPTS_MAX), None)
    assert often.follow.wait_seconds is not None
    assert often.follow.wait_seconds > 60


@pytest.mark.parametrize("verb", [Verb.STATE, Verb.FETCH])
def test_a_state_or_read_with_an_unknown_outcome_is_simply_done_again(verb: Verb) -> None:
    follows = after(situation((), Stage.READY, verb), Unknown("timeout"))
    assert follows.follow.stage == Stage.CALLING
    assert follows.case is None
    assert resendable(situation((), Stage.CALLING, verb))


def test_a_search_that_finds_nothing_sends_and_one_that_fails_looks_again() -> None:
    looking = situation((SEARCH,), Stage.DOUBTFUL)
    assert after_search(looking, None).follow.stage == Stage.READY
    for fault in (Transient("no"), Unknown("cut", outage=True), Throttled("slow", retry_after_seconds=1)):
        again = after_search(looking, fault).follow
        assert again.stage == Stage.DOUBTFUL
        assert again.wait_seconds is not None
    refused = after_search(looking, Refused("403"))
    assert refused.follow.stage == Stage.DOUBTFUL
    assert refused.brake is not None


def test_the_wait_between_searches_grows_by_searches_and_not_by_what_was_sent_before() -> None:
    looking = situation((SEARCH,), Stage.DOUBTFUL, attempts=9)
    waits = list[float]()
    for _ in range(4):
        follow = after_search(looking, Unknown("HTTP 500")).follow
        assert not follow.burnt
        assert follow.wait_seconds is not None
        waits.append(follow.wait_seconds)
        looking = dataclasses.replace(looking, claimed=looking.claimed._replace(searches=follow.searches))
    assert waits == [0.5, 1.0, 2.0, 4.0]
    down = after_search(dataclasses.replace(looking, reached=False), Unknown("cut", outage=True))
    assert down.follow.searches == looking.claimed.searches
    throttled = after_search(looking, Throttled("slow", retry_after_seconds=30)).follow
    assert (throttled.stage, throttled.searches) == (Stage.DOUBTFUL, looking.claimed.searches)
    assert throttled.wait_seconds is not None
    assert throttled.wait_seconds >= 30


def test_a_search_that_always_fails_is_a_case_and_goes_on() -> None:
    looking = situation((SEARCH,), Stage.DOUBTFUL, searches=ATTEMPTS_MAX - 1)
    follows = after_search(looking, Transient("can't be searched for"))
    assert follows.follow.stage == Stage.DOUBTFUL
    assert follows.follow.wait_seconds is not None
    assert follows.case is not None


def test_what_is_found_refused_did_not_happen() -> None:
    follows = after_search(situation((SEARCH,), Stage.DOUBTFUL), Rejected("refund re_1 failed"))
    assert (follows.follow.stage, follows.follow.bump, follows.frees_accounts) == (Stage.CASE, True, True)
    assert follows.case is not None


def test_a_key_is_trusted_for_a_share_of_its_window_only() -> None:
    window = Keyed(10 * HOUR)
    trusted_until = NOW + 10 * HOUR * KEY_WINDOW_SHARE
    assert key_holds(window, NOW, trusted_until - timedelta(seconds=1))
    assert not key_holds(window, NOW, trusted_until)
    assert not key_holds(window, None, NOW)
    assert not key_holds(Keyed(KEY_MARGIN), NOW, NOW)
    assert key_holds(FOREVER, None, NOW)


@pytest.mark.parametrize("attempts", range(0, 40, 3))
def test_the_wait_before_a_retry_grows_to_a_bound(attempts: int) -> None:
    waits = [Situation(claimed(attempts=attempts), "erp", (), NOW, luck).backoff_seconds for luck in (0.0, 0.5, 0.999)]
    assert waits == sorted(waits)
    assert waits[0] >= 0.25
    assert waits[-1] <= 450.0
