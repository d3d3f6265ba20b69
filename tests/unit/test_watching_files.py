"""The dashboard and the alerts name metrics, labels and rules that exist, so that none of them is silent for a misspelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from crossdock.govern.workflows import limits_of
from crossdock.observe.gauges import GAUGES
from crossdock.observe.measuring import Metrics
from crossdock.promises.policy import Deadlines
from tests.promtool import promtool

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus/crossdock.rules.yml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana/crossdock.json").read_text())
# What Prometheus adds by itself, and what every Python process has.
OTHERS = {
    "up": {"job", "instance"},
    "process_resident_memory_bytes": set[str](),
    "process_cpu_seconds_total": set[str](),
}
ADDED = {"instance", "job", "le"}
_NAME = re.compile(r"\b(crossdock[a-z0-9_:]*|process_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


def _metrics() -> Mapping[str, set[str]]:
    """Every series that a process shows, with its labels."""
    limits = {each.name: (each.workflow, each.minutes) for each in limits_of(Deadlines())}
    metrics = Metrics("0", limits)
    found = {name: set(labels) for name, (_, labels) in GAUGES.items()} | OTHERS
    for each in vars(metrics).values():
        if not hasattr(each, "_labelnames"):
            continue
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}[each._type]
        found |= {f"{each._name}{suffix}": set(each._labelnames) for suffix in suffixes}
    return found


METRICS = _metrics()
RECORDED = {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


def _expressions() -> Iterator[tuple[str, str]]:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "expression"), list(_expressions()))
def test_what_is_asked_of_prometheus_is_there(where: str, expression: str) -> None:
    named = _NAME.findall(re.sub(r'"[^"]*"', '""', expression))
    assert named
    labels: set[str] = {"workflow"} if any(":" in name for name, _ in named) else set()
    for name, matchers in named:
        assert name in METRICS or name in RECORDED, f"{where}: there is no {name}"
        given = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert given <= METRICS.get(name, set()) | ADDED, f"{where}: {name} has no such label"
        labels |= METRICS.get(name, set()) | ADDED
    for by in _BY.findall(expression):
        assert {each.strip() for each in by.split(",")} <= labels, f"{where}: nothing has {by}"
    promql_parser.parse(expression)


def test_prometheus_itself_can_read_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [each["expr"] for panel in DASHBOARD["panels"] for each in panel.get("targets", ())]
    rules = [{"record": f"panel:{nth}", "expr": each} for nth, each in enumerate(asked)]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(asked)} rules found" in promtool("check", "rules", str(file))


def test_everything_that_is_measured_is_looked_at_somewhere() -> None:
    asked = " ".join(expression for _, expression in _expressions())
    assert [name for name in GAUGES if name not in asked] == []


def test_each_alert_says_whom_it_calls_and_what_to_do() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS} == {"page", "ticket"}
    assert all({"summary", "description"} <= rule["annotations"].keys() for rule in ALERTS)
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def test_the_budget_burns_over_two_windows_and_needs_enough_acts() -> None:
    burning = [rule for rule in ALERTS if rule["alert"].startswith("CrossdockBurns")]
    assert len(burning) == 4
    for rule in burning:
        windows = re.findall(r"ratio_(\w+)", rule["expr"])
        assert len(set(windows)) == 2
        factors = re.findall(r"> ([0-9.]+) \* 0\.01", rule["expr"])
        assert len(factors) == 2
        assert len(set(factors)) == 1
        assert f"count_{windows[0]} >= 20" in rule["expr"]


def test_names_follow_prometheus_conventions() -> None:
    for name, labels in METRICS.items():
        assert re.fullmatch("[a-z][a-z0-9_]*", name)
        if name in OTHERS:
            continue
        assert name.startswith("crossdock_")
        assert not re.search("_(ms|millis|minutes|milliseconds|kb|mb)(_|$)", name), "base units only"
        assert labels <= {"connection", "answer", "operation", "status", "fate", "loop", "noun", "outcome", "workflow",
                          "in_time", "pool", "state", "stage", "age", "kind", "settles", "list", "invariant"}  # fmt: skip


def test_an_act_that_was_never_late_is_no_gap_in_the_ratio() -> None:
    metrics = Metrics("0", {"sale": ("Order to ERP", 15)})
    assert b'crossdock_acts_kept_total{in_time="no",workflow="Order to ERP"} 0.0' in metrics.exposed()
    metrics.count_act("sale", 3.0)
    metrics.count_act("sale:2", 901.0)
    metrics.count_act("something_else", 1.0)
    told = metrics.exposed()
    assert b'crossdock_acts_kept_total{in_time="yes",workflow="Order to ERP"} 1.0' in told
    assert b'crossdock_acts_kept_total{in_time="no",workflow="Order to ERP"} 1.0' in told


def test_panels_have_titles_and_places_of_their_own() -> None:
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    taken = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels]
    assert len(set(taken)) == len(taken)
    assert all(each["title"] for each in panels)
