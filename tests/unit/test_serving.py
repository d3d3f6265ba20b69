"""An app on an address of its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest

from crossdock.gateway import serving
from crossdock.gateway.serving import served


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("nobody asks")


async def test_a_port_that_is_taken_is_an_error_of_whoever_serves_there_and_of_nobody_else() -> None:
    beside = asyncio.create_task(asyncio.sleep(0.2, "went on"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"can't listen on {taken}; end what listens there, or set another"):
            async with served(_nothing, taken):
                raise AssertionError("it can't be served")
    assert await beside == "went on"


async def test_a_name_that_is_no_address_of_this_machine() -> None:
    with pytest.raises(OSError, match=r"can't listen on 192\.0\.2\.1:8080"):
        async with served(_nothing, "192.0.2.1:8080"):
            raise AssertionError("it can't be served")


@pytest.mark.parametrize("begun", [False, True])
async def test_who_is_cut_short_as_the_process_ends_is_told_to_ask_again(
    monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    monkeypatch.setattr(serving, "_STOP_SECONDS", 1)
    asked = asyncio.Event()

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"par", "more_body": True})
        asked.set()
        await asyncio.Event().wait()

    async def ask(url: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/orders") as answer:
            return answer.status, await answer.json()

    async with served(endless, "127.0.0.1:0") as at:
        asking = asyncio.create_task(ask(at.address))
        await asked.wait()
    if begun:  # half an answer is never taken for a whole one
        with pytest.raises(aiohttp.ClientError):
            await asking
    else:
        status, said = await asking
        assert (status, said["type"]) == (503, "urn:crossdock:problem:no-database")
        assert "same Idempotency-Key" in said["remedy"]
