"""The console beside many orders: how long the server takes for each page, and how much a browser loads first.

`ORDERS=1000000 make bench BENCH=console`; 100,000 unless said otherwise.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import date, timedelta
from http.cookiejar import CookieJar

from bench.crowd import crowd
from bench.figures import percentile, show
from bench.stage import Cast, Program, Stage, Stuck, staged
from crossdock.console.summing import sum_up
from crossdock.govern.inviting import invitation
from crossdock.govern.settings import read_settings
from crossdock.settle.rules import rules_seen
from crossdock.store.database import Database

ORDERS = int(os.environ.get("ORDERS", "100000"))
LOOKS = int(os.environ.get("LOOKS", "40"))
TARGET_MS, TARGET_BYTES = 150.0, 100_000
_COUNTED_SECONDS = 3600.0
_MONEY = Cast(standins=("payments",), roles={"payments": "payments"})
_STATIC = re.compile(rb'(?:src|href)="(/console/static/[^"]+)"')


@dataclass
class Visitor:
    """A person's browser as far as the server sees it."""

    address: str
    opener: urllib.request.OpenerDirector

    def get(self, path: str) -> bytes:
        with self.opener.open(f"{self.address}{path}", timeout=60) as answer:
            return answer.read()

    def milliseconds(self, path: str) -> float:
        began = time.perf_counter()
        self.get(path)
        return 1000 * (time.perf_counter() - began)


def measure() -> None:
    """Every page, one after the other, LOOKS times; the counting of the whole goes on beside, as it does in life."""
    with staged(_MONEY) as stage:
        seconds = crowd(stage.url, ORDERS)
        show("console", "orders made", [ORDERS], "orders", seconds=round(seconds))
        began, used = time.monotonic(), _cpu_seconds(stage)
        asyncio.run(_sum_up(stage))
        each = 1000 * (_cpu_seconds(stage) - used) / ORDERS
        show("console", "a month summed up", [time.monotonic() - began], "s", cpu_ms_an_order=round(each, 3))
        [hub] = stage.start_hubs(("door",))
        began = time.monotonic()
        _until_counted(stage)
        show("console", "everything counted for the first time", [time.monotonic() - began], "s")
        visitor = _signed_in(stage, hub)
        for name, path in _pages(stage).items():
            _show_page(stage, visitor, name, path)
        day, began = _three_days_ago(stage), time.monotonic()
        lines = visitor.get(f"/console/books.csv?from={day}&to={day}").count(b"\n")
        show("console", "a day exported", [time.monotonic() - began], "s", lines=lines)
        loaded = visitor.get("/console")
        files = sum(len(visitor.get(name.decode())) for name in sorted(set(_STATIC.findall(loaded))))
        show("console", "first load", [len(loaded) + files], "bytes", target=f"<= {TARGET_BYTES}")
        for name, took, failed in stage.sql.execute(
            "select name, seconds, failed from figure order by name"
        ).fetchall():
            show("console", f"counting {name}", [took], "s", failed=failed)


def _show_page(stage: Stage, visitor: Visitor, name: str, path: str) -> None:
    visitor.get(path)
    used, hub = _cpu_seconds(stage), stage.hubs[0].cpu_seconds()
    times = [visitor.milliseconds(path) for _ in range(LOOKS)]
    cpu_ms = 1000 * (stage.hubs[0].cpu_seconds() - hub + _cpu_seconds(stage) - used) / LOOKS
    notes = {
        "shortest": round(min(times), 1),
        "median": round(percentile(times, 0.5), 1),
        "cpu_ms": round(cpu_ms, 1),  # of the hub and PostgreSQL, whatever they did beside included
        "kb": round(len(visitor.get(path)) / 1000, 1),
    }
    show("console", f"{name}, 95 %", [percentile(times, 0.95)], "ms", target=f"<= {TARGET_MS:.0f}", **notes)


def _cpu_seconds(stage: Stage) -> float:
    return time.process_time() + stage.postgres_cpu_seconds()


def _until_counted(stage: Stage) -> None:
    until = time.monotonic() + _COUNTED_SECONDS
    while stage.count("select count(*) from figure where name = 'check'") == 0:
        if time.monotonic() > until:
            raise Stuck("not everything was counted")
        time.sleep(0.5)


async def _sum_up(stage: Stage) -> None:
    """All of the past at once; in life it takes five times as long, and a fifth of a core."""
    settings = read_settings(stage.folder / "crossdock.toml")
    async with Database(stage.url) as database:
        async with database.transaction() as tx:
            rules = await rules_seen(tx, settings)
        while (await sum_up(database, rules)).behind:
            pass


def _signed_in(stage: Stage, hub: Program) -> Visitor:
    async def link() -> str:
        async with Database(stage.url) as database:
            return await invitation(database, "bench", ("admin",))

    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    visitor = Visitor(hub.address, opener)
    opener.open(f"{hub.address}{asyncio.run(link())}", data=b"", timeout=60).read()
    return visitor


def _pages(stage: Stage) -> dict[str, str]:
    """Addresses by what they are called; the heaviest of each sort."""
    case = stage.count("select min(id) from cases")
    middle = ORDERS // 2
    day = _three_days_ago(stage)
    search = urllib.parse.quote(f"#{middle}")
    return {
        "home": "/console",
        "cases": "/console/cases",
        "cases of a system by words": "/console/cases?system=erp&text=field%203",
        "case of many": f"/console/case/{case}",
        "case of many, far down": f"/console/case/{case}?page={ORDERS // 200 // 25 - 1}",
        "orders stuck": "/console/work/invoicing",
        "refunds stuck, of which there are none": "/console/work/money",
        "belongs to nothing": "/console/work/unbound",
        "approvals": "/console/approvals",
        "approvals of a role": "/console/approvals?role=operator",
        "search by number": f"/console/search?q={search}",
        "search by payment": f"/console/search?q=pi_{middle}",
        "order": f"/console/order/order:shop:{middle}",
        "order with an approval": f"/console/order/order:shop:{middle // 500 * 500 + 3}",
        "why": f"/console/act/{middle * 4}",
        "flow": "/console/flow",
        "books of a week": "/console/books",
        "books of a quarter": f"/console/books?from={day - timedelta(days=88)}&to={day + timedelta(days=3)}",
        "books of a day with lines": f"/console/books?day={day}",
        "connections": "/console/connections",
        "differences": "/console/differences",
        "value": "/console/value",
        "policies": "/console/govern/policies",
        "connectors": "/console/govern/connectors",
        "audit": "/console/govern/audit",
        "audit by words that nobody said": "/console/govern/audit?text=nobody",
        "correct": f"/console/correct/order:shop:{middle}",
    }


def _three_days_ago(stage: Stage) -> date:
    found = stage.sql.execute("select (now() - interval '3 days')::date").fetchone()
    assert found
    return found[0]
