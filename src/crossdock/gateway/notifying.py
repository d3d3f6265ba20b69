"""Telling subscribers what happened: each event until its receiver takes it, and those of one entity one after the other."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import aiohttp
import msgspec
import structlog

from crossdock import __version__
from crossdock.connect.outward import BadUrl, checked_url, connector_within, refusal_in
from crossdock.gateway import seeing
from crossdock.gateway.callers import Caller
from crossdock.gateway.feed import as_cloud_event, channels_of
from crossdock.gateway.sharing import Share
from crossdock.gateway.signing import signed_headers
from crossdock.govern.outside import SubscriptionSettings
from crossdock.govern.settings import Settings
from crossdock.govern.strongbox import Strongbox
from crossdock.store import cases, events, notifying, subscriptions
from crossdock.store.cases import Raised
from crossdock.store.database import Database, Transaction
from crossdock.store.decisions import Decider
from crossdock.store.notifying import Attempt, Outgoing, Queued, Turn

log = structlog.get_logger("crossdock")

_LEASE_SECONDS = 60.0
# A turn begins no attempt after this: the longest (25 s) and its record must end before the lease does.
_TURN_SECONDS = 30.0
_AT_ONCE = 8
# Where a receiver is down its events wait in the feed, which is kept anyhow; only so many are put on their way ahead.
_WAITING_MAX = 500
# What is refused holds up its own entity and nothing else, but for so many that nobody can mean it.
_WAITING_IN_ALL_MAX = 10_000
_MEND = "Have its receiver put right, then"
_FEED_EVENTS = 100
# So often the feed is looked at for each; a look at nothing costs four short transactions.
_LOOK_SECONDS = 1.0
# A receiver that is back is noticed within this, however long it was away.
_DOWN_SECONDS_MAX = 900.0
_RETRY_AFTER_SECONDS_MAX = 3600.0
_ANSWER_BYTES = 200
_BUSY = frozenset((429, 502, 503, 504))
_GONE = 410


@dataclass(frozen=True, slots=True)
class Heard:
    """What a receiver answered to one event; `down`: it is not this event that it would not take."""

    outcome: str
    status: int | None = None
    detail: str = ""
    down: bool = False
    retry_after_seconds: float = 0.0


@dataclass
class Notifier:
    """One of those who tell subscribers; any number of them, in any number of processes, share the work."""

    database: Database
    settings: Settings
    box: Strongbox
    share: Share = field(default_factory=Share)
    """With the others of its process."""
    luck: random.Random = field(default_factory=random.Random)
    _session: aiohttp.ClientSession | None = None

    @property
    def terms(self) -> SubscriptionSettings:
        return self.settings.subscriptions

    async def round(self) -> int:
        """One subscription that is due is told what there is; answers how many it was told, or 0 when none was due."""
        async with self.share.turn(self.database, _LEASE_SECONDS) as turn:
            if turn is None or await self._is_too_late(turn):
                return 0
            return await self._take(turn, time.monotonic() + _TURN_SECONDS)

    async def _take(self, turn: Turn, until: float) -> int:
        whole = await self._feed(turn)
        told, wait_seconds = await self._tell(turn, until)
        async with self.database.transaction() as tx:
            await notifying.leave(tx, turn, wait_seconds if whole or wait_seconds > _LOOK_SECONDS else 0.0)
        return told

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _is_too_late(self, turn: Turn) -> bool:
        """Nothing is skipped in silence: what it should be told next may be gone."""
        if turn.at >= turn.now - timedelta(days=self.settings.hub.keep_inbox_days):
            return False
        why = f"what happened after {turn.at:%Y-%m-%d %H:%M} is not kept any more"
        await self._disable(turn, why, remedy="Have its consumer replay from a later time, then")
        return True

    async def _feed(self, turn: Turn) -> bool:
        """What happened since is put on its way; answers whether that was all."""
        async with self.database.transaction() as tx:
            if await notifying.is_full(tx, turn, _WAITING_MAX, _WAITING_IN_ALL_MAX):
                return True
            channels = channels_of(_caller(turn), self.settings)
            found = await events.after(tx, turn.position, channels, types=turn.types, limit=_FEED_EVENTS)
            await notifying.enqueue(tx, turn, [_queued(each) for each in found.events], found.next)
        return found.whole

    async def _tell(self, turn: Turn, until: float) -> tuple[int, float]:
        """(how many events were tried, seconds until its next turn)"""
        tried, at_once, secrets = 0, 1 if turn.failures else _AT_ONCE, list[str]()
        while time.monotonic() < until:
            async with self.database.transaction() as tx:
                going = await notifying.heads(tx, turn, at_once)
                secrets = secrets or (await self._secrets(tx, turn) if going else [])
                above = await seeing.parents(tx, {each.entity for each in going})
            if not going:
                return tried, _LOOK_SECONDS
            heard = await asyncio.gather(*(self._send(turn, each, secrets, above) for each in going))
            tried, at_once = tried + len(going), _AT_ONCE
            if (wait_seconds := await self._record(turn, going, heard)) is not None:
                return tried, wait_seconds
        return tried, 0.0

    async def _secrets(self, tx: Transaction, turn: Turn) -> list[str]:
        kept = await subscriptions.secrets(tx, turn.id)
        return [self.box.open(each.sealed, each.name) for each in kept]

    async def _record(
        self, turn: Turn, going: Sequence[Outgoing], heard: Sequence[tuple[Heard, float]]
    ) -> float | None:
        """Seconds to leave the receiver alone for; None when it may be told more at once."""
        took = any(each.outcome == "delivered" for each, _ in heard)
        attempts = [
            self._attempt(turn, event, each, seconds, took=took)
            for event, (each, seconds) in zip(going, heard, strict=True)
        ]
        async with self.database.transaction() as tx:
            await notifying.record(tx, turn, attempts, took=took)
            await cases.raise_cases(tx, _given_up(turn, going, attempts))
        if any(each.outcome == "gone" for each, _ in heard):
            await self._disable(turn, "its receiver answered 410 Gone")
            return _LOOK_SECONDS
        if not took and self._is_long_ago(turn.failing_since, turn.now):
            await self._disable(
                turn, f"its receiver has taken nothing since {turn.failing_since:%Y-%m-%d %H:%M}", remedy=_MEND
            )
            return _LOOK_SECONDS
        if took or not any(each.down for each, _ in heard):
            return None
        asked = max(each.retry_after_seconds for each, _ in heard)
        return max(asked, min(self._wait(turn.failures), _DOWN_SECONDS_MAX))

    def _attempt(self, turn: Turn, event: Outgoing, heard: Heard, seconds: float, *, took: bool) -> Attempt:
        outcome = heard.outcome
        others_are_taken = took or not self._is_long_ago(turn.failing_since, turn.now)
        if outcome == "refused" and others_are_taken and self._is_long_ago(event.failed_at, turn.now):
            outcome = "given up"
        wait_seconds = self._wait(event.attempts)
        if heard.down:
            wait_seconds = min(wait_seconds, _DOWN_SECONDS_MAX)
        leaves = outcome in ("delivered", "given up")
        return Attempt(event.id, outcome, leaves, heard.status, heard.detail, seconds, wait_seconds)

    def _wait(self, failures: int) -> float:
        schedule = self.terms.retry_seconds
        return schedule[min(failures, len(schedule) - 1)] * self.luck.uniform(0.8, 1.2)

    def _is_long_ago(self, moment: datetime | None, now: datetime) -> bool:
        return moment is not None and moment < now - timedelta(hours=self.terms.give_up_hours)

    async def _disable(self, turn: Turn, why: str, *, remedy: str = "") -> None:
        """Nothing more is told; `remedy`: what a person should do before it is resumed."""
        log.warning("subscription disabled", subscription=turn.id, consumer=turn.consumer, reason=why)
        async with self.database.transaction() as tx:
            if not await notifying.disable(tx, turn, why):
                return
            await Decider(tx, "the hub").record("disable subscription", subscription=turn.id, reason=why)
            if remedy:
                await cases.raise_cases(tx, [_disabled(turn, why, remedy)])

    async def _send(
        self, turn: Turn, event: Outgoing, secrets: Sequence[str], above: Mapping[str, str]
    ) -> tuple[Heard, float]:
        """(what was answered, seconds it took)"""
        began, span = time.monotonic(), seeing.notified(event.entity, above)
        headers = {
            **({"traceparent": span.place.header} if span else {}),
            "Content-Type": "application/cloudevents+json",
            "User-Agent": f"Crossdock/{__version__}",
            **signed_headers(secrets, event.event, int(time.time()), event.body),
        }
        heard = await self._answer(turn.url, event.body, headers)
        if span is not None:
            span.end({"crossdock.outcome": heard.outcome}, "" if heard.outcome == "delivered" else heard.outcome)
        return heard, time.monotonic() - began

    async def _answer(self, told: str, body: bytes, headers: Mapping[str, str]) -> Heard:
        seconds = self.terms.timeout_seconds
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            url = checked_url(told, self.settings.reach)  # what the settings allow may have changed
            sent = self._opened().post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
            async with sent as answer:
                said = (await answer.content.read(_ANSWER_BYTES)).decode(errors="replace")
                return heard_of(answer.status, said, answer.headers.get("Retry-After", ""))
        except BadUrl as error:
            return Heard("unreachable", detail=str(error), down=True)
        except TimeoutError:
            return Heard("unreachable", detail=f"no answer within {seconds:g} s", down=True)
        except (aiohttp.ClientError, OSError) as error:
            return Heard("unreachable", detail=str(refusal_in(error) or type(error).__name__), down=True)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection for each attempt, so that each is judged by where its name leads now.
            connector = connector_within(self.settings.reach, force_close=True, use_dns_cache=False)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def heard_of(status: int, said: str, retry_after: str = "") -> Heard:
    """What an answer means; redirects are not followed."""
    plain = "".join(each if each.isprintable() else " " for each in said).strip()
    match status:
        case _ if 200 <= status < 300:
            return Heard("delivered", status, plain)
        case 410:
            return Heard("gone", status, plain)
        case _ if 300 <= status < 400:
            return Heard("refused", status, "a redirect is not followed; subscribe with the final address")
        case _ if status in _BUSY:
            return Heard("unreachable", status, plain, down=True, retry_after_seconds=_seconds(retry_after))
        case _:
            return Heard("refused", status, plain)


def _seconds(retry_after: str) -> float:
    return min(float(retry_after), _RETRY_AFTER_SECONDS_MAX) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _caller(turn: Turn) -> Caller:
    """Whose events they are: what the consumer sees now."""
    return Caller(turn.consumer, frozenset(), 0, frozenset((turn.tenant,)), turn.connection)


def _queued(event: events.Event) -> Queued:
    told = as_cloud_event(event)
    return Queued(told.id, told.type, event.entity, msgspec.json.encode(told))


def _disabled(turn: Turn, why: str, remedy: str) -> Raised:
    return Raised(
        subscriptions.causes(turn.id)[0],
        "subscription",
        f"A subscription of {turn.consumer} is disabled",
        f"{remedy}: crossdock subscription resume {turn.id}",
        f"{turn.url}: {why}",
    )


def _given_up(turn: Turn, going: Sequence[Outgoing], attempts: Sequence[Attempt]) -> list[Raised]:
    return [
        Raised(
            subscriptions.causes(turn.id)[1],
            "subscription",
            f"Events that a subscription of {turn.consumer} never took",
            f"Have its receiver put right; it may then replay. This closes with: crossdock subscription resume {turn.id}",
            f"{turn.url}: event {event.event}: HTTP {attempt.status} {attempt.detail}",
            f"event:{event.event}",
        )
        for event, attempt in zip(going, attempts, strict=True)
        if attempt.outcome == "given up"
    ]
