"""One page of a list asked for, and the signs by which a list that was cut short gives itself away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossdock.connect.connector import List
from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.store.sweeps import Pass
from crossdock.sweep.readings import Item, told_at

# Where vendors cut lists: a last page of exactly so many items is asked for what follows it.
_CUTS = (50, 100, 200, 250, 500, 1000)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a page; `flaw` is why the list is not to be taken for a whole one."""

    items: list[Reading]
    place: str
    more: bool
    flaw: str | None = None
    bare: tuple[str, ...] = ()
    behind: Behind | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """What a list showed behind its end: `new` are ids of readings, and `hidden` is the flaw if they were there all the time."""

    new: frozenset[str]
    hidden: str


async def page(lister: List, claimed: Pass, link: Link[Any]) -> Asked:
    """The page at the pass's place; where it looks cut, what follows it too."""
    found = await lister(claimed.place, link)
    if found.more and found.cursor == claimed.place:
        flaw = "its pages do not go on: the cursor stayed where it was"
        return Asked(found.items, found.cursor, False, flaw, found.bare)
    if found.more or not found.beyond or not _looks_cut(found):
        return Asked(found.items, found.cursor, found.more, None, found.bare)
    behind = await lister(found.beyond, link)
    if not behind.counted - found.counted:
        return Asked(found.items, found.cursor, False, None, found.bare)
    seen = {reading.id for reading in found.items}
    hidden = [reading for reading in behind.items if reading.id not in seen]
    flaw = f"it ended after a page of {len(found.counted)}, and had more"
    shown = Behind(frozenset(reading.id for reading in hidden), flaw)
    items, bare = [*found.items, *hidden], found.bare + behind.bare
    if behind.counted - found.counted <= shown.new:
        return Asked(items, behind.cursor, behind.more, None, bare, shown)
    return Asked(items, behind.cursor, behind.more, flaw, bare)


def cut_short(asked: Asked, items: Sequence[Item], began_at: datetime) -> str | None:
    """What a list hid at its end, unless all of it came about after the pass began."""
    if asked.behind is None:
        return asked.flaw
    new = [item for item in items if item.reading.id in asked.behind.new]
    at = [told_at(each.document) for item in new for each in item.stated if each.is_own]
    came_about = len(at) >= len(new) and all(moment is not None and moment >= began_at for moment in at)
    return asked.flaw if came_about else asked.behind.hidden


def _looks_cut(found: Page) -> bool:
    count = len(found.counted)
    return count in _CUTS or (found.asked > 0 and count >= found.asked)


def miscounted(before: int | None, after: int | None, listed: int) -> str | None:
    """The source says how many there are, before and after; what it listed must lie between."""
    counts = [count for count in (before, after) if count is not None]
    if not counts or min(counts) <= listed <= max(counts):
        return None
    return f"it counts {counts[-1]} and lists {listed}"
