"""An app on an address of its own, by a server that takes no head without end, and waits for nobody without end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from crossdock.gateway.api import App
from crossdock.gateway.door import Receive, Scope, Send, answer
from crossdock.gateway.problems import CONTENT_TYPE, Problem

log = structlog.get_logger("crossdock")

# The largest head that any app here reads is 16 kB; the rest is for whoever stands in front and adds fields.
_HEAD_BYTES_MAX = 64 * 1024
# Whoever sends a byte now and then would keep a connection for ever. The largest body, at 300 kB a second, takes a minute.
_HEAD_SECONDS, _BODY_SECONDS = 20.0, 60.0
# Requests that are under way when the process is told to end have so long; then they are cut short, which takes a moment.
_STOP_SECONDS, _CUT_SECONDS = 5, 1.0
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _TooLong(Exception):
    """The head of a request goes on and on."""


class Bounded(HttpToolsProtocol):
    """One connection."""

    head_seconds, body_seconds = _HEAD_SECONDS, _BODY_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._waits: asyncio.TimerHandle | None = None
        self._in_head, self._head_bytes = True, 0
        self._too_long = False
        self._trailer_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # What began in this very piece isn't counted: before it stands the end of another request.
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES_MAX:
                self._cut_off()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Fields after a body in chunks are no part of the request: they are not kept, and bounded like its head."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value)
        if self._trailer_bytes > _HEAD_BYTES_MAX:
            self._too_long = True
            raise _TooLong

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes, self._trailer_bytes = True, 0, 0
        self._wait(self.head_seconds)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > _HEAD_BYTES_MAX:
            self._too_long = True
            raise _TooLong
        super().on_headers_complete()
        self._wait(self.body_seconds)

    def on_message_complete(self) -> None:
        self._wait(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser gave up; where it was because of us we say why."""
        if self._too_long:
            self._cut_off()
        else:
            super().send_400_response(msg)

    def _cut_off(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def _wait(self, seconds: float | None) -> None:
        if self._waits is not None:
            self._waits.cancel()
        self._waits = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        """Signals are the hub's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """A port that nobody can listen at is our caller's `OSError`; `SystemExit` would end the loop under all its tasks."""
        try:
            await super().startup(sockets)
        except SystemExit as ended:
            where = f"{self.config.host}:{self.config.port}"
            raise OSError(f"can't listen on {where}; end what listens there, or set another address") from ended


def _to_the_end(app: App) -> App:
    """Whoever is cut short as the process ends is told to ask again: nobody knows whether it was done."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(event: Any) -> None:
            nonlocal begun
            begun = True
            await send(event)

        try:
            await app(scope, receive, noted)
        except asyncio.CancelledError:
            log.warning("a request was cut short, for the process ends")
            if not begun:
                ending = Problem(
                    "no-database", "the hub's process ends, and it may be stored: ask again, with the same key"
                )
                await answer(send, ending.status, ending.body(), CONTENT_TYPE)

    return answering


@dataclass(frozen=True)
class Served:
    """An app that is being served; `ended` when it ends by itself."""

    address: str
    ended: asyncio.Task[None]


@contextlib.asynccontextmanager
async def served(app: App, listen: str, connection: type[Bounded] = Bounded) -> AsyncGenerator[Served]:
    """Serve it at host:port until the block ends; `OSError` when nobody can listen there."""
    host, _, port = listen.rpartition(":")
    server = _Server(
        uvicorn.Config(
            _to_the_end(app),
            host=host,
            port=int(port),
            http=connection,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
            if serving.done():
                await serving
        bound = server.servers[0].sockets[0].getsockname()
        yield Served(f"http://{bound[0]}:{bound[1]}", serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=_STOP_SECONDS + _CUT_SECONDS)
