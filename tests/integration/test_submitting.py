"""Partners' orders by the API: taken once, checked by field, edited by version, and then like any shop's."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crossdock.gateway.catalogue import ORDER_EXAMPLE
from tests.desk import Desk, desk
from tests.stage import PLACED_AT

EXAMPLE = ORDER_EXAMPLE | {"placed_at": PLACED_AT.isoformat()}
CANCELLED_AT = PLACED_AT.isoformat().replace("+00:00", "Z")
MARKET = {"connections": {"market": {"connector": "partner"}}}


@asynccontextmanager
async def market(database_url: str) -> AsyncGenerator[Desk]:
    """The API, with a partner that submits to its own channel."""
    async with desk(database_url, more=MARKET) as at:
        await at.admit("market", ["orders:read", "orders:write", "returns:write"], "main", "market")
        yield at


async def submit(at: Desk, **change: Any) -> tuple[int, Any]:
    return await at.ask("POST", "/v1/orders", EXAMPLE | change, who="market")


async def replaced(at: Desk, tag: str | None, **change: Any) -> tuple[int, Any]:
    headers = {} if tag is None else {"If-Match": tag}
    return await at.ask("PUT", "/v1/orders/M-1001/submission", EXAMPLE | change, who="market", **headers)


async def test_a_partners_order_is_sold_shipped_and_followed_like_a_shops(database_url: str) -> None:
    async with market(database_url) as at:
        status, done = await submit(at)
        assert (status, done["kind"], done["order"]) == (202, "order", "order:market:M-1001")
        assert at.headers["ETag"] == '"1"'
        await at.stage.run()
        assert (await at.ask("GET", done["href"], who="market"))[1]["state"] == "translated"
        _, told = await at.ask("GET", "/v1/orders/M-1001", who="market")
        confirmed = {each["name"] for each in told["milestones"] if each["confirmed_at"]}
        assert confirmed == {"sale", "shipment_order"}
        assert told["state"] == "waiting"  # for the warehouse
        assert (await at.ask("GET", "/v1/orders/1", who="market"))[0] == 404  # the shop's
        assert (await at.ask("GET", "/v1/orders/M-1001", who="desk"))[0] == 200  # the tenant sees them all
        lines = {"lines": [{"line": "1", "units": 1}]}
        assert (await at.ask("POST", "/v1/orders/M-1001/returns", lines, who="market"))[0] == 202
        await at.stage.settle()
        before = at.stage.promises_made()
        await at.stage.replay()
        await at.stage.run()
        assert at.stage.promises_made() == before
        await at.stage.checked()


async def test_an_order_is_submitted_once(database_url: str) -> None:
    async with market(database_url) as at:
        assert (await submit(at))[0] == 202
        status, told = await submit(at)
        assert (status, "PUT" in told["detail"]) == (409, True)
        assert at.stage.count("select count(*) from inbox where connection = 'market'") == 1


async def test_only_a_channels_own_consumer_submits_to_it(database_url: str) -> None:
    async with market(database_url) as at:
        await at.admit("shopper", ["orders:write"], "main", "shop")
        await at.admit("nowhere", ["orders:write"], "main")
        for who in ("shopper", "nowhere"):
            status, told = await at.ask("POST", "/v1/orders", ORDER_EXAMPLE, who=who)
            assert (status, "connector" in told["detail"]) == (403, True)


async def test_an_edit_names_the_version_it_replaces(database_url: str) -> None:
    async with market(database_url) as at:
        await submit(at)
        await at.stage.run()
        line = ORDER_EXAMPLE["lines"][0]
        fewer = {"lines": [line | {"ordered": 1}], "total": "15.00"}
        assert (await replaced(at, None, **fewer))[0] == 428
        assert (await replaced(at, '"2"', **fewer))[0] == 412
        assert (await at.ask("GET", "/v1/orders/M-1001/submission", who="market"))[1]["total"] == "25.00"
        assert at.headers["ETag"] == '"1"'
        assert (await replaced(at, '"1"', **fewer))[0] == 202
        assert at.headers["ETag"] == '"2"'
        assert (await replaced(at, '"1"', **fewer))[0] == 412  # somebody who had read the first
        await at.stage.run()
        _, told = await at.ask("GET", "/v1/orders/M-1001", who="market")
        assert (told["lines"][0]["ordered"], told["total"]["minor"]) == (1, 1500)
        gone = {"lines": [line | {"ordered": 0}], "total": "0", "shipping": [], "cancelled_at": CANCELLED_AT}
        assert (await replaced(at, '"2"', **gone))[0] == 202
        assert (await replaced(at, '"3"'))[1]["field"] == "cancelled_at"
        await at.stage.run()
        assert (await at.ask("GET", "/v1/orders/M-1001", who="market"))[1]["cancelled_at"] == CANCELLED_AT
        await at.stage.checked()


LINE = ORDER_EXAMPLE["lines"][0]
MISFITS: list[tuple[str, dict[str, Any]]] = [
    ("total", {"total": "25.01"}),
    ("total", {"total": "-1"}),
    ("total", {"total": "25.001"}),
    ("total", {"total": "٢٥"}),
    ("currency", {"currency": "usd"}),
    ("lines", {"lines": []}),
    ("lines[1].id", {"lines": [LINE, LINE]}),
    ("lines[0].ordered", {"lines": [LINE | {"ordered": -1}]}),
    ("lines[0].discount", {"lines": [LINE | {"discount": "20.01"}]}),
    ("lines[0].taxes[0].rate", {"lines": [LINE | {"taxes": [{"title": "t", "rate": "19", "amount": "1"}]}]}),
    ("lines[0].taxes[0].rate", {"lines": [LINE | {"taxes": [{"title": "t", "rate": "0.١", "amount": "0"}]}]}),
    ("lines[0].ordered", {"cancelled_at": "2026-03-03T00:00:00Z"}),
    ("placed_at", {"placed_at": "2026-03-02T09:30:00"}),
    ("placed_at", {"placed_at": "1970-01-01T00:00:00Z"}),
    ("placed_at", {"placed_at": "2999-01-01T00:00:00Z"}),
    ("id", {"id": "a/b"}),
    ("ship_to.country", {"ship_to": ORDER_EXAMPLE["ship_to"] | {"country": "Nowhere"}}),
    ("ship_to.name", {"ship_to": ORDER_EXAMPLE["ship_to"] | {"name": "a\0b"}}),
    ("body", {"unknown": 1}),
]


async def test_an_order_that_can_not_be_is_refused_by_field(database_url: str) -> None:
    async with market(database_url) as at:
        before = at.written()
        for field, change in MISFITS:
            status, told = await submit(at, **change)
            assert (status, told["field"]) == (422, field), told
        assert at.written() == before


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("id", {"id": "M-1002"}),
        ("placed_at", {"placed_at": "2026-03-02T09:31:00Z"}),
        ("currency", {"currency": "EUR"}),
        ("lines", {"lines": [LINE | {"id": "2"}]}),
        ("lines", {"lines": [LINE | {"sku": "TEA"}]}),
    ],
)
async def test_an_edit_leaves_what_was_sold_in_its_line(database_url: str, field: str, change: dict[str, Any]) -> None:
    async with market(database_url) as at:
        await submit(at)
        status, told = await replaced(at, '"1"', **change)
        assert (status, told["field"]) == (422, field), told
