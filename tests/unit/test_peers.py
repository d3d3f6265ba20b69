from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
import pytest

from bench import webhooks
from bench.peers import broken
from bench.peers.erp import Bookings
from bench.peers.hub import HUBS, Crossdock
from bench.peers.judge import Unexplained, Verdict, judged
from bench.peers.others import TunedDbos
from bench.peers.programs import sale
from bench.peers.report import page
from bench.peers.running import start
from crossdock.canonical.order import SalesOrder
from crossdock.connectors.shopify import connector as shopify


def _booked(*calls: tuple[str, str]) -> dict[str, int]:
    """What the ERP says after calls of (key, order)."""
    ledger = Bookings()
    for key, order in calls:
        ledger.take("sales", msgspec.json.encode([{"key": key, "body": {"order": {"id": order}, "sold_by": "shop"}}]))
    return json.loads(ledger.take("_bookings", b""))


def test_an_order_booked_once_is_right() -> None:
    verdict = judged({"1": 1}, _booked(("a", "1")), held=0)
    assert (verdict.lost, verdict.held_back, verdict.doubled, verdict.doubled_by_repeats) == (0, 0, 0, 0)


def test_an_order_that_was_acknowledged_and_is_nowhere_is_lost() -> None:
    verdict = judged({"1": 1, "2": 1, "3": 1}, _booked(("a", "1")), held=0)
    assert (verdict.lost, verdict.held_back) == (2, 0)


def test_what_the_store_still_holds_is_not_lost_yet() -> None:
    verdict = judged({"1": 1, "2": 1, "3": 1}, _booked(("a", "1")), held=1)
    assert (verdict.lost, verdict.held_back) == (1, 1)


def test_an_order_booked_twice_is_doubled_also_under_the_same_key() -> None:
    verdict = judged({"1": 1, "2": 1}, _booked(("a", "1"), ("a", "1"), ("b", "2"), ("c", "2")), held=0)
    assert (verdict.doubled, verdict.doubled_by_repeats) == (2, 0)


def test_an_order_that_the_shop_told_of_twice_is_doubled_by_the_repeat() -> None:
    verdict = judged({"1": 2, "2": 2}, _booked(("a", "1"), ("a", "1"), ("b", "2")), held=0)
    assert (verdict.doubled, verdict.doubled_by_repeats) == (0, 1)


def test_a_sale_that_nobody_ordered_stops_the_measurement() -> None:
    with pytest.raises(Unexplained):
        judged({"1": 1}, _booked(("a", "1"), ("b", "9")), held=0)


_RIGHT = judged({"1": 1}, _booked(("a", "1")), held=0)
_LOST = judged({"1": 1}, _booked(), held=0)
_DOUBLED = judged({"1": 1}, _booked(("a", "1"), ("b", "1")), held=0)
_BY_REPEAT = judged({"1": 2}, _booked(("a", "1"), ("b", "1")), held=0)


@pytest.mark.parametrize("wrong", [_LOST, _DOUBLED, _BY_REPEAT])
def test_where_crossdock_loses_or_doubles_an_order_the_measurement_fails(wrong: Verdict) -> None:
    assert list(broken([Crossdock], [(Crossdock, _RIGHT)] * 5)) == []
    assert len(list(broken([Crossdock], [(Crossdock, _RIGHT)] * 4 + [(Crossdock, wrong)]))) == 1


def test_what_becomes_of_the_others_orders_is_a_figure_and_no_failure() -> None:
    assert list(broken([TunedDbos], [(TunedDbos, _LOST)])) == []


def test_the_measurement_fails_where_a_run_of_crossdock_came_to_no_end() -> None:
    assert len(list(broken(HUBS, [(Crossdock, _RIGHT)] * 5))) == 1
    assert len(list(broken([Crossdock], [(Crossdock, _RIGHT)] * 4))) == 1


def test_every_peer_posts_the_sale_that_the_hub_posts() -> None:
    for headers, body in webhooks.webhooks(7, 40):
        origin = shopify.origin("shop", datetime.now(UTC), 0)
        order = next(iter(shopify.topics["orders/create"](body, origin))).body  # pyright: ignore[reportAttributeAccessIssue]
        mine = json.loads(msgspec.json.encode(SalesOrder(order=order, sold_by="shop")))
        assert sale.sale_of(json.loads(body)) == mine
        assert headers["X-Shopify-Topic"] == "orders/create"


def _line(metric: str, value: float, **notes: object) -> dict[str, object]:
    return {"metric": metric, "value": value, "runs": [value], "peer": "Queue", "variant": "default", **notes}


def test_a_loss_stands_out_on_the_page() -> None:
    counts = {"orders": 600, "lost": 7, "held_back": 0, "doubled": 0, "doubled_by_repeats": 0}
    machine = {"at": "2026-11-22T14:40+00:00", "cores": 2, "memory_gb": 8, "load": [1, 1, 1], "nice": 0}
    lines = [
        {"metric": "machine", "rate_orders": 1000, "struck_orders": 600, **machine},
        _line("lost", 7, killed="workers", killed_at=[150, 300, 451], seconds=12.0, **counts),
        _line("not measured", 0, why="redis-server isn't installed"),
    ]
    text = page(lines)
    assert "| Queue | default | 150, 300, 451 | **7** | 0 | 0 | 0 | 12 s |" in text
    assert "**Queue, default**: not measured: redis-server isn't installed" in text


_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_who_is_killed_takes_along_what_it_started(tmp_path: Path) -> None:
    parent = start([sys.executable, "-c", _PARENT], {}, tmp_path / "said")
    until = time.monotonic() + 30
    while not (said := (tmp_path / "said").read_text().strip()) and time.monotonic() < until:
        time.sleep(0.02)
    assert psutil.pid_exists(int(said))
    parent.killed()
    assert not psutil.pid_exists(int(said))
