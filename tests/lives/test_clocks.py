"""Clocks that jump by minutes, hours and days cost time and never money, in lives with lost answers and late messages.

`CROSSDOCK_CLOCKS=10000 pytest tests/lives/test_clocks.py` lives as many lives; every check lives 300.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import ClassVar

import pytest

from crossdock.promises.difference import Stage
from tests.lives.living import Life

LIVES = int(os.environ.get("CROSSDOCK_CLOCKS", "300"))
SLICE = 100
# As a wrong time server, daylight saving applied to a clock that shouldn't have it, and a wrong date.
JUMPS = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))


@dataclass
class TroubledLife(Life):
    """The hub's clock jumps either way, also while requests travel, and is put right at the end.

    One that is put forward makes nobody look sooner: leases and searches wait on, as `deliver.timekeeping` has them.
    """

    # What was scheduled on a wrong clock comes due when the right one gets there, a minute at a time.
    rounds_max: ClassVar[int] = 20_000
    offset: timedelta = timedelta()
    jumps: int = 0
    while_travelling: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.trouble = Random(f"{self.seed}/trouble")

    def _pass(self, minutes: int) -> None:
        if self.trouble.random() < 0.3:
            self.jumps += 1
            self.while_travelling += bool(self.wire)
            jump = self.trouble.choice(JUMPS) * self.trouble.choice((1, -1))
            self._wait_on(max(jump, timedelta()))
            self.offset += jump
        super()._pass(minutes)
        self.hub.now = self.reality.now + self.offset

    def _wait_on(self, jump: timedelta) -> None:
        for row in self.hub.rows:
            if row.stage in (Stage.CALLING, Stage.DOUBTFUL) and row.due is not None and row.due > self.hub.now:
                row.due += jump

    def _to_rest(self) -> None:
        while self.wire:
            self._do(self.wire.pop()[1])
        self.trouble, self.offset, self.hub.now = _Calm(), timedelta(), self.reality.now
        super()._to_rest()


class _Calm(Random):
    def random(self) -> float:
        return 1.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, LIVES, SLICE))
def test_no_jump_of_the_clock_moves_a_cent(first: int) -> None:
    jumped = while_travelling = 0
    for seed in range(first, min(first + SLICE, LIVES)):
        life = TroubledLife(seed)
        life.live()
        assert not life.watch.judge(life.hub), f"seed {seed}"
        jumped += life.jumps > 0
        while_travelling += life.while_travelling
    assert jumped > SLICE // 4
    assert while_travelling
