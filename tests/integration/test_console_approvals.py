"""What waits for somebody's word on the pages: all of it page by page, and on an order's page its own alone."""

from __future__ import annotations

import psycopg

from crossdock.console.counting import count_what_is_due
from tests.integration.consoles import house
from tests.integration.crowd import ask_for, crowd


async def test_everything_that_waits_is_reached_page_by_page_what_is_due_first_first(database_url: str) -> None:
    crowd(database_url, 250)
    with psycopg.connect(database_url, autocommit=True) as apart:
        ask_for(apart, "where n % 2 = 0", "finance")
        ask_for(apart, "where n % 2 = 1", "operator")
    async with house(database_url) as desk:
        mara = await desk.person("mara")
        await count_what_is_due(desk.desk.database)
        shown = [(await mara.get(f"approvals?page={page}")).text for page in range(4)]
        found = [{n for n in range(1, 251) if f">#{n}</a>" in page} for page in shown]
        assert found == [set(range(1, 101)), set(range(101, 201)), set(range(201, 251)), set()]
        assert ["Next" in page or "More" in page for page in shown] == [True, True, False, False]
        assert "finance <b>125</b>" in shown[0]
        assert "operator <b>125</b>" in shown[0]
        finance = (await mara.get("approvals?role=finance&page=1")).text
        assert ">#202</a>" in finance
        assert ">#203</a>" not in finance
        assert finance.count('value="approve"') == 25


async def test_an_order_shows_what_waits_of_it_and_offers_it_to_whoever_may_decide_it(database_url: str) -> None:
    crowd(database_url, 20)
    with psycopg.connect(database_url, autocommit=True) as apart:
        ask_for(apart, "where n <= 10", "finance")
        ask_for(apart, "where n = 11", "operator")
    async with house(database_url) as desk:
        mara = await desk.person("mara")  # finance, by the settings; operator by her link, which approves nothing
        page = (await mara.get("order/order:shop:7")).text
        assert page.count("Waiting for approval") == 1
        assert "to card of 7" not in (await mara.get("order/order:shop:12")).text
        assert 'value="approve"' in page
        assert 'value="approve"' not in (await mara.get("order/order:shop:11")).text
        assert "operator decides this" in (await mara.get("order/order:shop:11")).text
