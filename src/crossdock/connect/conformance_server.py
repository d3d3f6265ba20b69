"""A server on loopback that fails requests in one way: all, those behind a preamble, or those that may have an effect."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

from crossdock.connect.conformance_subject import Preamble, Rule, Script

RETRY_AFTER_SECONDS = 7.0


@dataclass(frozen=True)
class Failure:
    """One way for a request to fail; `status` is what it is answered with where there is an answer."""

    name: str
    way: Literal["status", "reset", "silence", "cut", "garbage", "unreachable"]
    status: int = 200
    body: bytes = b""
    whole: bool = False
    """The answer is good JSON that says nothing: a read may hand it on raw, for translation to refuse."""


FAILURES = (
    *(Failure(f"a {status}", "status", status) for status in (401, 403, 429, 500, 502, 503, 504)),
    Failure("a connection reset after the request", "reset"),
    Failure("a time-out", "silence"),
    Failure("an answer cut short", "cut"),
    Failure("broken JSON", "garbage", body=b'{"broken": '),
    Failure(
        "text that is no UTF-8", "garbage", body=b'{"id": "\xff", "data": "\xff", "items": "\xff", "result": "\xff"}'
    ),
    Failure("an empty object", "garbage", body=b"{}", whole=True),
    Failure("a refused connection", "unreachable"),
)


@dataclass(frozen=True)
class Seen:
    """One request that was failed. `safe`: by its method or the script it only reads."""

    method: str
    path: str
    body: bytes
    safe: bool


@dataclass
class FailingServer:
    """What runs on loopback while a check lasts."""

    failure: Failure
    script: Script
    past_preamble: bool = False
    """Answer the requests of the script's preamble."""
    behind: str = ""
    """The address of a system to which requests that only read are passed on."""
    failed: list[Seen] = field(default_factory=list[Seen])
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = _matching(self.script.preamble, request, body) if self.past_preamble else None
        if isinstance(answer, Preamble):
            return web.json_response(answer.answer, status=answer.status)
        safe = self._only_reads(request, body)
        if self.behind and safe:
            return await _passed_on(request, body, self.behind)
        self.failed.append(Seen(request.method, request.path_qs, body, safe))
        return await self._fail(request)

    def _only_reads(self, request: web.Request, body: bytes) -> bool:
        known = (*self.script.preamble, *self.script.safe)
        return (
            request.method in ("GET", "HEAD") or _is_graphql_query(body) or _matching(known, request, body) is not None
        )

    async def _fail(self, request: web.Request) -> web.StreamResponse:
        match self.failure.way:
            case "status":
                wait = {"Retry-After": str(RETRY_AFTER_SECONDS)} if self.failure.status == 429 else {}
                return web.json_response({"error": "scripted"}, status=self.failure.status, headers=wait)
            case "silence":
                await self._ended.wait()
            case "garbage":
                return web.Response(body=self.failure.body, content_type="application/json")
            case "cut":
                return await _half_an_answer(request)
            case "reset" | "unreachable":
                pass
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Serve on a free port and give the address; for a refused connection, one where nobody listens."""
        self.failed, self._ended = [], asyncio.Event()
        if self.failure.way == "unreachable":
            with socket.socket() as held:
                held.bind(("127.0.0.1", 0))
                yield f"http://127.0.0.1:{held.getsockname()[1]}"
            return
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{rest:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            self._ended.set()
            await runner.cleanup()


async def _passed_on(request: web.Request, body: bytes, origin: str) -> web.Response:
    """What the system behind answers."""
    headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
    async with (
        aiohttp.ClientSession() as session,
        session.request(request.method, origin + request.path_qs, data=body or None, headers=headers) as answer,
    ):
        content = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
        return web.Response(status=answer.status, body=await answer.read(), headers=content)


async def _half_an_answer(request: web.Request) -> web.StreamResponse:
    """Headers that promise a thousand bytes, and eight of them."""
    reply = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await reply.prepare(request)
    await reply.write(b'{"id": 1')
    if request.transport is not None:
        request.transport.close()
    return reply


def _matching(rules: tuple[Preamble | Rule, ...], request: web.Request, body: bytes) -> Preamble | Rule | None:
    text = f"{request.path_qs} {body.decode(errors='replace')}"
    return next((rule for rule in rules if rule.method == request.method and rule.match in text), None)


def _is_graphql_query(body: bytes) -> bool:
    """A GraphQL request that is no mutation only reads."""
    try:
        text = json.loads(body)["query"].lstrip()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return text.startswith(("query", "{", "fragment")) and "mutation" not in text.split("{")[0]
