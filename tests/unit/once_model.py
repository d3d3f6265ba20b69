"""Every life of one act at a target that loses answers, is slow, dies and forgets keys: an exhaustive model.

The hub's part is played by the real functions of `deliver.following`. Time goes in ticks of a minute; a request travels
for at most two of them, a finished act is found by search one tick later at the latest, and a key lives for eight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from crossdock.connect.effects import Effect
from crossdock.deliver.following import Next, Situation, after, after_search, crashed, resendable
from crossdock.kernel.faults import Transient, Unknown
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.delivery import Claimed, Follow

TICK = timedelta(minutes=1)
TRAVEL_TICKS, VISIBLE_TICKS, WINDOW_TICKS, LEASE_TICKS = 2, 1, 8, 1
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_TICKS_MAX, _SENDS_MAX = 13, 3


class Life(NamedTuple):
    """`wire` holds the ticks at which requests still travelling were sent, `done` those at which the target acted."""

    now: int = 0
    stage: Stage | None = Stage.READY
    due: int | None = 0
    sealed: int | None = None
    attempts: int = 0
    sends: int = 0
    wire: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    key_until: int | None = None


@dataclass(frozen=True)
class World:
    """What the hub believes of the target (`effects`), and what the target really keeps: our key for how long."""

    effects: Sequence[Effect]
    key_ticks: int | None
    """How long the target remembers a key: 0 for never, None for ever."""
    resendable: Callable[[Situation], bool] = resendable


class Verdict(NamedTuple):
    lives: int
    twice: list[str] | None
    """How it came to a second effect, if there is a way."""
    stuck: list[str] | None
    """How it came to wait for nobody, if there is a way."""


def explore(world: World) -> Verdict:
    """Every life there is, breadth first, so that what is found is the shortest way to it."""
    begin = Life()
    came: dict[Life, tuple[Life, str] | None] = {begin: None}
    queue, stuck = deque([begin]), None
    while queue:
        life = queue.popleft()
        if len(life.done) > 1:
            return Verdict(len(came), _way(came, life), stuck)
        if life.stage not in (None, Stage.DOUBTFUL) and life.due is None and stuck is None:
            stuck = _way(came, life)
        for step, following in _steps(world, life):
            if following not in came:
                came[following] = (life, step)
                queue.append(following)
    return Verdict(len(came), None, stuck)


def _way(came: dict[Life, tuple[Life, str] | None], life: Life) -> list[str]:
    way: list[str] = []
    at = came[life]
    while at is not None:
        before, step = at
        way.append(f"{before.now}: {step}")
        at = came[before]
    return way[::-1]


def _steps(world: World, life: Life) -> Iterator[tuple[str, Life]]:
    if life.due is None and not life.wire:
        return
    if life.now < _TICKS_MAX and all(life.now - sent < TRAVEL_TICKS for sent in life.wire):
        yield "a minute passes", _forgotten(life._replace(now=life.now + 1))
    for sent in set(life.wire):
        rest = list(life.wire)
        rest.remove(sent)
        yield "a request is lost", life._replace(wire=tuple(rest))
        yield "a late request is done", _executed(world, life._replace(wire=tuple(rest)))
    if life.due is not None and life.due <= life.now and life.stage is not None:
        yield from _claimed(world, life)


def _claimed(world: World, life: Life) -> Iterator[tuple[str, Life]]:
    situation = _situation(world, life)
    if life.stage == Stage.DOUBTFUL:
        yield from _searched(situation, life)
    elif life.stage == Stage.READY or world.resendable(situation):
        if life.sends < _SENDS_MAX:
            yield from _sent(world, life._replace(sealed=life.now if life.sealed is None else life.sealed))
    else:
        yield "nobody knows what came of it", _followed(life, after(situation, crashed()))


def _sent(world: World, life: Life) -> Iterator[tuple[str, Life]]:
    situation = _situation(world, life)
    alone = life._replace(stage=Stage.CALLING, due=life.now + LEASE_TICKS)
    sent = life._replace(sends=life.sends + 1)
    yield "sealed, then the process dies", alone
    yield "sent and confirmed", _executed(world, sent)._replace(stage=None, due=None)
    yield "refused, nothing done", _followed(sent, after(situation, Transient("no")))
    yield "can't connect", _followed(sent, after(situation, Transient("down", outage=True)))
    travelling = sent._replace(wire=tuple(sorted((*life.wire, life.now))))
    for what, life_of_it in (("done, answer lost", _executed(world, sent)), ("timed out on its way", travelling)):
        yield what, _followed(life_of_it, after(situation, Unknown("timeout")))
        yield f"{what}, and the process dies", life_of_it._replace(stage=Stage.CALLING, due=life.now + LEASE_TICKS)


def _searched(situation: Situation, life: Life) -> Iterator[tuple[str, Life]]:
    if life.done:
        yield "found", life._replace(stage=None, due=None)
    if not any(life.now - at >= VISIBLE_TICKS for at in life.done):
        yield "not found", _followed(life, after_search(situation, None))
    if life.attempts < 2:
        yield "the search failed", _followed(life, after_search(situation, Unknown("timeout")))


def _executed(world: World, life: Life) -> Life:
    if life.key_until is not None:
        return life
    keeps = {0: None, None: _TICKS_MAX * 2}.get(world.key_ticks, life.now + (world.key_ticks or 0))
    return life._replace(done=(*life.done, life.now), key_until=keeps)


def _forgotten(life: Life) -> Life:
    return life._replace(key_until=None) if life.key_until is not None and life.key_until <= life.now else life


def _followed(life: Life, following: Next) -> Life:
    follow: Follow = following.follow
    due = None if follow.wait_seconds is None else life.now + max(1, round(follow.wait_seconds / 60 + 0.499))
    return life._replace(stage=Stage(follow.stage), due=due, attempts=min(life.attempts + follow.burnt, 3))


def _situation(world: World, life: Life) -> Situation:
    at = None if life.sealed is None else _BEGIN + life.sealed * TICK
    assert life.stage is not None
    claimed = Claimed(
        1, "order:shop:1", int(life.stage), 1, life.attempts, 1, "sale", None, "sale", int(Verb.ACT), "sales_order",
        "cause", "[]", "{}", False, b"{}", None if at is None else "key", at, b"{}", b"", None, None,
        _BEGIN + life.now * TICK,
    )  # fmt: skip
    return Situation(claimed, "erp", world.effects, _BEGIN + life.now * TICK, 0.5)
