"""The wire does what its weather says, and nothing in clear weather."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.chaos.network.wire import CLEAR, Weather, Wire

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Heard:
    """A server that keeps what it hears, and answers every line with itself."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.ended = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self.lines.append(line)
                writer.write(line)
                await writer.drain()
        self.ended.set()
        writer.close()


@contextlib.asynccontextmanager
async def wired() -> AsyncGenerator[tuple[Wire, Heard, Callable[[], Awaitable[Streams]]]]:
    heard, opened = Heard(), list[asyncio.StreamWriter]()
    server = await asyncio.start_server(heard.talk, "127.0.0.1", 0)
    async with Wire(server.sockets[0].getsockname()[:2]).serve() as wire:

        async def connect() -> Streams:
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            opened.append(writer)
            return reader, writer

        yield wire, heard, connect
    await _close(*opened)
    server.close()


async def _close(*writers: asyncio.StreamWriter) -> None:
    for each in writers:
        each.close()
        with contextlib.suppress(OSError):
            await each.wait_closed()


async def said(streams: Streams, line: bytes, seconds: float = 2.0) -> bytes:
    reader, writer = streams
    writer.write(line)
    return await asyncio.wait_for(reader.readline(), seconds)


async def test_in_clear_weather_everything_passes_ends_included() -> None:
    async with wired() as (wire, heard, connect):
        streams = await connect()
        assert await said(streams, b"x" * 60_000 + b"\n", 5) == b"x" * 60_000 + b"\n"
        streams[1].write_eof()
        await asyncio.wait_for(heard.ended.wait(), 2)
        assert await streams[0].read() == b""
        assert wire.struck == 0


async def test_a_socket_file_is_as_good_as_an_address(tmp_path: Path) -> None:
    heard = Heard()
    server = await asyncio.start_unix_server(heard.talk, tmp_path / "s")
    async with Wire(str(tmp_path / "s")).serve() as wire:
        streams = await asyncio.open_connection("127.0.0.1", wire.port)
        assert await said(streams, b"a\n") == b"a\n"
        await _close(streams[1])
    server.close()


async def test_deaf_back_the_deed_is_done_and_nobody_hears_of_it() -> None:
    async with wired() as (wire, heard, connect):
        streams = await connect()
        assert await said(streams, b"a\n") == b"a\n"
        wire.change(Weather(deaf="back"))
        with pytest.raises(TimeoutError):
            await said(streams, b"b\n", 0.3)
        assert heard.lines == [b"a\n", b"b\n"]
        assert wire.struck == 1


async def test_deaf_out_nothing_is_done() -> None:
    async with wired() as (wire, heard, connect):
        wire.change(Weather(deaf="out"))
        with pytest.raises(TimeoutError):
            await said(await connect(), b"a\n", 0.3)
        assert heard.lines == []


async def test_half_open_neither_end_hears_that_the_other_has_gone_and_clear_weather_does_not_heal_it() -> None:
    async with wired() as (wire, heard, connect):
        streams = await connect()
        assert await said(streams, b"a\n") == b"a\n"
        wire.change(Weather(half_open=True))
        with pytest.raises(TimeoutError):
            await said(streams, b"b\n", 0.2)
        wire.change(CLEAR)
        with pytest.raises(TimeoutError):
            await said(streams, b"c\n", 0.2)
        streams[1].close()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.ended.wait(), 0.2)
        assert await said(await connect(), b"d\n") == b"d\n"
        wire.forget()
        await asyncio.wait_for(heard.ended.wait(), 2)


async def test_drops_come_one_by_one() -> None:
    async with wired() as (wire, _, connect):
        wire.change(Weather(drip_seconds=0.02))
        began = time.monotonic()
        assert await said(await connect(), b"123456789\n") == b"123456789\n"
        assert time.monotonic() - began > 10 * 0.02 * 1.5


async def test_latency_is_there_and_back() -> None:
    async with wired() as (wire, _, connect):
        wire.change(Weather(latency_seconds=0.1))
        began = time.monotonic()
        await said(await connect(), b"a\n")
        assert time.monotonic() - began >= 0.2


async def test_a_reset_in_the_middle_of_an_answer_is_a_reset() -> None:
    async with wired() as (wire, heard, connect):
        wire.change(Weather(reset_after=4))
        reader, writer = await connect()
        writer.write(b"123456789\n")
        with pytest.raises(ConnectionResetError):
            assert len(await asyncio.wait_for(reader.readexactly(10), 2)) < 10
        assert heard.lines == [b"123456789\n"]


async def test_a_cut_resets_what_is_open_now_only() -> None:
    async with wired() as (wire, _, connect):
        streams = await connect()
        assert await said(streams, b"a\n") == b"a\n"
        wire.cut()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(streams[0].readexactly(1), 2)
        assert await said(await connect(), b"b\n") == b"b\n"
