"""What the judge goes by: every system's ledger, and what the hub says of itself over its public API. Read once, at rest."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote, urljoin

_SECONDS_MAX = 20.0
_NOT_NOW, _ASKED_AGAIN, _AGAIN_SECONDS = 503, 10, 1.0
_NEXT = re.compile('<([^>]*)>; rel="next"')
# What was sealed under a wrong clock may reach its target so much later.
_SEALED_BEFORE = timedelta(seconds=60)


@dataclass(frozen=True)
class Finding:
    """Something wrong. `kind`: lost, doubled or unexplained."""

    invariant: str
    kind: str
    what: str


@dataclass(frozen=True)
class Entry:
    """One line of a system's ledger."""

    seq: int
    at: datetime
    what: str
    key: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What the judge is told: addresses, a key for the hub's API, and the limits that were set."""

    hub: str
    key: str
    systems: Mapping[str, str | None]
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    slept_seconds: float = 0.0
    stood_still: Sequence[Sequence[float]] = ()
    """(until when, for how many seconds) no system ran: what was sent to them meanwhile came at once. Seconds since 1970."""
    held_up: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict[str, Sequence[Sequence[float]]])
    """The same of the wire to one system."""
    forgotten: Sequence[Sequence[str]] = ()
    """(from, until): times of which the hub's database was made to know nothing any more."""
    refunds_a_day: int | None = None
    """The most the hub may refund in a day (UTC)."""
    mails_since: str | None = None
    """When the retailer began to write mails, where that is not always."""
    wrong_clock: Sequence[Sequence[str]] = ()
    """(from, until): times in which its database's clock was wrong, so that what it dated then says nothing."""
    rest_seconds: float | None = 0.0
    swept: bool = False
    """Every source was read after its last webhook: what was lost then is no excuse."""
    keep: str = ""
    """A file for all that was read, when something was found."""


@dataclass
class Evidence:
    """`orders`, `intents` and `rebuilds` are by the order's key; an order the hub doesn't know is None in `orders`."""

    told: Told
    ledgers: dict[str, list[Entry]]
    lost: dict[str, list[Mapping[str, Any]]]
    """Webhooks that were never sent, by system."""
    counts: dict[str, Mapping[str, int]]
    """What became of webhooks, by system."""
    calls: dict[str, list[Mapping[str, Any]]]
    check: Mapping[str, Any]
    accounts: Sequence[Mapping[str, Any]]
    cases: Sequence[Mapping[str, Any]]
    orders: dict[str, Mapping[str, Any] | None]
    intents: dict[str, Sequence[Mapping[str, Any]]]
    rebuilds: dict[str, Mapping[str, Any]]

    def entries(self, system: str, what: str, key: str | None = None) -> Iterator[Entry]:
        for entry in self.ledgers.get(system, ()):
            if entry.what == what and key in (None, entry.key):
                yield entry

    @cached_property
    def _forgotten(self) -> dict[str, set[int]]:
        return {system: _set_back_over(ledger) for system, ledger in self.ledgers.items()}

    def has_forgotten(self, system: str, entry: Entry) -> bool:
        """Whether the system was set back over it: it happened, and the system knows nothing of it."""
        return entry.seq in self._forgotten.get(system, ())

    def standing(self, system: str, what: str, key: str | None = None) -> Iterator[Entry]:
        """What the system still knows of, and what it has forgotten and was not asked for again."""
        found = list(self.entries(system, what, key))
        known = {_name_of(entry) for entry in found if not self.has_forgotten(system, entry)}
        return (e for e in found if not self.has_forgotten(system, e) or _name_of(e) not in known)

    def forgotten(self, system: str, what: str) -> Iterator[Entry]:
        """What happened there, was forgotten, and never happened again."""
        return (entry for entry in self.standing(system, what) if self.has_forgotten(system, entry))

    def intent(self, key: str) -> Any:
        """What the hub sealed under a key, if it knows of it."""
        return next((each for some in self.intents.values() for each in some if each["key"] == key), None)

    def is_forgotten(self, at: datetime) -> bool:
        """Whether the hub was made to know nothing of what happened then."""
        return any(moment(since) <= at <= moment(until) for since, until in self.told.forgotten)

    def is_misdated(self, at: datetime) -> bool:
        """Whether what the hub dated shortly before then was dated by a wrong clock."""
        return any(moment(since) <= at <= moment(until) + _SEALED_BEFORE for since, until in self.told.wrong_clock)

    def cases_of(self, entity: str) -> list[Mapping[str, Any]]:
        return [case for case in self.cases if entity in case["entities"]]


def _name_of(entry: Entry) -> tuple[str, str]:
    """What tells it from others of its kind: a shop's entries are kept by order."""
    return entry.key, str([entry.details.get(name) for name in ("tracking", "note")])


def _set_back_over(ledger: Sequence[Entry]) -> set[int]:
    """The entries, by number, between each backup and the time it was restored; a ledger itself forgets nothing."""
    lost, saved = set[int](), 0
    for entry in ledger:
        if entry.what == "snapshot":
            saved = entry.seq
        elif entry.what == "restored":
            lost |= set(range(saved + 1, entry.seq))
    return lost


def gather(told: Told) -> Evidence:
    """Ask everybody."""
    systems = {name: url for name, url in told.systems.items() if url}
    ledgers = {name: [_entry(each) for each in _read(f"{url}/_ledger")] for name, url in systems.items()}
    entities = [f"order:shop:{entry.key}" for entry in ledgers["shop"] if entry.what == "order_placed"]
    hub = _Hub(told)
    orders = {entity: hub.ask(f"orders/{quote(entity)}/record", default=None) for entity in entities}
    known = [entity for entity, order in orders.items() if order is not None]
    return Evidence(
        told,
        ledgers,
        lost={name: _read(f"{url}/_ledger/lost", []) for name, url in systems.items()},
        counts={name: _read(f"{url}/_control/webhooks", {}) for name, url in systems.items()},
        calls={name: _read(f"{url}/_ledger/calls", []) for name, url in systems.items()},
        check=hub.ask("check"),
        accounts=hub.ask("accounts"),
        cases=hub.ask("cases"),
        orders=orders,
        intents={entity: hub.ask(f"orders/{quote(entity)}/intents") for entity in known},
        rebuilds={entity: hub.ask(f"orders/{quote(entity)}/rebuild") for entity in known},
    )


@dataclass(frozen=True)
class _Hub:
    told: Told

    def ask(self, path: str, default: Any = ...) -> Any:
        return _read(f"{self.told.hub}/{path}", default, {"Authorization": f"Bearer {self.told.key}"})


def _read(url: str, default: Any = ..., headers: Mapping[str, str] | None = None) -> Any:
    """The JSON there; `default` where there is nothing of that kind. Whoever says that they can't now is asked again."""
    for _ in range(_ASKED_AGAIN):
        try:
            return _read_once(url, default, headers)
        except urllib.error.HTTPError as error:
            if error.code != _NOT_NOW:
                raise RuntimeError(f"{url} answers {error.code}: {error.read(500)!r}") from error
        time.sleep(_AGAIN_SECONDS)
    raise RuntimeError(f"{url} answers {_NOT_NOW}, asked {_ASKED_AGAIN} times")


def _read_once(url: str, default: Any, headers: Mapping[str, str] | None) -> Any:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=dict(headers or {})), timeout=_SECONDS_MAX
        ) as answer:
            told, more = json.load(answer), _NEXT.search(answer.headers.get("Link", ""))
        return [*told, *_read(urljoin(url, more[1]), headers=headers)] if more else told
    except urllib.error.HTTPError as error:
        if error.code in (404, 405) and default is not ...:
            return default
        raise


def _entry(each: Mapping[str, Any]) -> Entry:
    return Entry(each["seq"], moment(each["at"]), each["what"], each["key"], each["details"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
