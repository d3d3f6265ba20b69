from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bench import webhooks
from bench.load import Came
from bench.outage import CALLS_PER_SECOND, Drained, Storm, figures_of

_CALM = Came(seconds=5, cpu_seconds=1, refused=0, sent_at={}, waited_seconds=[0.01] * 100)
_SLOW = Came(seconds=15, cpu_seconds=3, refused=0, sent_at={}, waited_seconds=([0.01] * 90 + [0.05] * 10) * 120)
_SHORT_AND_SLOW = Came(seconds=1, cpu_seconds=1, refused=0, sent_at={}, waited_seconds=[0.05] * 800)
_ONE_SLOW_SECOND = Came(seconds=25, cpu_seconds=5, refused=0, sent_at={}, waited_seconds=[0.05] * 800 + [0.01] * 19_300)
_STORM = Storm(before=_CALM, meanwhile=_CALM, unstored=0, cases=[("brake", "brake:erp")])
_DRAINED = Drained(
    seconds=40,
    calls=40 * CALLS_PER_SECOND,
    throttled=0,
    forecasts=[(33, 30), (18, 20), (9, 10)],
    refunded_after=[2, 3],
    still_waiting=0.9,
)


def _missed(storm: Storm = _STORM, drained: Drained = _DRAINED) -> list[str]:
    return [each.metric for each in figures_of(storm, drained) if not each.met]


def test_an_outage_without_a_fault_misses_nothing() -> None:
    assert _missed() == []


@pytest.mark.parametrize(
    ("storm", "missed"),
    [
        (replace(_STORM, unstored=1), "acknowledged, and not stored"),
        (replace(_STORM, meanwhile=_SLOW), "door p99 at 800/s, ERP down, median"),
        (replace(_STORM, cases=[]), "open cases while down"),
        (replace(_STORM, cases=[*_STORM.cases, ("late", "order:shop:1")]), "open cases while down"),
    ],
)
def test_what_an_outage_did_to_the_door_is_judged(storm: Storm, missed: str) -> None:
    assert _missed(storm) == [missed]


def test_one_slow_second_of_a_long_rush_is_not_the_outages() -> None:
    storm = replace(_STORM, meanwhile=_ONE_SLOW_SECOND)
    assert _missed(storm) == []
    [door] = [each for each in figures_of(storm, _DRAINED) if each.metric.startswith("door")]
    assert door.values == [10]


def test_a_rush_that_is_too_short_to_say_is_not_judged() -> None:
    storm = replace(_STORM, meanwhile=_SHORT_AND_SLOW)
    assert [each for each in figures_of(storm, _DRAINED) if each.metric.startswith("door")] == []


@pytest.mark.parametrize(
    ("drained", "missed"),
    [
        (replace(_DRAINED, calls=37 * CALLS_PER_SECOND), "allowed calls used while draining"),
        (replace(_DRAINED, throttled=1), "calls beyond what the ERP allows"),
        (replace(_DRAINED, forecasts=[(37, 30), (20, 20), (10, 10)]), "drain forecast, off by"),
        (replace(_DRAINED, still_waiting=0.1), "still waiting of the backlog when the last refund was paid"),
    ],
)
def test_what_came_of_the_backlog_is_judged(drained: Drained, missed: str) -> None:
    assert _missed(drained=drained) == [missed]


def test_a_delivery_that_is_repeated_is_no_event_of_its_own() -> None:
    told = Counter(headers["X-Shopify-Event-Id"] for headers, _ in webhooks.webhooks(10, 100))
    assert webhooks.events(10, 100) == len(told)
