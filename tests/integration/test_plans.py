"""How the hub's loops reach their rows: by key, whatever the tables' statistics say or don't say yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString, cast

import psycopg
import pytest

from crossdock.store.database import BY_KEY, Database, rows
from crossdock.store.statements import load

_BY_ITS_KEY = "explain select 1 from document where connection = 'shop' and kind = 'order' and id = '7'"
_ROWS = (
    "insert into document select 'shop', 'order', n::text, 'order:shop:' || n, 'f', 1, 1, 0, '', false, now(), now(), now(), '{}'"
    " from generate_series(1, 3000) n"
)
_LOOPS = ("deliver", "settle", "documents", "inbox", "accounts")
_WALKED_IN_ORDER = {
    ("settle", "front", "dirty"),  # the longest waiting one
    ("inbox", "front", "inbox_pending"),
    ("documents", "waiting_names", "document"),  # every two seconds: what waits for a name, and has an index of its own
    ("deliver", "release_mapped", "mapping"),
    ("deliver", "claim", "recovery"),  # a row for each time that the database was set back
    ("deliver", "has_open", "recovery"),
    ("deliver", "forgotten_since", "recovery"),
    ("settle", "receipts_of", "recovery"),
    ("settle", "untried", "cases"),  # those in which rules fail have an index of their own
    # On a person's word, a part of the inbox by time.
    ("inbox", "leave_cases", "inbox"),
    ("inbox", "leave_cases", "case_item"),
    ("inbox", "read_again", "case_item"),
    ("inbox", "put_back", "inbox"),
    ("inbox", "read_part", "inbox"),
    ("inbox", "entities_in", "inbox"),
    ("inbox", "put_back", "evidence"),
    ("inbox", "entities_in", "evidence"),
}
_QUEUES: LiteralString = "vacuum analyze due, dirty, inbox_pending, case_item, waiting, approval_request, withdrawn"
_SCAN = re.compile(r"(?:Index (?:Only )?|Seq )Scan.* on (\w+?)(?:_\d+|_default)?(?: \w+)?  \(cost")
_NAMED = re.compile(r"%\((\w+)\)[sb]")


async def test_a_document_is_looked_up_by_its_whole_key_before_and_after_there_are_statistics(
    database_url: str,
) -> None:
    """An index that shares the key's first columns was taken for it: each look walked through all of a kind."""
    for statement in (None, _ROWS, "analyze document"):
        if statement is not None:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(statement)  # pyright: ignore[reportArgumentType,reportCallIssue]
        async with Database(database_url, by_key=True) as database, database.transaction() as tx:
            plan = "\n".join(row[0] for row in await rows(tx, _BY_ITS_KEY))
        assert "Index Cond: ((connection = 'shop'::text) AND (kind = 'order'::text) AND (id = '7'::text))" in plan, plan


@pytest.mark.parametrize("queues", ["never counted", "counted when they were empty"])
def test_no_statement_of_the_loops_walks_through_a_table(database_url: str, queues: str) -> None:
    """A queue is empty when the hub is at rest, and may be counted then: of one row any way seems as good."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if queues == "counted when they were empty":
            connection.execute(_QUEUES)
        for setting in BY_KEY.split(";"):
            connection.execute(cast("LiteralString", setting))
        found = [each for file in _LOOPS for each in _walks(connection, file)]
    assert [each for each in found if each not in _WALKED_IN_ORDER] == []


def _walks(connection: psycopg.Connection, file: str) -> Iterator[tuple[str, str, str]]:
    """(file, statement, table) for every table that is read whole, or by an index from one end to the other."""
    for name, statement in load(file).items():
        explained = cast("LiteralString", f"explain (generic_plan) {_numbered(statement)}")
        plan = [str(row[0]) for row in connection.execute(explained)]
        for table in _read_whole(plan):
            yield file, name, table


def _numbered(statement: str) -> str:
    """With PostgreSQL's own numbers for parameters: a generic plan is made without their values."""
    names = list(dict.fromkeys(_NAMED.findall(statement)))
    return _NAMED.sub(lambda named: f"${names.index(named[1]) + 1}", statement)


def _read_whole(plan: list[str]) -> Iterator[str]:
    for line, below in zip(plan, [*plan[1:], ""], strict=True):
        if (scan := _SCAN.search(line)) and "Index Cond:" not in below:
            yield scan[1]
