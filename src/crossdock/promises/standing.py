"""Where an entity stands: its facts, each once, and what has been promised and kept about it so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import msgspec

N = TypeVar("N", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One system's latest document, as stored."""

    connection: str
    kind: str
    id: str
    fact: str
    version: tuple[int, int, int]
    """(epoch, source token, observation)"""
    recorded_at: datetime
    changed_at: datetime
    gone: bool
    body: Any


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so, however many documents say it; `id` is the identity its authority gave it."""

    id: str
    kind: str
    connection: str
    recorded_at: datetime
    changed_at: datetime
    body: Any


@dataclass(frozen=True, slots=True)
class Sealed:
    """An act or state that has been sent, or may have been: its body, and whether its outcome is known."""

    name: str
    body: Any
    confirmed: bool
    remote_id: str = ""
    """The target's own id of what came to be, for the acts whose facts name it."""
    held: Any = None
    """What the target answered that it holds: not always what it was told, or would be told now. For acts only of those
    that were done in a time the database has forgotten."""

    @property
    def content(self) -> Any:
        """What the target holds, as far as is known."""
        return self.body if self.held is None else self.held


@dataclass(frozen=True, slots=True)
class Standing:
    """All the pure core may look at."""

    entity: str
    facts: tuple[Fact, ...]
    as_of: datetime
    gone: bool = False
    """The entity's own thing was there and its source says that it is no more."""
    sealed: Mapping[str, Sealed] = field(default_factory=dict[str, Sealed])
    pins: Mapping[str, str] = field(default_factory=dict[str, str])
    hints: tuple[Fact, ...] = ()
    """Things the source says have changed without saying how; the body of each is a `Lookup`."""
    source_shows: frozenset[type[msgspec.Struct]] | None = None
    """The commands that the source's connector has a verb for; None: anything. What a till can't show it isn't told."""
    readable: frozenset[tuple[str, str]] = frozenset()
    """(connection, kind) that can be read by id."""

    @property
    def source(self) -> str:
        """The connection whose thing this entity is."""
        return self.entity.split(":", 2)[1]

    @property
    def source_id(self) -> str:
        return self.entity.split(":", 2)[2]

    def shows(self, noun: type[msgspec.Struct]) -> bool:
        """Whether the source can be told this."""
        return self.source_shows is None or noun in self.source_shows

    def of(self, kind: str) -> list[Fact]:
        """The facts of one kind, in the order of their identities."""
        return [fact for fact in self.facts if fact.kind == kind]

    def one(self, kind: str) -> Fact | None:
        """The entity's own fact of this kind, as its authority states it."""
        found = self.of(kind)
        return found[0] if found else None

    def all_sealed(self, prefix: str) -> list[Sealed]:
        """What was sealed under names that begin so, the first first: `sale`, `sale:2`, …, `sale:10`."""
        found = [sealed for name, sealed in self.sealed.items() if name == prefix or name.startswith(f"{prefix}:")]
        return sorted(found, key=lambda sealed: (len(sealed.name), sealed.name))

    def free(self, prefix: str, first: int = 1) -> Iterator[int]:
        """The numbers from `first` on under which nothing was sealed, the next first.

        Not the count of what was: an earlier one, of which a search found that it had not happened, may be among the gaps.
        """
        return (nth for nth in count(first) if f"{prefix}:{nth}" not in self.sealed)


def facts_of(evidence: Iterable[Evidence]) -> tuple[Fact, ...]:
    """Documents reduced to facts: per identity the authority's document speaks, then the highest version.

    The order of the documents, and how often each came, make no difference (S4). A fact is gone when its speaking
    document says so; it was recorded when the first document about it was.
    """
    speaking: dict[str, Evidence] = {}
    recorded: dict[str, datetime] = {}
    for document in evidence:
        held = speaking.get(document.fact)
        if held is None or _speaks_over(document, held):
            speaking[document.fact] = document
        first = recorded.get(document.fact)
        recorded[document.fact] = document.recorded_at if first is None else min(first, document.recorded_at)
    return tuple(
        Fact(fact, document.kind, document.connection, recorded[fact], document.changed_at, document.body)
        for fact, document in sorted(speaking.items())
        if not document.gone
    )


def _speaks_over(document: Evidence, held: Evidence) -> bool:
    return _weight(document) > _weight(held)


def _weight(document: Evidence) -> tuple[bool, tuple[int, int, int], str, str]:
    own = document.fact.startswith(f"{document.kind}:{document.connection}:")
    return (own, document.version, document.connection, document.id)
