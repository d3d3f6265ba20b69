"""A subscriber's receiver that keeps what it was sent, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Manner = Callable[[dict[str, Any]], int | float | str]
"""What to do with an event: a status to answer, seconds to keep silent, or an address to redirect to."""


@dataclass
class Sent:
    """One request."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def is_signed_by(self, secret: str) -> bool:
        """As Standard Webhooks' own libraries prove it."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        told = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
        return expected in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    url: str = ""
    manner: Manner = lambda _: 204
    sent: list[Sent] = field(default_factory=list[Sent])
    taken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    strayed: int = 0
    """Requests at other addresses than the one that was given."""

    @property
    def subjects(self) -> list[str]:
        return [each["subject"] for each in self.taken]

    async def take(self, request: web.Request) -> web.Response:
        if request.path != "/hook":
            self.strayed += 1
            return web.Response()
        sent = Sent(dict(request.headers), await request.read())
        self.sent.append(sent)
        answer = self.manner(sent.event)
        match answer:
            case float():
                await asyncio.sleep(answer)
                return web.Response(status=500)
            case str():
                return web.Response(status=307, headers={"Location": answer})
            case _ if answer < 300:
                self.taken.append(sent.event)
        return web.Response(status=answer, text=f"answered {answer}", headers={"Retry-After": "0"})


@asynccontextmanager
async def receiving(manner: Manner = lambda _: 204) -> AsyncGenerator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(manner=manner)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
