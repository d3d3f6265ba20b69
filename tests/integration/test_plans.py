"""How the hub's loops reach their rows: by key, whatever the tables' statistics say or don't say yet."""

from __future__ import annotations

from typing import LiteralString, cast

import psycopg

from crossdock.store.database import Database, rows
from crossdock.store.statements import load

_BY_KEY = "explain select 1 from document where connection = 'shop' and kind = 'order' and id = '7'"
_ROWS = (
    "insert into document select 'shop', 'order', n::text, 'order:shop:' || n, 'f', 1, 1, 0, '', false, now(), now(), now(), '{}'"
    " from generate_series(1, 3000) n"
)
_QUEUE: LiteralString = (
    "insert into due (promise, entity, target, priority, due_at, ordinal, deadline, document)"
    " select n, 'order:shop:' || n, 'erp', 2, now(), 1, now(), 'sale' from generate_series(1, 3000) n"
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


async def test_what_is_unresolved_on_a_document_is_found_by_its_entity_and_not_among_all_that_is_due(
    database_url: str,
) -> None:
    """By the index of claims each promise of a batch walked through its target's whole queue."""
    words = {"promise": [7], "entity": ["order:shop:7"], "document": ["sale"], "target": "erp"}
    statement = cast("LiteralString", f"explain {load('deliver')['busy']}")
    states: list[LiteralString] = ["analyze due", _QUEUE, "analyze due", "delete from due", "vacuum analyze due", _QUEUE]
    for state in states:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(state)
        async with Database(database_url, by_key=True) as database, database.transaction() as tx:
            plan = "\n".join(row[0] for row in await rows(tx, statement, words))
        assert plan.count("Index Cond: (entity = ") == 2, plan
        assert "due_claim" not in plan, plan
