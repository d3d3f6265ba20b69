"""Once is once: proven over every life of an act, and the proof notices when a safeguard is taken out."""

from __future__ import annotations

import pytest

from crossdock.connect.effects import Blind, Keyed, Searchable
from tests.unit.once_model import TICK, TRAVEL_TICKS, VISIBLE_TICKS, WINDOW_TICKS, World, explore

KEYED = Keyed(WINDOW_TICKS * TICK)
SEARCHABLE = Searchable(by="reference", visible_after=VISIBLE_TICKS * TICK, max_travel=TRAVEL_TICKS * TICK)
AT_ONCE = Searchable(by="reference", visible_after=0 * TICK, max_travel=0 * TICK)
TOO_EARLY = Searchable(by="reference", visible_after=0 * TICK, max_travel=TRAVEL_TICKS * TICK)

HONEST = {
    "a unique business key": World([Keyed()], None),
    "a key with a window": World([KEYED], WINDOW_TICKS),
    "a key with a window, then a search": World([KEYED, SEARCHABLE], WINDOW_TICKS),
    "a search": World([SEARCHABLE], 0),
    "neither": World([Blind()], 0),
    "nothing declared": World([], 0),
}
DISHONEST = {
    "looking at once": World([AT_ONCE], 0),
    "looking before it can be found": World([TOO_EARLY], 0),
    "the window ignored": World([Keyed()], WINDOW_TICKS),
    "the window ignored when it is sent again": World([KEYED, SEARCHABLE], WINDOW_TICKS, resendable=lambda _: True),
    "a blind act sent again": World([Blind()], 0, resendable=lambda _: True),
    "a search taken for a key": World([Keyed()], 0),
}


@pytest.mark.parametrize("world", HONEST.values(), ids=HONEST.keys())
def test_no_life_of_an_act_has_it_happen_twice_or_leaves_it_with_nobody(world: World) -> None:
    verdict = explore(world)
    assert verdict.twice is None, verdict.twice
    assert verdict.stuck is None, verdict.stuck
    assert verdict.lives > 500


@pytest.mark.parametrize("world", DISHONEST.values(), ids=DISHONEST.keys())
def test_a_missing_safeguard_is_found(world: World) -> None:
    assert explore(world).twice is not None
