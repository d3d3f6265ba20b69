"""The statements of the pages follow indexes: beside 20,000 orders none of them reads a table that grows with every order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from crossdock.store.statements import load
from tests.integration.crowd import ask_for, crowd

ORDERS = 20_000
_READS_ALL = re.compile(r"Seq Scan on (\w+)")
_THROWN_AWAY = re.compile(r"Rows Removed by (?:Join )?Filter: (\d+)")
_GROWN = 1_000
"""Rows; what has fewer here does not grow with every order."""
_ENTITY = ["order:shop:700"]
_NOW = datetime.now(UTC)
_DAY = _NOW.date()
_PAGE = {"limit": 101, "offset": 0}
_ALL = {"kind": "", "system": "", "whose": "", "quiet": False, "text": "", "channels": None}
_ASKED = {"entity": None, "role": "", "id": None, "channels": None, "after_until": None, "after_id": 0, **_PAGE}
_LOOKED_AT: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("figures", "counted", {}),
    ("desk", "facets", {"quiet": False}),
    ("desk", "groups", {**_ALL, **_PAGE}),
    ("desk", "groups", {**_ALL, **_PAGE, "text": "refused"}),
    ("desk", "case_by_id", {"id": 1}),
    ("desk", "items", {"id": 1, **_PAGE}),
    ("desk", "bodies", {"entity": _ENTITY}),
    ("desk", "attempts", {"promise": [100, 200, 300]}),
    ("desk", "worth", {"entity": _ENTITY}),
    ("desk", "numbers", {"entity": _ENTITY}),
    ("desk", "history", {"id": 1}),
    ("desk", "earlier", {"cause": "rejected:erp:sales_order:lines"}),
    ("desk", "trend", {"id": [1]}),
    ("desk", "similar", {"kind": "rejected", "system": "erp", "cause": "x", "title": "erp refuses sales order: lines"}),
    ("correcting", "stated", {"connection": "shop", "kind": "order", "id": "700"}),
    ("correcting", "corrections", {"people": "people", "entity": _ENTITY[0]}),
    ("correcting", "under_way", {"people": "people", "entity": _ENTITY[0]}),
    ("tally", "mark", {}),
    ("tally", "differing", {"wrong": False, **_PAGE}),
    ("tally", "unjudged", {"limit": 200}),
    ("tally", "work", {"first": _DAY, "last": _DAY}),
    ("tally", "released", {"since": _NOW, "until": _NOW}),
    ("tally", "refused", {"since": _NOW, "until": _NOW}),
    ("tally", "ended", {"since": _NOW, "until": _NOW}),
    ("tally", "assumptions", {}),
    ("tally", "forget_orders", {"entity": _ENTITY}),
    ("tally", "count_orders", {"entity": _ENTITY, "until": _NOW}),
    ("desk", "blocked", {"key": "map/erp/product/X", "limit": 8}),
    ("desk", "blocked_count", {"key": "map/erp/product/X"}),
    ("desk", "message", {"connection": "shop", "message_id": "700"}),
    ("desk", "stuck_first", {"limit": 800}),
    ("desk", "stuck_page", {"part": "invoicing", "promise": [100, 200], **_PAGE}),
    ("desk", "stuck_page", {"part": "invoicing", "promise": None, **_PAGE}),
    ("desk", "unbound_page", _PAGE),
    ("desk", "entity_stamp", {"entity": _ENTITY[0]}),
    ("desk", "case_stamp", {"id": 1}),
    ("desk", "home_stamp", {}),
    ("approvals", "open_requests", _ASKED),
    ("approvals", "open_requests", {**_ASKED, "role": "finance"}),
    ("approvals", "open_requests", {**_ASKED, "entity": _ENTITY[0], "limit": None}),
    ("approvals", "open_requests", {**_ASKED, "after_until": _NOW, "after_id": 700}),
    ("approvals", "open_requests", {**_ASKED, "channels": ["shop"], "id": 700, "limit": None}),
    ("trace", "entities_named", {"name": ["#700"], "connection": ["shop", "psp"], "kind": ["order", "capture"]}),
    ("trace", "messages", {"entity": _ENTITY}),
    ("trace", "promises", {"entity": _ENTITY}),
    ("trace", "attempts", {"entity": _ENTITY}),
    ("trace", "facts", {"entity": _ENTITY}),
    ("acts", "promise", {"promise": 700}),
    ("acts", "intents", {"promise": 700}),
    ("acts", "outcome", {"promise": 700}),
    ("connections", "backlog", {}),
    ("connections", "recent", {}),
    ("sessions", "session", {"digest": b"x"}),
    ("bulk", "take", {"limit": 200}),
    ("figures", "stuck", {}),
    ("figures", "targets", {}),
    ("figures", "cases", {}),
    ("figures", "unbound", {}),
    ("figures", "weigh_cases", {}),
    ("flow", "open", {"name": ["sale"], "workflow": ["Order to ERP"]}),
)


@pytest.fixture
def many_orders(database_url: str) -> str:
    crowd(database_url, ORDERS)
    with psycopg.connect(database_url, autocommit=True) as apart:
        ask_for(apart, "where n % 8 = 0", "finance")
        ask_for(apart, "where n % 800 = 1", "operator")
        apart.execute("""insert into decision (at, by, what, detail)
            select now() - n * interval '1 min', 'ada', 'retry', jsonb_build_object('case', 2 + n % 500, 'promises', 1)
            from generate_series(1, 3000) n""")
        apart.execute("insert into brake values ('erp', 'outage', 'no answer', now(), now(), 1)")
        apart.execute("vacuum analyze approval_request, brake, decision")
    return database_url


def test_no_page_reads_a_table_that_grows_with_every_order(many_orders: str) -> None:
    with psycopg.connect(many_orders, autocommit=True) as connection:
        grown = {row[0] for row in connection.execute("select relname from pg_class where reltuples > %s", (_GROWN,))}
        assert {"document", "promise", "receipt", "entity", "alias", "intent", "approval_request", "decision"} <= grown
        for file, name, parameters in _LOOKED_AT:
            statement = load(file)[name]
            rows = connection.execute(f"explain {statement}", parameters or None).fetchall()  # pyright: ignore
            plan = "\n".join(row[0] for row in rows)
            assert grown.isdisjoint(_READS_ALL.findall(plan)), f"{file}.{name}\n{plan}"


def test_no_page_walks_through_rows_that_it_throws_away(many_orders: str) -> None:
    """An index may be followed and the wrong way: all orders of a shop were read for what was received about one."""
    with psycopg.connect(many_orders, autocommit=True) as connection:
        for file, name, parameters in _LOOKED_AT:
            connection.execute("begin")
            explained = f"explain (analyze, timing off, costs off) {load(file)[name]}"
            plan = "\n".join(row[0] for row in connection.execute(explained, parameters or None).fetchall())  # pyright: ignore
            connection.execute("rollback")
            thrown = [int(each) for each in _THROWN_AWAY.findall(plan)]
            assert max(thrown, default=0) < _GROWN, f"{file}.{name}\n{plan}"


def test_a_list_of_what_is_held_up_reads_no_promise_that_is_not(many_orders: str) -> None:
    with psycopg.connect(many_orders, autocommit=True) as connection:
        connection.execute("""
            insert into due (promise, entity, target, priority, due_at, stage, actor, ordinal, deadline, document)
            select id, entity, target, 1, 'infinity', 5, 2, 2, now(), 'sale' from promise where id % 10 = 5""")
        connection.execute("vacuum analyze due")
        of_part = {"part": "money", "promise": None, **_PAGE}
        for statement, about in ((load("desk")["stuck_page"], of_part), (load("figures")["stuck"], None)):
            rows = connection.execute(f"explain (analyze, timing off) {statement}", about).fetchall()  # pyright: ignore
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan on promise" not in plan, plan


def test_no_check_compares_every_row_with_every_row(many_orders: str) -> None:
    with psycopg.connect(many_orders, autocommit=True) as connection:
        connection.execute("set statement_timeout = '4s'")
        for statement in load("checks").values():
            connection.execute(statement)


def test_a_part_of_the_books_reads_that_part_alone(many_orders: str) -> None:
    until = datetime.now(UTC) - timedelta(days=1)
    span = {"since": until - timedelta(hours=1), "until": until}
    of_days = {**span, "first": until.date(), "last": until.date(), "channel": "", "currency": "", "limit": 500}
    with psycopg.connect(many_orders, autocommit=True) as connection:
        asked = [(load("ledger")[name], {**of_days, "mark": span["since"]}) for name in ("entries", "by_day")]
        asked += [(load("tally")["add"], span), (load("tally")["add_work"], span)]
        for statement, about in asked:
            plan = "\n".join(row[0] for row in connection.execute(f"explain {statement}", about).fetchall())  # pyright: ignore
            assert not re.search(r"Seq Scan on (document|promise|receipt|attempt)\b", plan), plan
