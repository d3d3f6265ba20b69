"""An app on an address of its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

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
