"""Each alert is raised when it should be and by nothing else, as Prometheus itself works it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.promtool import RULES, promtool

ALERTS = {
    rule["alert"]: rule["labels"]["severity"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
ERP = 'workflow="Order to ERP"'
IN_TIME, LATE = (f'crossdock_acts_kept_total{{{ERP},in_time="{each}",instance="a"}}' for each in ("yes", "no"))
OVERDUE = f'crossdock_acts_overdue{{{ERP},instance="a"}}'
UP = 'up{job="crossdock",instance="a"}'
# One process at rest, ten acts a minute, each in time.
WELL = {
    UP: "1x300",
    "crossdock_observed_age_seconds": "1x300",
    "crossdock_check_holds": "1x300",
    "crossdock_check_age_seconds": "20x300",
    IN_TIME: "0+10x300",
    LATE: "0x300",
    OVERDUE: "0x300",
}
_DAY = 24 * 6
"""Scrapes, of one every ten minutes."""


@dataclass(frozen=True)
class Story:
    """What scrapes show beside or instead of what is well, and who is called at `minute`."""

    name: str
    shown: Mapping[str, str] = field(default_factory=dict[str, str])
    raised: tuple[tuple[str, str], ...] = ()
    """(alert, its labels)"""
    minute: int = 120
    gone: tuple[str, ...] = ()
    every: int = 1
    """Minutes between scrapes."""

    @property
    def series(self) -> dict[str, str]:
        return {name: values for name, values in {**WELL, **self.shown}.items() if name not in self.gone}


def one(alert: str, series: str, value: str, labels: str = "") -> Story:
    """Told by one figure."""
    return Story(alert, {series: f"{value}x300"}, ((alert, labels),))


BURNING = ("CrossdockBurnsFast", "CrossdockBurns", "CrossdockBurnsSlowly", "CrossdockBurnsSteadily")
STORIES = [
    Story("all is well"),
    Story("a fifth is late", {IN_TIME: "0+8x300", LATE: "0+2x300"}, tuple((each, ERP) for each in BURNING)),
    Story(
        "a fifth was late for an hour, and nothing since",
        {IN_TIME: "0+8x60 480+10x200", LATE: "0+2x60 120x200"},
        tuple((each, ERP) for each in BURNING[3:]),
        minute=180,
    ),
    Story(
        "three and a half in a hundred are late for a day, after two good ones",
        {
            **{name: values.replace("x300", f"x{3 * _DAY}") for name, values in WELL.items()},
            IN_TIME: f"0+1000x{2 * _DAY} {2000 * _DAY}+965x{_DAY}",
            LATE: f"0x{2 * _DAY} 0+35x{_DAY}",
        },
        (("CrossdockBurnsSlowly", ERP), ("CrossdockBurnsSteadily", ERP)),
        minute=3 * _DAY * 10 - 50,
        every=10,  # a scrape; with one a minute promtool takes more than a minute
    ),
    Story("all of too few are late", {IN_TIME: "0x300", LATE: "0+1x15 15x300"}, minute=60),
    Story(
        "two are overdue, which two processes say, of too few to burn",
        {IN_TIME: "0x300", OVERDUE: "2x300", OVERDUE.replace('"a"', '"b"'): "2x300"},
        (("CrossdockOverdue", ERP),),
    ),
    Story(
        "what is overdue and open is late too, before anybody confirms it",
        {IN_TIME: "0x300", OVERDUE: "25x300", OVERDUE.replace('"a"', '"b"'): "25x300"},
        (*((each, ERP) for each in BURNING), ("CrossdockOverdue", ERP)),
    ),
    Story(
        "the database is away: what processes count is judged all the same",
        {IN_TIME: "0+8x300", LATE: "0+2x300"},
        (*((each, ERP) for each in BURNING), ("CrossdockUnwatched", ""), ("CrossdockUnchecked", "")),
        gone=("crossdock_observed_age_seconds", "crossdock_check_holds", "crossdock_check_age_seconds", OVERDUE),
    ),
    Story(
        "a process starts anew and counts from nothing", {IN_TIME: "0+10x100 0+10x200", LATE: "7x100 0x200"}, minute=110
    ),
    one("CrossdockDown", UP, "0", 'instance="a",job="crossdock"'),
    one("CrossdockBroken", "crossdock_check_holds", "0"),
    one("CrossdockUnchecked", "crossdock_check_age_seconds", "4000"),
    one("CrossdockInboxUnread", "crossdock_inbox_oldest_pending_seconds", "400"),
    one("CrossdockUnsettled", "crossdock_dirty_oldest_seconds", "400"),
    one("CrossdockLeasesFree", 'crossdock_lease_buckets{state="free"}', "3"),
    one(
        "CrossdockStopped", 'crossdock_brakes{connection="erp",kind="refused"}', "1", 'connection="erp",kind="refused"'
    ),
    one("CrossdockInDoubt", 'crossdock_case_items_open{kind="doubt"}', "1"),
    one("CrossdockQuarantined", 'crossdock_case_items_open{kind="quarantine"}', "1"),
    one(
        "CrossdockNotStored",
        'crossdock_webhooks_total{connection="shop",answer="not_stored"}',
        "0+5",
        'connection="shop"',
    ),
    one("CrossdockForged", 'crossdock_webhooks_total{connection="shop",answer="forged"}', "0+10", 'connection="shop"'),
    one("CrossdockFails", 'crossdock_round_failures_total{loop="settle"}', "0+10", 'loop="settle"'),
    one(
        "CrossdockPoolEmpty",
        'crossdock_database_requests_waiting{instance="a",pool="loops"}',
        "2",
        'instance="a",pool="loops"',
    ),
    one(
        "CrossdockUnswept",
        'crossdock_sweep_verified_age_seconds{connection="shop",kind="order",list="changes"}',
        "30000",
        'connection="shop",kind="order"',
    ),
    one("CrossdockEventsHeld", "crossdock_events_lag_seconds", "90"),
    one("CrossdockNotTaken", "crossdock_notifications_failing_seconds", "4000"),
    one("CrossdockSubscriptionDisabled", 'crossdock_subscriptions{state="disabled"}', "1"),
    Story("what passes calls nobody", {"crossdock_dirty_oldest_seconds": "0x100 400x3 0x200"}, minute=104),
]


def test_every_alert_is_raised_in_some_story() -> None:
    assert {alert for story in STORIES for alert, _ in story.raised} == ALERTS.keys()


def test_the_rules_are_as_prometheus_reads_them() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("every", [1, 10])
def test_each_story_calls_whom_it_should_and_nobody_else(tmp_path: Path, every: int) -> None:
    tests = [_told(each) for each in STORIES if each.every == every]
    told = {"rule_files": [str(RULES)], "evaluation_interval": f"{every}m", "tests": tests}
    # What alerts go by is worked out first; promtool would take one group or the other first, as it comes.
    told["group_eval_order"] = [group["name"] for group in yaml.safe_load(RULES.read_text())["groups"]]
    file = tmp_path / "stories.yml"
    file.write_text(json.dumps(told))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_an_alert_s_words_name_the_workflow_and_the_share(tmp_path: Path) -> None:
    """The one that calls at night; the others' words are made the same way."""
    words = {
        "summary": "Order to ERP is late too often: 2 % of a month's budget in an hour",
        "description": "20% were late. Look at the console's Flow and at crossdock cases.",
    }
    expected = {"exp_labels": {"severity": "page", "workflow": "Order to ERP"}, "exp_annotations": words}
    story = {
        **_told(STORIES[1]),
        "promql_expr_test": [],
        "alert_rule_test": [{"alertname": BURNING[0], "eval_time": "120m", "exp_alerts": [expected]}],
    }
    file = tmp_path / "words.yml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [story]}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def _told(story: Story) -> dict[str, Any]:
    raised = [
        {
            "labels": _labels(f'alertname="{alert}"', 'alertstate="firing"', f'severity="{ALERTS[alert]}"', labels),
            "value": 1,
        }
        for alert, labels in story.raised
    ]
    expected = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{story.minute}m", "exp_samples": raised}
    return {
        "name": story.name,
        "interval": f"{story.every}m",
        "input_series": [{"series": name, "values": values} for name, values in story.series.items()],
        "promql_expr_test": [expected],
    }


def _labels(*parts: str) -> str:
    return f"ALERTS{{{','.join(each for each in parts if each)}}}"
