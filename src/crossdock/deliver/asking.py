"""Asking systems at once: by a deadline, with what others leave of their budget, and content with an answer of some age."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.deliver.freshness import Freshness
from crossdock.deliver.lines import Line
from crossdock.kernel.faults import Fault, NotSent, Throttled
from crossdock.store import answers, brakes, settling
from crossdock.store.answers import Kept
from crossdock.store.budgets import Spare
from crossdock.store.database import LOST, Database

# A call that nobody waits for any more goes on as long as this, for its answer serves the next who ask.
_CALL_SECONDS = 30.0
# Of the calls that may be under way at once, so many may be questions: what is promised goes first.
_SHARE = 4

From = Literal["the system", "an earlier answer"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How old an answer may be, how long to wait for one, and whether the last known will do when there is none."""

    max_age_seconds: float
    deadline_seconds: float
    last_known: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, who gave it, and when; `body` is None where they know no such thing."""

    body: Any
    source: str
    at: datetime
    age_seconds: float
    given_by: From


class Unanswered(Exception):
    """Nobody answered by the deadline, and no earlier answer will do."""


class _NotNow(Exception):
    """The system is not to be asked now."""


@dataclass
class Asker:
    """Asks the connections of one process; the same question of several at once is asked once."""

    database: Database
    lines: Mapping[str, Line]
    _asking: dict[tuple[str, str, str], asyncio.Task[Answered]] = field(
        default_factory=dict[tuple[str, str, str], "asyncio.Task[Answered]"]
    )
    _turns: dict[str, asyncio.Semaphore] = field(default_factory=dict[str, asyncio.Semaphore])

    @cached_property
    def freshness(self) -> Freshness:
        return Freshness(self.database)

    async def ask(
        self, noun: type[msgspec.Struct], key: str, connections: Sequence[str], terms: Terms, trace: str = ""
    ) -> Answered:
        """The answer of the first of these connections that can give one; `Unanswered` where none does.

        `trace`: the W3C `traceparent` that the question takes along.
        """
        try:
            found = await self._ask(noun, key, connections, terms, trace)
        except Unanswered:
            self.freshness.unanswered(NAMES[noun])
            raise
        self.freshness.told(NAMES[noun], found.age_seconds, terms.max_age_seconds)
        return found

    async def _ask(
        self, noun: type[msgspec.Struct], key: str, connections: Sequence[str], terms: Terms, trace: str
    ) -> Answered:
        until = time.monotonic() + terms.deadline_seconds
        able = [each for each in dict.fromkeys(connections) if each in self.lines and self._can(each, noun)]
        if not able:
            raise Unanswered(f"no system that is asked for {NAMES[noun]} can answer; see docs/reference/connectors.md")
        async with self.database.transaction() as tx:
            kept = await answers.kept(tx, able, NAMES[noun], key)
        fresh = [each for each in kept if each.age_seconds <= terms.max_age_seconds]
        if fresh:
            return _again(fresh[0], noun)
        why = list[str]()
        for each in able:
            try:
                return await self._within(until, each, noun, key, trace)
            except (TimeoutError, Fault, NotSent, _NotNow, *LOST) as error:
                why.append(f"{each}: {str(error) or 'no answer in time'}")
        if kept and terms.last_known:
            return _again(kept[0], noun)
        raise Unanswered("; ".join(why))

    async def close(self) -> None:
        """What is still being asked is asked in vain."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self.freshness.write()

    def _can(self, connection: str, noun: type[msgspec.Struct]) -> bool:
        return noun in self.lines[connection].connector.asks

    async def _within(
        self, until: float, connection: str, noun: type[msgspec.Struct], key: str, trace: str
    ) -> Answered:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        asked = (connection, NAMES[noun], key)
        task = self._asking.get(asked)
        if task is None:
            task = self._asking[asked] = asyncio.create_task(self._call(connection, noun, key, trace))
            task.add_done_callback(lambda done: self._forget(asked, done))
        async with asyncio.timeout(left):
            return await asyncio.shield(task)

    def _forget(self, asked: tuple[str, str, str], done: asyncio.Task[Answered]) -> None:
        self._asking.pop(asked, None)
        if not done.cancelled():
            done.exception()  # whoever waited has seen it; it may be that nobody waits any more

    async def _call(self, connection: str, noun: type[msgspec.Struct], key: str, trace: str) -> Answered:
        line = self.lines[connection]
        async with self.database.transaction() as tx:
            stopped = await brakes.stopped_by(tx, connection)
            at = await settling.now(tx)
        if stopped is not None:
            raise _NotNow("it is stopped")
        if time.monotonic() < line.quiet_until:
            raise _NotNow("it asked for no calls just now")
        turn = self._turns.setdefault(connection, asyncio.Semaphore(max(1, line.in_flight // _SHARE)))
        async with asyncio.timeout(_CALL_SECONDS), turn:
            body = await self._said(line, noun, key, trace)
        async with self.database.transaction() as tx:
            await answers.keep(tx, connection, NAMES[noun], key, at, msgspec.json.encode(body))
            now = await settling.now(tx)
        return Answered(body, connection, at, (now - at).total_seconds(), "the system")

    async def _said(self, line: Line, noun: type[msgspec.Struct], key: str, trace: str) -> msgspec.Struct | None:
        link = line.link(time.monotonic() + _CALL_SECONDS, spend=Spare(line.budget).spend)
        link.http.trace = trace
        try:
            return await line.connector.asks[noun](key, link)
        except Throttled as error:
            line.hush(error.retry_after_seconds)
            raise


def _again(kept: Kept, noun: type[msgspec.Struct]) -> Answered:
    body = msgspec.json.decode(kept.body, type=noun | None)
    return Answered(body, kept.connection, kept.at, kept.age_seconds, "an earlier answer")
