"""The release calendar: what changes when, announced by people or said where it stands (sunsets, terms that begin)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from crossdock.govern.api_changes import SUNSET, operations
from crossdock.govern.released import API, Release
from crossdock.govern.settings import Settings
from crossdock.store import governing
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.governing import Planned

What = Literal["change", "sunset", "terms"]
_SAYS_CHARACTERS_MAX = 300
_YEARS_MAX = 5
_PAST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is to come, or came lately; `planned` is its number where somebody announced it."""

    on_day: date
    what: str
    contract: str
    says: str
    by: str = ""
    planned: int | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """Somebody who announces things, inside one transaction."""

    tx: Transaction
    by: str

    async def plan(self, on_day: date, what: str, contract: str, says: str, today: date) -> int:
        if what not in ("change", "sunset"):
            raise NotDecidable(f"{what!r} can't be planned; a change or a sunset can")
        if not today <= on_day <= today.replace(year=today.year + _YEARS_MAX, day=1):
            raise NotDecidable(f"{on_day} is past, or more than {_YEARS_MAX} years ahead")
        for text, most in ((contract, 120), (says, _SAYS_CHARACTERS_MAX)):
            if not 0 < len(text.strip()) <= most or not text.isprintable():
                raise NotDecidable(f"say which contract, and what happens, in at most {most} printable characters")
        id_ = await governing.plan(self.tx, on_day, what, contract.strip(), says.strip(), self.by)
        told = {"planned": id_, "on": on_day, "kind": what, "contract": contract, "says": says}
        await Decider(self.tx, self.by).record("plan", **told)
        return id_

    async def call_off(self, id_: int) -> None:
        if not await governing.call_off(self.tx, id_, self.by):
            raise NotDecidable(f"nothing is planned as {id_} (any more)")
        await Decider(self.tx, self.by).record("call off", planned=id_)


async def entries(tx: Transaction, settings: Settings, releases: Iterable[Release], today: date) -> list[Entry]:
    """Everything from a month ago on, by its day."""
    since = today - _PAST
    found = [_announced(each) for each in await governing.planned(tx, since)]
    found += [each for each in (*_sunsets(releases), *_said_in(settings)) if each.on_day >= since]
    return sorted(found, key=lambda each: (each.on_day, each.contract, each.says))


def _announced(each: Planned) -> Entry:
    return Entry(each.on_day, each.what, each.contract, each.says, each.by, each.id)


def _sunsets(releases: Iterable[Release]) -> Iterator[Entry]:
    """Of major versions, and of single requests that are deprecated in the latest description."""
    latest: Mapping[str, Any] = {}
    for release in releases:
        latest = release.contracts[API].schema
        for major, day in release.sunsets.items():
            yield Entry(
                day, "sunset", f"version {major}", f"is served until then; version {release.version} follows it"
            )
    for (method, path), operation in operations(latest).items():
        if SUNSET in operation:
            yield Entry(date.fromisoformat(operation[SUNSET]), "sunset", API, f"{method} {path} is served until then")


def _said_in(settings: Settings) -> Iterator[Entry]:
    """Requests of the API that are to go from this hub, and terms that begin."""
    for name, each in settings.api.deprecated.items():
        if each.sunset is not None:
            yield Entry(each.sunset.date(), "sunset", API, f"{name} is served until then; see: crossdock deprecated")
    for terms in settings.policy.returns:
        yield Entry(terms.since.date(), "terms", "policy", f"terms of returns {terms.version} begin")
