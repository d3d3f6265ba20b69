"""Idempotency keys as the provider keeps them: for a window, with whatever the first execution answered, 500 included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from crossdock.kernel.moments import Clock
from crossdock.simulators.payments_form import Turned

KEY_LENGTH_MAX = 255


class KeySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How keys are kept; `window_seconds` 0 lets all of them expire at once.

    `execution_seconds`: how long a keyed request takes, while a second one with its key meets a conflict.
    `fail_next`: the next keyed request ends in a 500 that is kept, before or after its effect.
    """

    window_seconds: float = 24 * 3600.0
    execution_seconds: float = 0.0
    fail_next: Literal["before", "after"] | None = None


@dataclass(frozen=True)
class Answer:
    """What a request is answered with; `replayed` when its key already had this answer."""

    status: int
    body: Any
    replayed: bool = False


@dataclass(frozen=True)
class _Kept:
    asked: str
    answer: Answer
    at: datetime


class KeyRing:
    """The answers kept by key."""

    def __init__(self, clock: Clock) -> None:
        self.settings = KeySettings()
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._running: set[str] = set()

    def snapshot(self) -> dict[str, _Kept]:
        return dict(self._kept)

    def restore(self, saved: dict[str, _Kept]) -> None:
        self._kept = dict(saved)

    async def once(self, key: str, asked: str, execute: Callable[[], Any]) -> Answer:
        """The answer kept under the key, else that of executing now; `asked` is the request, to tell another from it."""
        if not key:
            return _answered(execute)
        self._check(key, asked)
        kept = self._kept.get(key)
        if kept is not None:
            return Answer(kept.answer.status, kept.answer.body, replayed=True)
        self._running.add(key)
        try:
            await asyncio.sleep(self.settings.execution_seconds)
            answer = self._executed(execute)
        finally:
            self._running.discard(key)
        self._kept[key] = _Kept(asked, answer, self._clock())
        return answer

    def _check(self, key: str, asked: str) -> None:
        if len(key) > KEY_LENGTH_MAX:
            raise Turned("Idempotency keys have at most 255 characters.", kind="idempotency_error", began=False)
        if key in self._running:
            told = "There is currently another in-progress request using this Idempotent Key."
            raise Turned(told, status=409, kind="idempotency_error", code="idempotency_key_in_use", began=False)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept.at >= timedelta(seconds=self.settings.window_seconds):
            del self._kept[key]
        elif kept is not None and kept.asked != asked:
            told = "Keys for idempotent requests can only be used with the same parameters they were first used with."
            raise Turned(told, kind="idempotency_error", began=False)

    def _executed(self, execute: Callable[[], Any]) -> Answer:
        failing, self.settings = self.settings.fail_next, msgspec.structs.replace(self.settings, fail_next=None)
        answer = None if failing == "before" else _answered(execute)
        if failing is None:
            assert answer is not None
            return answer
        return Answer(500, {"error": {"type": "api_error", "message": "An unknown error occurred."}})


def _answered(execute: Callable[[], Any]) -> Answer:
    """What execution came to; a parameter that can't be used is raised, for nothing began."""
    try:
        return Answer(200, execute())
    except Turned as turned:
        if not turned.began:
            raise
        return Answer(turned.status, {"error": turned.error})
