"""Refunds are safe and exact: proven over every life of one order's, and the proof notices a safeguard taken out.

Never more is given back by the hub than is owed; at rest exactly that was, or somebody is told; and nobody is bothered
where all is right.
"""

from __future__ import annotations

from typing import Any

import pytest

from crossdock.connect.effects import Keyed, Searchable
from crossdock.deliver.following import Actor, Next, Situation, after
from crossdock.kernel.faults import Unknown
from crossdock.promises.difference import Stage
from tests.unit.refund_model import KEYED, SEARCHABLE, TICK, TRAVEL, WINDOW, Model, Row, World

HONEST = {
    "two returns": World(echoes=0),
    "the shop's echoes": World(one_return=True, losses=0, echoes=2),
    "one return in two parts": World(one_return=True),
    "one return in two parts, settled while lanes run": World(one_return=True, half_read=True),
    "three losses": World(worth=(0, 50), losses=3),
    "no key": World(one_return=True, effects=(SEARCHABLE,), echoes=0),
    "a key for ever": World(one_return=True, effects=(Keyed(),), key_ticks=None, echoes=0),
    "a failure that is kept": World(worth=(0, 50), failures=1),
    "two failures that are kept, and nothing lost": World(worth=(0, 50), failures=2, losses=0),
    "a failure that is kept, and not said to be": World(worth=(0, 50), failures=1, marks_kept=False),
    "a failure that is kept for ever": World(worth=(0, 50), effects=(Keyed(), SEARCHABLE), key_ticks=None, failures=1),
    "a failure that is kept, in two parts": World(one_return=True, failures=1, losses=0, echoes=0),
    "a clerk who refunds what is owed": World(one_return=True, clerk=30, losses=0, echoes=0),
    "a clerk, and an answer lost": World(worth=(0, 50), clerk=30),
    "a clerk who refunds more": World(worth=(0, 30), clerk=60, echoes=0),
    "a dispute": World(one_return=True, chargeback=30, losses=0, echoes=0),
    "a dispute over most of it": World(worth=(0, 50), chargeback=70),
    "a dispute and a clerk": World(worth=(0, 50), chargeback=70, clerk=30, losses=0, echoes=0),
}


def _takes_failed_for_refused(situation: Situation, outcome: Any) -> Next:
    """A kept failure is taken for the provider's word that nothing was paid."""
    if isinstance(outcome, Unknown) and outcome.kept:
        return Next(situation.follow(Stage.READY, Actor.HUB, 0.0, bump=True), "unknown", "", frees_accounts=True)
    return after(situation, outcome)


def _gives_up_what_failed(situation: Situation, outcome: Any) -> Next:
    """A kept failure ends it, and nobody is told."""
    if isinstance(outcome, Unknown) and outcome.kept:
        return Next(situation.follow(Stage.BLOCKED, Actor.HUB, None, bump=True), "unknown", "", frees_accounts=True)
    return after(situation, outcome)


def _of_its_body(row: Row, act: object) -> str:
    return f"refund of {act.body.amount}"  # pyright: ignore


MUTATIONS = {
    "sealed amounts not counted": World(one_return=True, counts_sealed=False),
    "sealed amounts not counted, two causes": World(counts_sealed=False),
    "two identities for one refund": World(one_return=True, echo_is_the_same_fact=False),
    "a key made of the body": World(one_return=True, worth=(0, 30, 60), key_of=_of_its_body),
    "looking at once": World(
        one_return=True, effects=(Searchable(by="reference", visible_after=0 * TICK, max_travel=0 * TICK),)
    ),
    "a kept failure taken for a refusal": World(
        worth=(0, 50), failures=1, losses=0, echoes=0, after=_takes_failed_for_refused
    ),
    "a kept failure that nobody is told of": World(
        worth=(0, 50), failures=1, losses=0, echoes=0, after=_gives_up_what_failed
    ),
    "looking too early for what failed": World(
        worth=(0, 50),
        failures=1,
        losses=0,
        effects=(KEYED, Searchable(by="reference", visible_after=0 * TICK, max_travel=0 * TICK)),
    ),
    "looking before it can be found": World(
        one_return=True, effects=(Searchable(by="reference", visible_after=0 * TICK, max_travel=TRAVEL * TICK),)
    ),
    "the key window ignored": World(one_return=True, effects=(Keyed(),), key_ticks=WINDOW, losses=2),
    "the key window ignored when it is sent again": World(
        one_return=True, effects=(KEYED, SEARCHABLE), resendable=lambda _: True
    ),
}


@pytest.mark.parametrize("world", HONEST.values(), ids=HONEST.keys())
def test_no_life_of_a_refund_gives_back_too_much_or_rests_with_too_little(world: World) -> None:
    verdict = Model(world).explore()
    assert verdict.over is None, verdict.over
    assert verdict.wrong is None, verdict.wrong
    assert verdict.needless is None, verdict.needless
    assert verdict.states > 1_000
    assert verdict.resting > 0


@pytest.mark.parametrize("world", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_missing_safeguard_is_found(world: World) -> None:
    verdict = Model(world).explore()
    assert verdict.over or verdict.wrong or verdict.needless
