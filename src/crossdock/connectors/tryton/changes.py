"""Paging through what changed in Tryton since a cursor, in rounds that lose nothing.

A round goes through the changed records by id, so that a record changed meanwhile can't move between pages. Its time was
noted when it began; the next round begins there, earlier by more than any transaction takes, because Tryton stamps a record
when its transaction starts and shows it when it commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from crossdock.connect.link import Link
from crossdock.connectors.tryton.rpc import Values, Where, ask, fields_of, rows
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.moments import to_micros

PAGE = 100
_OVERLAP = timedelta(minutes=5)
"""A list of 400 sales takes Tryton 12 seconds."""


class Stamp(msgspec.Struct, frozen=True):
    """Tryton's time of a change, in the server's own clock."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    microsecond: int

    def __post_init__(self) -> None:
        try:
            _ = self.value
        except OverflowError as error:
            raise ValueError("no time") from error

    @property
    def value(self) -> datetime:
        day = (self.year, self.month, self.day, self.hour, self.minute, self.second, self.microsecond)
        return datetime(*day, tzinfo=UTC)  # a clock to compare with itself, whatever its zone is

    @property
    def token(self) -> int:
        return to_micros(self.value)


class Place(msgspec.Struct, frozen=True):
    """Where a listing stands: changes since when, in a round that began when, after which record."""

    since: datetime | None = None
    began: datetime | None = None
    after: int = 0

    @property
    def cursor(self) -> str:
        return msgspec.json.encode(self).decode()


class Found(msgspec.Struct, frozen=True):
    """Raw records of one page, and where to go on."""

    rows: list[msgspec.Raw]
    place: Place
    more: bool


class _Stamped(msgspec.Struct, frozen=True):
    last_modified_at: Stamp | None


class _Id(msgspec.Struct, frozen=True):
    id: int


async def changed(
    cursor: str,
    link: Link[Settings],
    model: str,
    shape: type[msgspec.Struct],
    *,
    where: Where = (),
    related: Sequence[tuple[str, str]] = (),
    clocks: Sequence[str] = (),
    **context: Any,
) -> Found:
    """One page of a model's records that changed, or whose `related` (field, model) did; `clocks` count for the round."""
    place = await _entered(cursor, link, (model, *clocks, *(other for _, other in related)))
    paths = ["last_modified_at", *(f"{field}.last_modified_at" for field, _ in related)]
    since = [["OR", *([path, ">=", as_stamp(place.since)] for path in paths)]] if place.since else []
    domain = [["id", ">", place.after], *where, *since]
    asked = [domain, 0, PAGE, [["id", "ASC"]], [*fields_of(shape), "id"]]
    found = await ask(link, f"model.{model}.search_read", list[msgspec.Raw], *asked, **context)
    if len(found) < PAGE:
        return Found(found, Place(since=place.began), False)
    last = msgspec.json.decode(found[-1], type=_Id).id
    return Found(found, Place(place.since, place.began, last), True)


async def counted(link: Link[Settings], model: str, where: Where, **context: Any) -> int:
    """How many records there are, as Tryton itself counts."""
    return await ask(link, f"model.{model}.search_count", int, list(where), **context)


def as_stamp(value: datetime) -> Values:
    parts = {"year": value.year, "month": value.month, "day": value.day, "hour": value.hour}
    return {"__class__": "datetime", **parts, "minute": value.minute, "second": value.second,
            "microsecond": value.microsecond}  # fmt: skip


def place_of(cursor: str) -> Place:
    return msgspec.json.decode(cursor, type=Place) if cursor else Place()


async def _entered(cursor: str, link: Link[Settings], models: Sequence[str]) -> Place:
    """The place a cursor names; at a round's beginning with its time, by the newest change there is."""
    place = place_of(cursor)
    if place.began is not None:
        return place
    newest = [await _newest(model, link) for model in models]
    known = [stamp - _OVERLAP for stamp in newest if stamp is not None]
    return Place(place.since, max(known, default=place.since), place.after)


async def _newest(model: str, link: Link[Settings]) -> datetime | None:
    found = await rows(link, model, [], _Stamped, order=[["last_modified_at", "DESC"]], limit=1)
    return found[0].last_modified_at.value if found and found[0].last_modified_at else None
