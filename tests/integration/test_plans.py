"""How the hub's loops reach their rows: by key, whatever the tables' statistics say or don't say yet."""

from __future__ import annotations

import psycopg

from crossdock.store.database import Database, rows

_BY_KEY = "explain select 1 from document where connection = 'shop' and kind = 'order' and id = '7'"
_ROWS = (
    "insert into document select 'shop', 'order', n::text, 'order:shop:' || n, 'f', 1, 1, 0, '', false, now(), now(), now(), '{}'"
    " from generate_series(1, 3000) n"
)


async def test_a_document_is_looked_up_by_its_whole_key_before_and_after_there_are_statistics(
    database_url: str,
) -> None:
    """An index that shares the key's first columns was taken for it: each look walked through all of a kind."""
    for statement in (None, _ROWS, "analyze document"):
        if statement is not None:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(statement)  # pyright: ignore[reportArgumentType,reportCallIssue]
        async with Database(database_url, by_key=True) as database, database.transaction() as tx:
            plan = "\n".join(row[0] for row in await rows(tx, _BY_KEY))
        assert "Index Cond: ((connection = 'shop'::text) AND (kind = 'order'::text) AND (id = '7'::text))" in plan, plan
