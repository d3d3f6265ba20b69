"""Bugs of a restored database: nobody sees that it is one, or what it forgot is done again."""

from __future__ import annotations

from pathlib import Path

from crossdock import hub
from crossdock.deliver import lane
from crossdock.deliver.following import Next, Situation
from crossdock.govern import watching
from crossdock.govern.watching import Watch


def set_back_unnoticed() -> None:
    """The database is what it says, whatever anybody saw of it before."""

    async def watched(url: str, folder: Path, by: str) -> Watch:
        return await watching.watched(url, folder / "of-this-start-only" / by, by)

    hub.watched_database = watched
    watching._kept = lambda file: None  # pyright: ignore[reportPrivateUsage]


def forgotten_acts_sent() -> None:
    """Once the sources have been read again, what is owed is sent, and nobody looks whether it was done."""

    def never(situation: Situation, *, by_level: bool, can_be_found: bool) -> Next | None:
        return None

    lane.forgotten = never
