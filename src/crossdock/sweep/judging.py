"""The end of a whole pass: is the list complete, what differs, and what is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossdock.store import sweep_trees, sweeps
from crossdock.store.database import Database, Transaction
from crossdock.store.sweep_trees import Item as HeldItem
from crossdock.store.sweeps import Pass
from crossdock.sweep import tree
from crossdock.sweep.readings import Listed, listed_in
from crossdock.sweep.source import Source
from crossdock.sweep.tree import Level, Node

_PARTS_AT_ONCE = 200
# Ranges of leaves counted in one transaction, so that a million documents take no lock and no time-out.
_RANGES = 64


@dataclass
class Seen:
    """What a pass listed: what the source counts, and by kind each document's digest under its id's key."""

    counted: set[int] = field(default_factory=set[int])
    items: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])


@dataclass
class Differing:
    """What the trees of two sides do not agree on. `touched` counts the rows of ours it took to find out."""

    suspects: set[str] = field(default_factory=set[str])
    """Readings, by id, that state something else than is held."""
    absent: list[HeldItem] = field(default_factory=list[HeldItem])
    """What is held of the list's own kind, and was not listed."""
    touched: int = 0


async def seen(database: Database, claimed: Pass) -> Seen:
    """Everything a pass listed; of an item that came twice the later one."""
    found = Seen()
    after = 0
    while True:
        async with database.transaction() as tx:
            parts = await sweeps.parts(tx, claimed, after, _PARTS_AT_ONCE)
        for part in parts:
            for each in listed_in(part):
                found.counted.add(tree.key_of(each.counted_as))
                if each.kind:
                    found.items.setdefault(each.kind, {})[tree.key_of(each.id)] = each.item
        if len(parts) < _PARTS_AT_ONCE:
            return found
        after += len(parts)


async def build(database: Database, source: Source, kind: str) -> bool:
    """Every tree this list is compared with; False when that has to wait for others' transactions."""
    kinds = source.tracked(kind)
    async with database.transaction() as tx:
        missing = await sweep_trees.to_build(tx, source.connection, kinds)
    for each, may_be_built in missing:
        if not may_be_built:
            return False
        step = sweep_trees.LEAVES // _RANGES
        for first in range(0, sweep_trees.LEAVES, step):
            async with database.transaction() as tx:
                await sweep_trees.build_leaves(tx, source.connection, each, first, first + step - 1)
        async with database.transaction() as tx:
            await sweep_trees.build_above(tx, source.connection, each)
    return True


async def compare(database: Database, source: Source, claimed: Pass, listed: Seen) -> Differing:
    """Where the trees of what was listed and of what is held differ, from the root down to the documents."""
    found = Differing()
    for kind in source.tracked(claimed.kind):
        theirs = listed.items.get(kind, {})
        async with database.transaction() as tx:
            await sweep_trees.refresh(tx, source.connection, kind)
            leaves = await _differing_leaves(tx, source.connection, kind, tree.levels_of(theirs), found)
            held = await sweep_trees.items_in(tx, source.connection, kind, leaves) if leaves else []
        found.touched += len(held)
        ours = {tree.key_of(item.id): item for item in held}
        wanted = _unlike(theirs, ours, frozenset(leaves), claimed)
        found.suspects |= await _readings_of(database, claimed, kind, wanted)
        if kind == claimed.kind:
            found.absent = [item for key, item in sorted(ours.items()) if key not in theirs and _settled(item, claimed)]
    return found


async def _differing_leaves(
    tx: Transaction, connection: str, kind: str, theirs: Sequence[Level], found: Differing
) -> list[int]:
    asked = [0]
    for level, there in enumerate(theirs):
        rows = await sweep_trees.nodes(tx, connection, kind, level, asked)
        found.touched += len(rows)
        here = {node: Node(*counted) for node, counted in rows.items() if counted != (0, 0)}
        differing = tree.differing(asked, here, there)
        if level == tree.LEVELS or not differing:
            return differing
        asked = tree.children(differing)
    return []


def _unlike(theirs: Mapping[int, int], ours: Mapping[int, HeldItem], leaves: frozenset[int], claimed: Pass) -> set[int]:
    """The documents, by their ids' keys, that were listed otherwise than they are held; what was heard since is newer."""
    return {
        key
        for key, item in theirs.items()
        if tree.leaf_of_key(key) in leaves
        and ((held := ours.get(key)) is None or (held.item != item and _settled(held, claimed)))
    }


def _settled(held: HeldItem, claimed: Pass) -> bool:
    """Held as it is since before the pass began."""
    return held.raised_at < claimed.began_at


async def _readings_of(database: Database, claimed: Pass, kind: str, wanted: set[int]) -> set[str]:
    """The readings that stated these documents."""
    found: set[str] = set()
    after = 0
    while wanted:
        async with database.transaction() as tx:
            parts = await sweeps.parts(tx, claimed, after, _PARTS_AT_ONCE)
        found |= {each.reading for part in parts for each in listed_in(part) if _is_of(each, kind, wanted)}
        if len(parts) < _PARTS_AT_ONCE:
            break
        after += len(parts)
    return found


def _is_of(listed: Listed, kind: str, wanted: set[int]) -> bool:
    return listed.kind == kind and tree.key_of(listed.id) in wanted
