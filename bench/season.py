"""A season of steady trade: each webhook leaves when it is due and a connection is free, whatever the hub does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec

from bench.load import Sender, request
from bench.webhooks import Webhook

_CONNECTIONS = 16
_TICK_SECONDS = 0.005
_AGAIN_SECONDS = 1.0  # as shops do, though they take longer


class Season(msgspec.Struct):
    """So many orders from `first` on, so many a second, to the hub at this door."""

    door: str
    first: int
    count: int
    rate: float


class Trade:
    """One season's webhooks; what is refused is sent again. `sells`: what is sent for an order, and with it."""

    def __init__(self, sells: Callable[[int], Iterator[Webhook]], season: Season) -> None:
        self._sells, self._season = sells, season
        self._host = urlsplit(season.door).netloc
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._free: deque[Sender] = deque()
        self._sent: dict[Sender, bytes] = {}
        self._under_way = 0

    async def run(self) -> None:
        """Until every webhook was taken."""
        where = urlsplit(self._season.door)
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, sender = await loop.create_connection(lambda: Sender(self), where.hostname, where.port)
            self._free.append(sender)
        began, sold = time.time(), 0
        while sold < self._season.count or self._waiting or self._under_way:
            due = min(self._season.count, int((time.time() - began) * self._season.rate) + 1)
            for n in range(sold, due):
                self._sell(self._season.first + n, began + n / self._season.rate)
            sold = max(sold, due)
            self._send()
            await asyncio.sleep(_TICK_SECONDS)

    def _sell(self, n: int, due: float) -> None:
        self._waiting.extend((request(self._host, each), due) for each in self._sells(n))

    def _send(self) -> None:
        while self._waiting and self._free:
            self._under_way += 1
            sender, (sent, due) = self._free.popleft(), self._waiting.popleft()
            self._sent[sender] = sent
            sender.send(sent, due)

    def answered(self, sender: Sender, due: float, *, refused: bool) -> None:
        if refused:
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._again, self._sent[sender], due)
        else:
            self._under_way -= 1
        self._free.append(sender)
        self._send()

    def _again(self, refused: bytes, due: float) -> None:
        self._under_way -= 1
        self._waiting.append((refused, due))
