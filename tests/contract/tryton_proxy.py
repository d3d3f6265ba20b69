"""A door before the real Tryton that spoils answers: calls happen there, and what comes back is lost, broken or another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

from crossdock.simulators.tryton import Tryton

Way = Literal["commit_then_drop", "commit_then_status", "commit_then_timeout", "garbage", "busy", "partial"]
SILENCE_SECONDS = 6.0


_SIGNING_IN = ("common.db.login", "res.user.get_preferences")


@dataclass
class Door:
    """What runs on loopback; `spoilt` holds the next call of each method to spoil, and how."""

    at: Tryton
    url: str = ""
    spoilt: dict[str, Way] = field(default_factory=dict[str, Way])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    """JSON-RPC errors to give instead of making the call, once, by method."""
    remembered: dict[str, bytes] | None = None
    """What signing in was answered, so that whoever comes next shares the session instead of waiting for its own."""

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        method = (await request.json())["method"].removeprefix("model.")
        if method in self.answers:
            return web.json_response({"id": 1, "error": self.answers.pop(method)})
        if self.remembered is not None and method in self.remembered:
            return web.Response(body=self.remembered[method], content_type="application/json")
        way = self.spoilt.pop(method, None)
        if way == "busy":
            return web.Response(status=503, text="could not serialize access due to concurrent update")
        headers = {name: value for name, value in request.headers.items() if name in ("Authorization", "Content-Type")}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.at.url + request.path_qs, data=body, headers=headers) as answer,
        ):
            said, status = await answer.read(), answer.status
        if self.remembered is not None and method in _SIGNING_IN and status == 200:
            self.remembered[method] = said
        return await self._spoil(request, way, status, said)

    async def _spoil(self, request: web.Request, way: Way | None, status: int, said: bytes) -> web.StreamResponse:
        match way:
            case None:
                return web.Response(status=status, body=said, content_type="application/json")
            case "commit_then_timeout":
                await asyncio.sleep(SILENCE_SECONDS)
                return web.Response(status=504)
            case "commit_then_status":
                return web.Response(status=502)
            case "garbage":
                return web.Response(body=said[: len(said) // 2], content_type="application/json")
            case _:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()


@asynccontextmanager
async def door(at: Tryton, remembered: dict[str, bytes] | None = None) -> AsyncGenerator[Door]:
    before = Door(at, remembered=remembered)
    app = web.Application(client_max_size=2**28)
    app.router.add_post("/{rest:.*}", before.pass_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        before.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield before
    finally:
        await runner.cleanup()
