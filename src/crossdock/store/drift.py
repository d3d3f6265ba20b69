"""Drift: what a sweep found a source to hold and the hub not, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("drift")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One document that was not held as its source holds it; `cause` is unheard, changed, edited, restored, gone or missing."""

    run: int
    connection: str
    kind: str
    thing: str
    entity: str | None
    cause: str
    since: datetime | None = None
    minor: int | None = None
    currency: str | None = None
    detail: str = ""


class Followed(msgspec.Struct, frozen=True):
    """A promise that was opened after a difference was heard; `at` is None until its target confirmed it."""

    name: str
    target: str
    repair: bool
    id: str | None
    at: datetime | None


class Found(msgspec.Struct, frozen=True):
    """A difference with what followed from it."""

    id: int
    connection: str
    kind: str
    thing: str
    entity: str | None
    cause: str
    since: datetime | None
    found_at: datetime
    minor: int | None
    currency: str | None
    detail: str
    settled: bool
    followed: list[Followed]
    still: int
    """How many of them are not confirmed yet."""
    cases: str


_COLUMNS = ("run", "connection", "kind", "thing", "entity", "cause", "since", "minor", "currency", "detail")


async def note(tx: Transaction, differences: Sequence[Difference]) -> None:
    if differences:
        records: list[Row] = [tuple(getattr(each, name) for name in _COLUMNS) for each in differences]
        await run(tx, _SQL["note"], columns(_COLUMNS, records))


async def listed(tx: Transaction, since: datetime, connection: str | None, limit: int) -> list[Found]:
    """The latest differences found since then, the first found first."""
    parameters = {"since": since, "connection": connection, "limit": limit}
    return [_found(row) for row in await rows(tx, _SQL["listed"], parameters)]


def _found(row: Row) -> Found:
    names = Found.__struct_fields__
    told = dict(zip(names, row, strict=True))
    told["followed"] = msgspec.json.decode(told["followed"], type=list[Followed])
    return Found(**told)
