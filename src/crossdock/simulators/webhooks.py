"""Webhooks as vendors really send them: at least once, unordered, late, sometimes never, sometimes not theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, Protocol

import aiohttp
import msgspec

from crossdock.kernel.ids import new_id
from crossdock.kernel.moments import Clock, system_clock

# Shopify retries 8 times over 4 hours; the same count, compressed to half a minute.
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0)
_ANSWER_SECONDS_MAX = 5.0
_IN_FLIGHT_MAX = 64
_SPREAD_SECONDS_MIN = 0.2
_FORGERS_SECRET = b"not the secret"


class WebhookMischief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What befalls webhooks; all but `delay_seconds` and `reorder` are probabilities from 0 to 1 a message.

    duplicate: sent twice · drop: never sent · delay_seconds: sent that much later · reorder: each held back for a random
    time, up to `delay_seconds` or 0.2 s · forge: besides the true one, a changed copy signed with another secret ·
    alter: changed on the way after signing, once; the retry is sound.
    """

    duplicate: float = 0.0
    drop: float = 0.0
    delay_seconds: float = 0.0
    reorder: bool = False
    forge: float = 0.0
    alter: float = 0.0


class Spoiling(Protocol):
    """Where a sender looks up what befalls its messages: `mischief.Mischief`."""

    random: Random
    webhooks: WebhookMischief


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell; `body` is sent as it is, byte for byte, on every attempt."""

    id: str
    topic: str
    body: bytes
    made_at: datetime


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was never sent, or given up after the last retry; `body` is what it would have said."""

    id: str
    topic: str
    body: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try at sending: `number` counts retries from 0, `copy` counts duplicates from 0."""

    message: Message
    number: int
    copy: int
    at: datetime


Sign = Callable[[Attempt, bytes], Mapping[str, str]]
"""(attempt, secret) -> every header the vendor sends with it, the signature of `attempt.message.body` among them."""


class Counts(msgspec.Struct):
    """What became of the messages; `attempts` counts requests, forged and altered ones included."""

    made: int = 0
    dropped: int = 0
    duplicated: int = 0
    late: int = 0
    """Held back by `delay_seconds` or `reorder`, duplicates included."""
    forged: int = 0
    altered: int = 0
    attempts: int = 0
    delivered: int = 0
    given_up: int = 0
    forgeries_accepted: int = 0
    """Forged or altered messages the target answered with 2xx: must stay 0."""


class WebhookSender:
    """Sends signed messages to one URL with the vendor's retries; anything but a 2xx within 5 s is tried again.

    `send` returns at once; `idle` waits until all is delivered or given up. Without a target nothing is
    sent, then or later.
    """

    def __init__(
        self,
        target_url: str | None,
        sign: Sign,
        mischief: Spoiling,
        *,
        secret: bytes,
        clock: Clock = system_clock,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.target_url = target_url
        self.counts = Counts()
        self.lost: list[Lost] = []
        self._sign = sign
        self._mischief = mischief
        self._secret = secret
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = asyncio.Semaphore(_IN_FLIGHT_MAX)
        self._session: aiohttp.ClientSession | None = None

    def send(self, topic: str, body: bytes, *, message_id: str | None = None) -> Message:
        """Tell the target, once or more or never, as the mischief has it; chance is drawn now, in the order of calls."""
        message = Message(id=message_id or new_id(), topic=topic, body=body, made_at=self._clock())
        self.counts.made += 1
        if self.target_url is None:
            return message
        chance, spoils = self._mischief.random, self._mischief.webhooks
        if chance.random() < spoils.drop:
            self.counts.dropped += 1
            self._lose(message)
            return message
        self._start(message, copy=0)
        if chance.random() < spoils.duplicate:
            self.counts.duplicated += 1
            self._start(message, copy=1)
        if chance.random() < spoils.forge:
            self.counts.forged += 1
            self._spawn(self._forge(message))
        return message

    async def idle(self) -> None:
        """Waits until every message is delivered or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Stop sending; what is on its way is lost, as when the vendor dies."""
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _start(self, message: Message, copy: int) -> None:
        spoils, chance = self._mischief.webhooks, self._mischief.random
        delay = _delay(spoils, chance)
        self.counts.late += delay > 0
        altered = chance.random() < spoils.alter
        self._spawn(self._deliver(message, copy, delay, altered))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: Message, copy: int, delay_seconds: float, altered: bool) -> None:
        await asyncio.sleep(delay_seconds)
        for number, pause in enumerate((*self._retry_seconds, None)):
            attempt = Attempt(message=message, number=number, copy=copy, at=self._clock())
            if await self._attempt(attempt, altered=altered and number == 0):
                self.counts.delivered += 1
                return
            if pause is not None:
                await asyncio.sleep(pause)
        self.counts.given_up += 1
        self._lose(message)

    def _lose(self, message: Message) -> None:
        self.lost.append(Lost(id=message.id, topic=message.topic, body=message.body.decode(errors="replace")))

    async def _attempt(self, attempt: Attempt, *, altered: bool) -> bool:
        headers = self._sign(attempt, self._secret)
        if not altered:
            return await self._post(headers, attempt.message.body)
        self.counts.altered += 1
        self.counts.forgeries_accepted += await self._post(headers, _altered(attempt.message.body))
        return False

    async def _forge(self, message: Message) -> None:
        forged = Message(id=new_id(), topic=message.topic, body=_altered(message.body), made_at=message.made_at)
        attempt = Attempt(message=forged, number=0, copy=0, at=self._clock())
        self.counts.forgeries_accepted += await self._post(self._sign(attempt, _FORGERS_SECRET), forged.body)

    async def _post(self, headers: Mapping[str, str], body: bytes) -> bool:
        if self.target_url is None:  # taken away meanwhile
            return False
        async with self._in_flight:
            self.counts.attempts += 1
            try:
                async with self._http().post(self.target_url, data=body, headers=headers) as answer:
                    await answer.read()
                    return answer.status < 300
            except (TimeoutError, aiohttp.ClientError, OSError):
                return False

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS_MAX)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=_IN_FLIGHT_MAX))
        return self._session


def _delay(spoils: WebhookMischief, chance: Random) -> float:
    if not spoils.reorder:
        return spoils.delay_seconds
    return chance.uniform(0.0, max(spoils.delay_seconds, _SPREAD_SECONDS_MIN))


def _altered(body: bytes) -> bytes:
    """The body with its last digit changed: still JSON of the same shape, so only the signature can tell."""
    for at in range(len(body) - 1, -1, -1):
        if 48 <= body[at] <= 57:
            return body[:at] + bytes([49 if body[at] == 57 else body[at] + 1]) + body[at + 1 :]
    return body + b" "
