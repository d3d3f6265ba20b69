"""What a process says of itself: alive, ready or why not, and its metrics; and what it costs where nobody asks."""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from crossdock.gateway.door import answer
from crossdock.gateway.health import Health, Lookout, with_health
from crossdock.gateway.serving import served
from crossdock.observe import metrics, spans
from crossdock.observe.spans import Spans, place_in
from crossdock.store.database import Database
from tests.desk import desk
from tests.integration.watching import parsed
from tests.promtool import promtool
from tests.stage import Stage, order, staged, told
from tests.standin.target import Target

THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def _elsewhere(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, 418, b"", b"text/plain")


async def _ask(health: Health, path: str) -> tuple[int, list[str]]:
    async with (
        served(with_health(health, _elsewhere), "127.0.0.1:0") as at,
        aiohttp.ClientSession() as session,
        session.get(at.address + path) as said,
    ):
        text = await said.text()
    return said.status, json.loads(text or "{}").get("reasons", [])


async def test_a_process_lives_is_ready_and_says_why_not(database_url: str) -> None:
    async with Database(database_url, connections_max=1) as database:
        health = Health(database)
        assert await _ask(health, "/healthz") == (200, [])
        assert await _ask(health, "/readyz") == (200, [])
        assert await _ask(health, "/elsewhere") == (418, [])
        health.leaving = True
        assert await _ask(health, "/readyz") == (503, ["it was told to stop"])
        assert await _ask(health, "/healthz") == (200, [])


async def test_a_database_that_lacks_a_migration_or_is_gone_makes_nobody_ready(database_url: str) -> None:
    async with Database(database_url, connections_max=1) as database:
        async with database.transaction() as tx:
            await tx.execute("delete from migration where name like '0014%'")
        assert await _ask(Health(database), "/readyz") == (
            503,
            ["the database lacks migration 0014_seen_and_sealed.sql"],
        )
        health = Health(database)
    assert await _ask(health, "/readyz") == (503, ["the database can't be reached"])
    assert await _ask(health, "/healthz") == (200, [])


@asynccontextmanager
async def _measured(stage: Stage, reports: Database) -> AsyncGenerator[str]:
    metrics.turn_on("0", {"sale": ("Order to ERP", 15)})
    try:
        lookout = Lookout(Health(stage.database), reports, {"loops": stage.database}, stage.hub.leases)
        async with served(lookout, "127.0.0.1:0") as at:
            yield at.address
    finally:
        metrics.turn_off()


async def _scrape(address: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as said:
        assert said.content_type == "text/plain"
        return parsed(await said.text())


async def test_metrics_say_what_is_due_where_and_for_how_long(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"), order("2", skus=["NONE-1"]))
        async with Database(database_url, connections_max=1) as reports, _measured(stage, reports) as address:
            await stage.deliver("erp")
            found = await _scrape(address)
        due = {
            tuple(sorted(dict(about).items())): n
            for (name, about), n in found.items()
            if name == "crossdock_due_promises"
        }
        assert due[(("age", "1m"), ("connection", "erp"), ("stage", "blocked"))] >= 1
        assert sum(due.values()) == stage.count("select count(*) from due")
        assert found["crossdock_cases_open", frozenset({("kind", "mapping")})] == 1
        assert found["crossdock_acts_kept_total", frozenset({("workflow", "Order to ERP"), ("in_time", "yes")})] == 1
        assert found["crossdock_database_connections", frozenset({("pool", "loops"), ("state", "idle")})] >= 1
        assert found["crossdock_buckets_held", frozenset()] == 256
        assert "order:shop" not in str(found)


async def test_prometheus_itself_finds_nothing_to_complain_of_in_the_metrics(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"), order("2", skus=["NONE-1"]))
        async with Database(database_url, connections_max=1) as reports, _measured(stage, reports) as address:
            await stage.deliver("erp")
            async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as said:
                page = await said.read()
    assert b"crossdock_due_promises{" in page
    assert promtool("check", "metrics", given=page) == ""


async def test_without_a_database_old_figures_are_not_shown_as_new_ones(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        async with Database(database_url, connections_max=1) as reports, _measured(stage, reports) as address:
            assert ("crossdock_observed_age_seconds", frozenset()) in await _scrape(address)
        async with _measured(stage, reports) as address:  # its connections are closed
            found = await _scrape(address)
        assert ("crossdock_observed_age_seconds", frozenset()) not in found
        assert not any(name.startswith("crossdock_due") for name, _ in found)
        assert ("crossdock_buckets_held", frozenset()) in found


@pytest.fixture
def kept() -> Any:
    exporter = InMemorySpanExporter()
    spans.turn_on(Spans(exporter, 1.0, {"service.name": "crossdock"}))
    yield exporter
    spans.turn_off()


async def test_an_entity_has_one_trace_from_its_message_to_its_call(database_url: str, kept: Any) -> None:
    tracing = spans.active()
    assert tracing is not None
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"), order("2", skus=["BAD"]))
        await stage.deliver("erp")
        stage.sql("update due set due_at = now()")
        await stage.settle()
        assert stage.count("select count(*) from trace_context") == 0  # nobody sent a trace along
    spans.turn_off()
    mine = [
        each for each in kept.get_finished_spans() if each.context.trace_id == tracing.place_of("order:shop:1").trace
    ]
    assert [each.name for each in mine if each.parent is None] == ["order"]
    assert {each.name for each in mine} == {"order", "receive", "settle", "call"}
    [root] = [each for each in mine if each.name == "order"]
    assert {each.parent.span_id for each in mine if each is not root} == {root.context.span_id}
    failed = [each for each in kept.get_finished_spans() if not each.status.is_ok and each.name == "call"]
    assert {
        each.attributes["crossdock.correlation_id"]
        for each in failed
        if each.attributes["crossdock.outcome"] == "rejected"
    } == {"order:shop:2"}


async def test_a_request_to_the_api_is_followed_to_what_it_asked_for(database_url: str, kept: Any) -> None:
    async with desk(database_url) as at:
        told_ = await at.done("1/returns", {"lines": [{"line": "1-0", "units": 1}]}, traceparent=THEIRS)
        assert at.headers["traceparent"] == THEIRS
        for wanted in ("content-security-policy", "x-frame-options", "x-content-type-options", "cache-control"):
            assert at.headers[wanted]
        await at.stage.settle()
        # The order is followed by its own trace, for it came in by no request; from theirs a link leads there.
        assert at.stage.count("select count(*) from trace_context where name = 'order:shop:1'") == 0
    spans.turn_off()
    found = kept.get_finished_spans()
    [request] = [each for each in found if each.name == "request" and each.parent is not None]
    assert f"{request.context.trace_id:032x}" in THEIRS
    assert request.attributes["crossdock.operation"] == "openReturn"
    assert request.attributes["crossdock.correlation_id"] == told_["order"] == "order:shop:1"
    tracing = Spans(InMemorySpanExporter(), 1.0, {})
    [received] = [each for each in found if each.parent and each.parent.span_id == request.context.span_id]
    assert received.name == "receive"
    assert [link.context.trace_id for link in received.links] == [tracing.place_of("order:shop:1").trace]


async def test_only_the_share_that_is_wanted_is_kept_each_trace_whole_or_not_at_all(database_url: str) -> None:
    exporter = InMemorySpanExporter()
    spans.turn_on(Spans(exporter, 0.5, {}))
    try:
        async with Target().serve() as target, staged(database_url, target) as stage:
            await stage.tell(*(order(str(n)) for n in range(40)))
    finally:
        tracing = spans.active()
        spans.turn_off()
    assert tracing is not None
    found = exporter.get_finished_spans()
    by_entity = {n: tracing.place_of(f"order:shop:{n}") for n in range(40)}
    kept = {n for n, place in by_entity.items() if place.sampled}
    assert 5 < len(kept) < 35
    settled = {each.attributes["crossdock.correlation_id"] for each in found if each.name == "settle"}
    assert settled == {f"order:shop:{n}" for n in kept}


async def test_a_sender_who_keeps_no_trace_is_followed_by_none(kept: Any) -> None:
    tracing = spans.active()
    assert tracing is not None
    unsampled = place_in(THEIRS.removesuffix("01") + "00")
    assert unsampled is not None
    assert tracing.begin("request", "server", unsampled, {}) is None
    assert [place_in(text) for text in ("", "00-" + "0" * 32 + "-b7ad6b7169203331-01", THEIRS + "x")] == [None] * 3


def test_what_nobody_watches_costs_nothing_and_is_not_even_imported() -> None:
    rounds = 100_000
    for active in (metrics.active, spans.active):
        each_seconds = min(timeit.repeat(active, number=rounds, repeat=5)) / rounds
        assert each_seconds < 1e-6  # a message passes five of these on its way, and takes 1,000 µs
    program = "import sys, crossdock.hub; print([n for n in sys.modules if n.partition('.')[0] in ('opentelemetry', 'prometheus_client', 'google')])"  # noqa: E501
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


async def test_no_call_takes_a_trace_along_where_nobody_traces(database_url: str) -> None:
    heard: list[str] = []

    @web.middleware
    async def hear(request: web.Request, handler: Any) -> web.StreamResponse:
        heard.append(request.headers.get("traceparent", "none"))
        return await handler(request)

    app = web.Application(middlewares=[hear])

    async def nothing(request: web.Request) -> web.StreamResponse:
        return web.json_response([])

    app.router.add_post("/many/{noun}", nothing)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with staged(database_url, url) as stage:
        await stage.tell(told(order("1")))
        assert await stage.deliver("erp")
    await runner.cleanup()
    assert set(heard) == {"none"}
