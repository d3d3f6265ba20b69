"""A connection as it is swept: its lists, the terms, and the way to call it with what others leave of its budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from crossdock.connect.connector import Connector, List, Reads
from crossdock.connect.link import Link
from crossdock.govern.connections import SweepTerms


@dataclass(frozen=True)
class Source:
    """What a sweeper knows of one connection."""

    connection: str
    connector: Connector[Any]
    terms: SweepTerms
    open_link: Callable[[float], Link[Any]]
    """A link that stops calling at this moment, in `time.monotonic()` seconds."""
    is_quiet: Callable[[], bool]
    """Whether the connection asked for no calls just now."""
    asks_for_quiet: Callable[[float], None]
    """It does so for this many seconds."""

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.terms.grace_seconds)

    @property
    def kinds(self) -> dict[str, Reads]:
        """The kinds that are swept."""
        chosen = self.terms.kinds
        return {
            kind: reads
            for kind, reads in self.connector.reads.items()
            if (reads.list or reads.whole) and (chosen is None or kind in chosen)
        }

    def to_sweep(self) -> list[tuple[str, bool]]:
        """(kind, whole) of every list."""
        changes = [(kind, False) for kind, reads in self.kinds.items() if reads.list]
        return changes + [(kind, True) for kind, reads in self.kinds.items() if reads.whole]

    def apart(self) -> list[str]:
        """Kinds whose changes are not listed as the beginning of the same list as everything."""
        return [kind for kind, reads in self.kinds.items() if reads.list is not reads.whole]

    def lister(self, kind: str, *, whole: bool) -> List:
        reads = self.kinds[kind]
        found = reads.whole if whole else reads.list
        assert found is not None, f"{kind} of {self.connection} is not listed"
        return found

    def tracked(self, kind: str) -> tuple[str, ...]:
        """The kinds of documents of which one list tells all there is."""
        return (kind, *self.kinds[kind].tells)

    def by_id(self, kind: str) -> bool:
        return self.kinds[kind].read is not None
