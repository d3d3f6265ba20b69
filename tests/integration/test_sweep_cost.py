"""What comparing costs: the rows PostgreSQL itself says were read to find what differs among thirty thousand documents."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from crossdock.store import sweep_trees, sweeps
from crossdock.store.database import Database
from crossdock.sweep import judging, tree
from crossdock.sweep.judging import Seen
from crossdock.sweep.source import Source
from tests.integration.sweeping import Swept, swept

DOCUMENTS = 30_000
_FILL = """
insert into document (connection, kind, id, entity, fact, epoch, token, observed, digest, gone,
                      recorded_at, changed_at, raised_at, body)
select 'shop', 'refund', 'r' || n, 'order:shop:' || n, 'refund:shop:r' || n, 1, 1, 0, decode(md5('r' || n), 'hex'), false,
       now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', '{}'
from generate_series(1, %s) n
"""
_EDIT = """
update document set digest = decode(md5('edited'), 'hex') where connection = 'shop' and kind = 'refund' and id = any(%s)
"""
_NOTE = "insert into sweep_stale select 'shop', 'refund', sweep_leaf(id) from unnest(%s::text[]) as i(id)"


def _listed(edited: frozenset[str] = frozenset()) -> Seen:
    """What a source lists that holds all of it, and some of it otherwise."""
    seen = Seen(items={"refund": {}})
    for n in range(1, DOCUMENTS + 1):
        id_ = f"r{n}"
        digest = hashlib.md5(("edited" if id_ in edited else id_).encode(), usedforsecurity=False).digest()
        seen.items["refund"][tree.key_of(id_)] = tree.item_of(id_, digest)
    return seen


def _read(at: Swept) -> int:
    """Rows of documents and nodes read by connections that are closed."""
    tables = "('document', 'sweep_node')"
    return at.count(f"select sum(idx_tup_fetch + seq_tup_read) from pg_stat_user_tables where relname in {tables}")


async def _built(at: Swept, source: Source) -> None:
    async with Database(
        at.url, by_key=True
    ) as apart:  # its own connections, so that what they read is told when they close
        for _ in range(100):  # whatever is open elsewhere on the server keeps a tree from being built
            if await judging.build(apart, source, "refund"):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("no tree was built")
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("edits", [0, 1, 10])
async def test_thirty_thousand_documents_are_compared_by_what_differs(database_url: str, edits: int):
    async with swept(database_url) as at:
        source: Source = at.sweeper().source
        await at.sweeper().plan()
        at.sql(_FILL, DOCUMENTS)
        at.sql("analyze document")
        await _built(at, source)
        at.sql("update sweep set next_at = now() where kind = 'refund' and whole")
        async with at.database.transaction() as tx:
            claimed = await sweeps.claim(tx, "shop", [("refund", True)], [], 60)
        assert claimed is not None
        edited = frozenset(f"r{n * 997}" for n in range(1, edits + 1))
        listed = _listed(edited)
        before = _read(at)
        async with Database(at.url, by_key=True) as apart:
            found = await judging.compare(apart, source, claimed, listed)
        await asyncio.sleep(0.5)
        assert found.absent == []
        assert found.touched <= 1 + edits * (4 * 16 + 12)
        assert _read(at) - before <= 1 + edits * (4 * 16 + 12)


async def test_what_changed_here_is_counted_again_and_nothing_else(database_url: str):
    async with swept(database_url) as at:
        source = at.sweeper().source
        await at.sweeper().plan()
        at.sql(_FILL, DOCUMENTS)
        await _built(at, source)
        ids = [f"r{n * 997}" for n in range(1, 6)]
        at.sql(_EDIT, ids)
        at.sql(_NOTE, ids)
        async with at.database.transaction() as tx:
            assert await sweep_trees.refresh(tx, "shop", "refund") == len(ids)
            [(items, total)] = (await sweep_trees.nodes(tx, "shop", "refund", 0, [0])).values()
        expected = tree.levels_of(_listed(frozenset(ids)).items["refund"])[0][0]
        assert (items, total) == (expected.items, expected.sum)
