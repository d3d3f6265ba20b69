"""A load generator in a process of its own: signs its webhooks beforehand, then sends them straight from sockets.

`python -m bench.load ADDRESS FIRST COUNT CONNECTIONS [RATE]` prints a JSON line when it is ready, waits for a line on its
input, sends, and prints what came of it. Without a rate each connection sends as soon as it is answered (closed loop).
With one, webhooks leave at fixed moments whatever the hub does (open loop), and times count from those moments, so that a
hub that stalls can't hide it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import resource
import sys
import time
from collections import deque
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench import webhooks

_TICK_SECONDS = 0.001
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Came(msgspec.Struct):
    """What came of it. `sent_at` are the Unix seconds at which each order was due to leave, `waited` until each answer."""

    seconds: float
    cpu_seconds: float
    refused: int
    sent_at: dict[int, float]
    waited_seconds: list[float]


def _length(head: bytes) -> int:
    """Of the body that follows: the hub's 200 has none, others say something, and not always in one piece."""
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


class Waiting(Protocol):
    """Who waits for answers."""

    def answered(self, sender: Sender, due: float, *, refused: bool) -> None: ...


class Sender(asyncio.Protocol):
    """One kept-alive connection; whoever waits is told when its answer is there."""

    def __init__(self, load: Waiting) -> None:
        self._load = load
        self._answer = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        self._due, self._answer = due, b""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if blank and len(body) >= _length(head):
            self._load.answered(self, self._due, refused=not self._answer.startswith(b"HTTP/1.1 200"))


class Load:
    """The webhooks still to be sent, and what came of those that were."""

    def __init__(self, requests: list[bytes], rate: float | None) -> None:
        self._requests = requests
        self._rate = rate
        self._next = 0
        self._free: deque[Sender] = deque()
        self._all_answered = asyncio.Event()
        self.due_at: list[float] = []
        self.waited: list[float] = []
        self.refused = 0

    async def run(self, senders: list[Sender]) -> float:
        """Send everything; answers how many seconds it took until the last answer."""
        self._free.extend(senders)
        began = time.time()
        if self._rate is None:
            self._send_due(began, len(self._requests))
        else:
            while self._next < len(self._requests):
                self._send_due(began, int((time.time() - began) * self._rate) + 1)
                await asyncio.sleep(_TICK_SECONDS)
        await self._all_answered.wait()
        return time.time() - began

    def _send_due(self, began: float, upto: int) -> None:
        while self._next < min(upto, len(self._requests)) and self._free:
            due = time.time() if self._rate is None else began + self._next / self._rate
            self.due_at.append(due)
            self._free.popleft().send(self._requests[self._next], due)
            self._next += 1

    def answered(self, sender: Sender, due: float, *, refused: bool) -> None:
        self.waited.append(time.time() - due)
        self.refused += refused
        self._free.append(sender)
        if self._rate is None:
            self._send_due(0.0, len(self._requests))
        if len(self.waited) == len(self._requests):
            self._all_answered.set()


def request(host: str, webhook: webhooks.Webhook) -> bytes:
    """A webhook as its bytes go to the shop's door."""
    headers, body = webhook
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /in/shop HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode() + body


async def main(address: str, first: int, count: int, connections: int, rate: float | None) -> None:
    where = urlsplit(address)
    requests = [request(where.netloc, webhook) for webhook in webhooks.webhooks(first, count)]
    orders = [n for n in range(first, first + count) for _ in range(webhooks.times_sent(n))]
    load = Load(requests, rate)
    loop = asyncio.get_running_loop()
    senders = [
        (await loop.create_connection(lambda: Sender(load), where.hostname, where.port))[1] for _ in range(connections)
    ]
    gc.disable()
    print(json.dumps({"ready": True, "address": ""}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = await load.run(senders)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The first time an order is sent is when the hub could know of it.
    sent_at = dict(reversed(list(zip(orders, load.due_at, strict=True))))
    print(msgspec.json.encode(Came(seconds, cpu_seconds, load.refused, sent_at, load.waited)).decode(), flush=True)


if __name__ == "__main__":
    _address, *_numbers = sys.argv[1:]
    _first, _count, _connections, *_rate = map(int, _numbers)
    uvloop.run(main(_address, _first, _count, _connections, _rate[0] if _rate else None))
