"""What a request's end means is said once for all connectors; judged against a real server on loopback."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from crossdock.connect.link import Answer, Http, Link, fault_of, session_within
from crossdock.connect.secrets import Secret
from crossdock.kernel.faults import Fault, NotSent, Refused, Throttled, Transient, Unknown

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Line:
    """A server that answers with `handler`, the client that talks to it, and what each of them noticed."""

    def __init__(self) -> None:
        self.arrived: list[str] = []
        self.steps: list[str] = []
        self.http: Any = None

    async def spend(self, points: int) -> None:
        self.steps.append(f"spend {points}")

    def guard(self) -> None:
        self.steps.append("guard")


@asynccontextmanager
async def line_to(handler: Handler, *, timeout_seconds: float = 5.0, line: Line | None = None) -> AsyncGenerator[Line]:
    line = line or Line()

    async def heard(request: web.Request) -> web.StreamResponse:
        line.arrived.append(f"{request.method} {request.path}")
        line.steps.append("request")
        await request.read()
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", heard)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with session_within() as session:
        line.http = Http(session, url + "/", spend=line.spend, guard=line.guard, timeout_seconds=timeout_seconds)
        yield line
    await runner.cleanup()


def answering(status: int, body: bytes = b"{}", **headers: str) -> Handler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=named)

    return answer


async def fault_from(handler: Handler, *, safe: bool, timeout_seconds: float = 5.0, **asked: Any) -> Fault:
    """The fault one POST ends in."""
    async with line_to(handler, timeout_seconds=timeout_seconds) as line:
        with pytest.raises(Fault) as caught:
            (await line.http.post("/orders", {"n": 1}, safe=safe, **asked)).json()
        return caught.value


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 520, 599, 408])
async def test_nobody_knows_whether_a_server_error_came_before_or_after_the_effect(status: int) -> None:
    fault = await fault_from(answering(status), safe=False)
    assert type(fault) is Unknown
    assert str(status) in fault.detail


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_a_read_that_met_a_server_error_is_tried_again_later(status: int) -> None:
    assert type(await fault_from(answering(status), safe=True)) is Transient


@pytest.mark.parametrize(
    ("mark", "said", "kept"), [("X-Kept", "true", True), ("X-Kept", "false", False), ("", "true", False)]
)
@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_that_the_target_says_it_keeps_under_our_key_is_told_as_such_and_is_no_outage(
    mark: str, said: str, kept: bool, status: int
) -> None:
    async with line_to(answering(status, X_Kept=said)) as line:
        with pytest.raises(Unknown) as caught:
            await line.http.send("POST", "/refunds", {"n": 1}, kept_mark=mark)
    assert caught.value.kept == kept
    assert caught.value.outage == (status == 503 and not kept)


async def test_a_status_with_which_the_vendor_promises_that_nothing_happened_is_tried_again_later() -> None:
    fault = await fault_from(answering(503), safe=False, not_done=(503,))
    assert type(fault) is Transient
    assert not fault.outage
    assert type(await fault_from(answering(502), safe=False, not_done=(503,))) is Unknown


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_stop_the_lane(status: int, safe: bool) -> None:
    assert type(await fault_from(answering(status), safe=safe)) is Refused


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.05),
        ("-3", 0.05),
        ("86400", 3600.0),
        ("1e400", 2.0),
        ("nan", 2.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 2.0),
        ("", 2.0),
    ],
)
async def test_a_throttled_call_waits_as_long_as_the_target_says_within_reason(said: str, waits: float) -> None:
    fault = await fault_from(answering(429, Retry_After=said), safe=False)
    assert isinstance(fault, Throttled)
    assert fault.retry_after_seconds == waits


async def test_a_throttled_call_without_a_wait_gets_one() -> None:
    fault = await fault_from(answering(429), safe=False)
    assert isinstance(fault, Throttled)
    assert fault.retry_after_seconds == 2.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_but_named_to_the_operator(status: int) -> None:
    async with line_to(answering(status, Location="https://elsewhere.example/x")) as line:
        with pytest.raises(Refused, match=r"https://elsewhere\.example/x; set the final address"):
            await line.http.post("/orders", {})
        assert line.arrived == ["POST /orders"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 409, 410, 412, 418, 422])
async def test_every_other_status_is_the_connectors_own_to_read(status: int) -> None:
    async with line_to(answering(status, b"" if status == 204 else b'{"n":1}')) as line:
        answer = await line.http.post("/orders", {})
        assert (answer.status, answer.ok) == (status, status < 300)
        assert fault_of(answer, safe=False) is None


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """A promise of a thousand bytes, kept for five."""
    reply = web.StreamResponse(headers={"Content-Length": "1000"})
    await reply.prepare(request)
    await reply.write(b'{"n":')
    assert request.transport is not None
    request.transport.close()
    return reply


async def silent(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    """65 MiB of zeros, 66 kB on the wire."""
    return web.Response(body=gzip.compress(bytes(65 * 1024 * 1024), 9), headers={"Content-Encoding": "gzip"})


LOST = {
    "reset": reset,
    "cut body": cut,
    "time-out": silent,
    "oversized": endless,
    "broken JSON": answering(200, b'{"n":'),
    "deep JSON": answering(200, b"[" * 100_000 + b"]" * 100_000),
    "no UTF-8": answering(200, b'"\xff"'),
    "no JSON at all": answering(200, b"<html>"),
}


@pytest.mark.parametrize("name", LOST)
async def test_after_a_lost_answer_nobody_knows(name: str) -> None:
    assert type(await fault_from(LOST[name], safe=False, timeout_seconds=0.3 if name == "time-out" else 5.0)) is Unknown


@pytest.mark.parametrize("name", LOST)
async def test_after_a_lost_answer_to_a_read_nothing_has_happened(name: str) -> None:
    fault = await fault_from(LOST[name], safe=True, timeout_seconds=0.3 if name == "time-out" else 5.0)
    assert type(fault) is Transient


@pytest.mark.parametrize("safe", [True, False])
async def test_a_system_that_cannot_be_reached_is_an_outage_and_did_nothing(safe: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with aiohttp.ClientSession() as session:
            line = Line()
            http = Http(session, url, spend=line.spend, guard=line.guard)
            with pytest.raises(Transient) as caught:
                await http.post("/orders", {}, safe=safe)
    assert type(caught.value) is Transient
    assert caught.value.outage


async def test_a_name_that_does_not_resolve_is_an_outage() -> None:
    async with aiohttp.ClientSession() as session:
        line = Line()
        http = Http(session, "http://nowhere.invalid", spend=line.spend, guard=line.guard)
        with pytest.raises(Transient) as caught:
            await http.get("/")
    assert caught.value.outage


async def test_a_get_only_reads() -> None:
    async with line_to(answering(500)) as line:
        with pytest.raises(Transient):
            await line.http.get("/orders")


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("kept", [True, False])
async def test_a_request_whose_connection_was_cut_is_not_sent_again_behind_the_lanes_back(
    method: str, kept: bool
) -> None:
    answers: list[Handler] = [*([answering(200)] if kept else []), reset, answering(200)]

    async def one_after_the_other(request: web.Request) -> web.StreamResponse:
        return await answers.pop(0)(request)

    async with line_to(one_after_the_other) as line:
        if kept:
            await line.http.get("/")
        with pytest.raises(Unknown):
            await line.http.send(method, "/orders", {})
        assert line.arrived.count(f"{method} /orders") == 1


async def test_the_budget_is_spent_and_the_lease_checked_before_anything_is_sent() -> None:
    async with line_to(answering(200)) as line:
        await line.http.post("/orders", {}, points=12)
        await line.http.get("/orders")
    # The lease is checked before connecting, and again until the bytes go out, for a process may be stopped meanwhile.
    steps = [step for step, before in zip(line.steps, ["", *line.steps], strict=False) if step != before]
    assert steps == ["spend 12", "guard", "request", "spend 1", "guard", "request"]


async def test_a_process_that_lost_its_lease_sends_nothing() -> None:
    class LeaseGone(Exception):
        """The work belongs to another process now."""

    class Overtaken(Line):
        def guard(self) -> None:
            raise LeaseGone

    async with line_to(answering(200), line=Overtaken()) as line:
        with pytest.raises(LeaseGone):
            await line.http.post("/orders", {})
        assert line.arrived == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("asked", [1, 2])
async def test_a_process_that_loses_its_lease_while_it_connects_sends_nothing(
    method: str, asked: int, *, kept: bool
) -> None:
    class Stopped(Line):
        left = 99

        def guard(self) -> None:
            self.left -= 1
            if self.left < 0:
                raise NotSent

    async with line_to(answering(200), line=(line := Stopped())):
        if kept:
            await line.http.get("/")
        line.left, arrived = asked, len(line.arrived)
        with pytest.raises(NotSent):
            await line.http.send(method, "/orders", {} if method == "POST" or asked == 2 else None)
        await asyncio.sleep(0.05)
        assert len(line.arrived) == arrived
        assert line.http.has_changed == (asked > 1)  # which of its bytes are on their way nobody asks twice
        line.left = 99
        await line.http.send(method, "/orders", {})
        assert line.http.has_changed


async def test_a_body_travels_as_json_to_the_base_address_and_path() -> None:
    seen: list[tuple[str, str, bytes, str]] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path_qs, await request.read(), request.headers["X-Key"]))
        assert request.content_type == "application/json"
        return web.json_response({"id": 9})

    class Made(msgspec.Struct):
        id: int

    async with line_to(note) as line:
        answer = await line.http.send("PUT", "/orders/1?x=2", {"n": 1}, headers={"X-Key": "k"})
    assert seen == [("PUT", "/orders/1?x=2", b'{"n":1}', "k")]
    assert answer.decode(Made).id == answer.json()["id"] == 9


def test_a_refusal_quotes_the_target_but_not_at_length() -> None:
    fault = Answer(422, {}, b"sku \xff is unknown " + b"x" * 10_000).rejected("sku")
    assert fault.field == "sku"
    assert "HTTP 422: sku" in fault.detail
    assert len(fault.detail) < 600


async def test_a_link_shows_no_secret() -> None:
    class Settings(msgspec.Struct):
        token: Secret

    async with line_to(answering(200)) as line:
        link = Link(Settings(Secret("hunter2-hunter2")), line.http, {}, line.guard)
        shown = f"{link!r} {link.settings!r} {link.settings.token} {link.settings.token!r} {vars(link)!r}"
    assert "hunter2" not in shown
    assert link.settings.token.reveal() == "hunter2-hunter2"
