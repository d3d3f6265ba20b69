"""Running a simulator: inside a test, or as a program that never outlives who started it."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass

import uvloop
from aiohttp import web


@dataclass(frozen=True)
class Running:
    """A simulator that answers at `url`, an address without a slash at its end."""

    url: str


Serve = Callable[[], AbstractAsyncContextManager[Running]]


@asynccontextmanager
async def serving(app: web.Application, port: int = 0, host: str = "127.0.0.1") -> AsyncGenerator[Running]:
    """Serve the app on loopback; port 0 takes a free one. Requests still running at the end are cut after 0.2 s."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield Running(f"http://{host}:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def program_arguments(description: str) -> argparse.ArgumentParser:
    """The arguments every simulator program takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--hub", help="where its webhooks go: the hub's door, such as http://127.0.0.1:8080/in/shop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    return parser


def run_program(serve: Serve, *, stop_with_stdin: bool) -> None:
    """Serve until SIGTERM or SIGINT; print one JSON line of `Running`, {"url": …}, when ready.

    With `stop_with_stdin` it also ends when standard input does. A parent that holds the other end of that pipe takes the
    simulator with it however it dies, SIGKILL included.
    """
    uvloop.run(_until_stopped(serve, stop_with_stdin))


async def _until_stopped(serve: Serve, stop_with_stdin: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if stop_with_stdin:
        await loop.connect_read_pipe(lambda: _StopAtEnd(stopped), sys.stdin)
    async with serve() as running:
        print(json.dumps(asdict(running)), flush=True)
        await stopped.wait()


class _StopAtEnd(asyncio.Protocol):
    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def connection_lost(self, exc: Exception | None) -> None:
        self._stopped.set()
