"""What nobody may make the door do: read for ever, wait for ever, or hold what was never sent."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from crossdock.gateway.door import WebhookDoor, answer
from crossdock.gateway.inlet import Inlet
from crossdock.gateway.serving import Bounded, served
from crossdock.govern.connections import Connection, Pace
from crossdock.settle.translation import translate_pending
from crossdock.store.database import Database
from tests import standin
from tests.integration.watching import SECRET, post

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Impatient(Bounded):
    head_seconds, body_seconds = 0.3, 0.3


async def _fine(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await answer(send, 200, b"fine", b"text/plain")


@asynccontextmanager
async def _pipe(connection: type[Bounded] = Bounded) -> AsyncGenerator[Pipe]:
    async with served(_fine, "127.0.0.1:0", connection) as at:
        told = urlsplit(at.address)
        reader, writer = await asyncio.open_connection(told.hostname, told.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def _send_on(pipe: Pipe, head: bytes, piece: bytes, bytes_max: int) -> tuple[int, bytes]:
    """So much went out until it was cut off, and what was answered."""
    reader, writer = pipe
    writer.write(head)
    sent = 0
    try:
        while sent < bytes_max and not reader.at_eof():
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), 5)
            await asyncio.sleep(0)
            sent += len(piece)
        return sent, await asyncio.wait_for(reader.read(4096), 5)
    except ConnectionError:
        return sent, b""


@pytest.mark.parametrize("endless", [b"X-Long: ", b"X-Many: 1\r\n", b""])
async def test_a_head_without_end_is_cut_off_before_it_fills_the_memory(endless: bytes) -> None:
    head = b"POST /in/shop HTTP/1.1\r\nHost: hub\r\n" if endless else b"GET /"
    piece = endless * 512 if endless.endswith(b"\n") else b"a" * 4096
    async with _pipe() as pipe:
        sent, told = await _send_on(pipe, head + (b"" if endless.endswith(b"\n") else endless), piece, 32 * 1024 * 1024)
    assert sent < 4 * 1024 * 1024
    assert told.startswith(b"HTTP/1.1 431") or not told


async def test_fields_after_a_body_without_end_are_cut_off_too() -> None:
    head = b"POST /in/shop HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    async with _pipe() as pipe:
        sent, told = await _send_on(pipe, head, b"X-Many: 1\r\n" * 512, 32 * 1024 * 1024)
    assert sent < 4 * 1024 * 1024
    assert told.startswith(b"HTTP/1.1 431") or not told


async def test_a_long_head_that_comes_at_once_is_refused_and_a_usual_one_is_not() -> None:
    async with served(_fine, "127.0.0.1:0") as at, aiohttp.ClientSession() as session:
        many = {f"X-{n}": "a" * 1000 for n in range(70)}
        async with session.get(at.address, headers=many) as told:
            assert told.status == 431
        async with session.get(at.address, headers=dict(list(many.items())[:30])) as told:
            assert (told.status, "server" in told.headers) == (200, False)


@pytest.mark.parametrize(
    "sent", [b"", b"POST / HTTP/1.1\r\nHost: h", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"]
)
async def test_whoever_sends_a_little_and_then_nothing_is_not_waited_for(sent: bytes) -> None:
    async with _pipe(Impatient) as (reader, writer):
        writer.write(sent)
        began = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert time.monotonic() - began < 4


async def test_a_connection_serves_one_request_after_the_other_however_long_it_lives() -> None:
    async with served(_fine, "127.0.0.1:0", Impatient) as at, aiohttp.ClientSession() as session:
        for _ in range(4):
            async with session.post(at.address, data=b"x" * 100_000) as told:
                assert await told.read() == b"fine"
            await asyncio.sleep(0.15)


async def test_a_compressed_webhook_is_kept_as_it_came_and_never_inflated(database_url: str) -> None:
    given = standin.connector.settings(url="", webhook_secrets=(standin.Secret(SECRET),))
    connections = {"shop": Connection("shop", standin.connector, given, Pace())}
    bomb = gzip.compress(bytes(64 * 1024 * 1024), 9)
    async with Database(database_url, connections_max=3) as database, aiohttp.ClientSession() as session:
        inlet = Inlet(database, asyncio.Event())
        door = WebhookDoor(connections, inlet, 1_000_000)
        async with served(door, "127.0.0.1:0") as at:
            headers = {"Content-Encoding": "gzip"}
            assert await post(session, at.address, bomb, "m1", **headers) == 200
        await inlet.close()
        assert await translate_pending(database, {"shop": standin.connector}, 10) == 1
        async with database.transaction() as tx:
            found = await (await tx.execute("select outcome, length(body) from inbox")).fetchall()
        assert found == [(3, len(bomb))]
