"""The true ledger: what really happened to a simulated system, whatever its answers claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from crossdock.kernel.moments import Clock, system_clock


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened; `key` is the reference both sides know it by, `seq` counts from 1 without gaps."""

    seq: int
    at: datetime
    what: str
    key: str
    details: dict[str, Any]


class Ledger:
    """An append-only list that no restore and no fault ever shortens: tests judge effects on it alone."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []

    @property
    def entries(self) -> Sequence[Entry]:
        return self._entries

    def append(self, what: str, key: str = "", **details: Any) -> Entry:
        """Write down what happened; `details` must be JSON as msgspec writes it."""
        entry = Entry(seq=len(self._entries) + 1, at=self._clock(), what=what, key=key, details=details)
        self._entries.append(entry)
        return entry

    def select(self, what: str | None = None, key: str | None = None, after: int = 0) -> list[Entry]:
        """The entries of that kind and key with a `seq` above `after`, oldest first."""
        return [e for e in self._entries[after:] if what in (None, e.what) and key in (None, e.key)]

    def counts(self) -> dict[str, int]:
        """How often each thing happened."""
        return dict(Counter(entry.what for entry in self._entries))


def ledger_routes(app: web.Application, ledger: Ledger) -> None:
    """`GET /_ledger[?what=&key=&after=]`: a JSON list of entries; `GET /_ledger/counts`: an object of counts."""

    async def entries(request: web.Request) -> web.Response:
        query = request.query
        chosen = ledger.select(query.get("what"), query.get("key"), int(query.get("after", "0")))
        return web.Response(body=msgspec.json.encode(chosen), content_type="application/json")

    async def counts(request: web.Request) -> web.Response:
        return web.json_response(ledger.counts())

    app.router.add_get("/_ledger", entries)
    app.router.add_get("/_ledger/counts", counts)
