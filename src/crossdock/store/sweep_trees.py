"""The tree of digests over what is held of a kind: built once, then counted anew only where documents changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("sweep_tree")
LEAF_LEVEL = 4
LEAVES = 65536

Counted = tuple[int, int]
"""(documents, exclusive or of their digests)"""


@dataclass(frozen=True, slots=True)
class Item:
    """One held document of a leaf."""

    leaf: int
    id: str
    item: int
    entity: str | None
    epoch: int
    token: int
    recorded_at: datetime
    raised_at: datetime


async def begin(tx: Transaction, connection: str, kinds: Sequence[str]) -> None:
    """From the next transaction on, changes of these kinds are noted."""
    await run(tx, _SQL["begin_tree"], {"connection": connection, "kind": list(kinds)})


async def to_build(tx: Transaction, connection: str, kinds: Sequence[str]) -> list[tuple[str, bool]]:
    """Those of the kinds without a tree; False while some transaction may still change them unnoted."""
    return [
        (row[0], row[1]) for row in await rows(tx, _SQL["to_build"], {"connection": connection, "kind": list(kinds)})
    ]


async def build_leaves(tx: Transaction, connection: str, kind: str, first: int, last: int) -> None:
    await run(tx, _SQL["build_leaves"], {"connection": connection, "kind": kind, "first": first, "last": last})


async def build_above(tx: Transaction, connection: str, kind: str) -> None:
    """The levels above the leaves; the tree can be compared from then on."""
    for level in reversed(range(LEAF_LEVEL)):
        await run(tx, _SQL["build_above"], {"connection": connection, "kind": kind, "level": level})
    await run(tx, _SQL["built"], {"connection": connection, "kind": kind})


async def refresh(tx: Transaction, connection: str, kind: str) -> int:
    """Count anew what changed; answers how many leaves."""
    of = {"connection": connection, "kind": kind}
    nodes = [row[0] for row in await rows(tx, _SQL["take_stale"], of)]
    stale = len(nodes)
    if nodes:
        await run(tx, _SQL["count_leaves"], {**of, "leaf": nodes})
    for level in reversed(range(LEAF_LEVEL) if nodes else range(0)):
        nodes = sorted({node // 16 for node in nodes})
        await run(tx, _SQL["count_above"], {**of, "level": level, "node": nodes})
    return stale


async def nodes(
    tx: Transaction, connection: str, kind: str, level: int, wanted: Sequence[int]
) -> Mapping[int, Counted]:
    told = {"connection": connection, "kind": kind, "level": level, "node": list(wanted)}
    return {row[0]: (row[1], row[2]) for row in await rows(tx, _SQL["nodes"], told)}


async def items_in(tx: Transaction, connection: str, kind: str, leaves: Sequence[int]) -> list[Item]:
    told = {"connection": connection, "kind": kind, "leaf": list(leaves)}
    return [Item(*row) for row in await rows(tx, _SQL["items_in"], told)]
