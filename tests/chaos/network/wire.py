"""A TCP proxy that is a bad wire: slow, dripping, deaf in one direction, dead without saying so, or cut in the middle.

Directions are seen from whoever connected: `out` is what it sends, `back` is what it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["out", "back"]
_CHUNK_BYTES = 65536
# Linger on, for no time: closing then resets the connection instead of ending it.
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Weather:
    """What the wire does to every connection, old and new, from now on. Clear weather does nothing.

    `deaf`: bytes of that direction are swallowed · `half_open`: both directions are, and whoever ends is not told ·
    `latency_seconds`: every piece is that much later · `drip_seconds`: bytes come one by one, so far apart ·
    `reset_after`: the connection is reset after so many bytes back.
    """

    deaf: Direction | None = None
    half_open: bool = False
    latency_seconds: float = 0.0
    drip_seconds: float = 0.0
    reset_after: int | None = None

    def swallows(self, direction: Direction) -> bool:
        return self.half_open or self.deaf == direction

    @property
    def holds_up(self) -> bool:
        """Whether what was sent one after the other may arrive together when it clears."""
        return self.latency_seconds > 0 or self.drip_seconds > 0


CLEAR = Weather()


@dataclass
class Wire:
    """Listens on loopback at `port` and passes on to an address, or to a socket file where `upstream` is a path."""

    upstream: tuple[str, int] | str
    weather: Weather = CLEAR
    port: int = 0
    struck: int = 0
    """Connections to which the weather has done something."""
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[Wire]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in set(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def change(self, weather: Weather) -> None:
        self.weather = weather

    def cut(self) -> None:
        """Reset every connection that is open now."""
        for link in set(self._links):
            link.reset()

    def forget(self) -> None:
        """Those that became deaf or half open stay so in clear weather, too: they are reset at last."""
        for link in {each for each in self._links if each.lost}:
            link.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio complains aloud about those of its own that are cancelled.
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                await self._pass_on(reader, writer)
        finally:
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._connect()
        link = _Link(self, writer, up_writer)
        self._links.add(link)
        try:
            await asyncio.gather(link.carry(reader, up_writer, "out"), link.carry(up_reader, writer, "back"))
        finally:
            self._links.discard(link)
            up_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)


@dataclass(eq=False)
class _Link:
    """One connection and its other half."""

    wire: Wire
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    lost: bool = False
    """Something of it was swallowed, so that it never will make sense again."""
    answered: int = 0
    noted: bool = False

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction) -> None:
        try:
            while piece := await source.read(_CHUNK_BYTES):
                await self._carry_piece(piece, sink, direction)
        except OSError:
            self.reset()
        else:
            await self._tell_end(sink, direction)

    async def _carry_piece(self, piece: bytes, sink: asyncio.StreamWriter, direction: Direction) -> None:
        weather = self.wire.weather
        if weather != CLEAR:
            self._note()
        if self.lost or weather.swallows(direction):
            self.lost = True
            return
        if weather.latency_seconds:
            await asyncio.sleep(weather.latency_seconds)
        if direction == "back" and weather.reset_after is not None:
            piece = piece[: max(0, weather.reset_after - self.answered)]
        self.answered += len(piece) if direction == "back" else 0
        await self._write(piece, sink, lambda: self.wire.weather.drip_seconds)
        if direction == "back" and weather.reset_after is not None and self.answered >= weather.reset_after:
            self.reset()

    async def _write(self, piece: bytes, sink: asyncio.StreamWriter, drip_seconds: Callable[[], float]) -> None:
        """Byte by byte for as long as it drips."""
        while piece and (apart := drip_seconds()):
            sink.write(piece[:1])
            piece = piece[1:]
            await sink.drain()
            await asyncio.sleep(apart)
        if piece:
            sink.write(piece)
            await sink.drain()

    async def _tell_end(self, sink: asyncio.StreamWriter, direction: Direction) -> None:
        """The other side hears of the end, unless the wire is dead; then never."""
        if self.lost or self.wire.weather.swallows(direction):
            self.lost = True
            await asyncio.Event().wait()
        with contextlib.suppress(OSError):
            sink.write_eof()

    def _note(self) -> None:
        if not self.noted:
            self.noted = True
            self.wire.struck += 1

    def reset(self) -> None:
        for writer in (self.near, self.far):
            held = writer.get_extra_info("socket")
            with contextlib.suppress(OSError, AttributeError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
