"""Long lists come a page at a time, each thing once, by a link that is good for its list and caller alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from tests.desk import Desk, desk
from tests.integration.test_approvals import sale_with_leave
from tests.stage import order

HOOK = "https://hooks.example.com/"


async def pages(at: Desk, path: str, who: str, limit: int = 2) -> list[list[Any]]:
    """Every page, by the links they have."""
    found, link = list[list[Any]](), f"{path}?limit={limit}"
    while link:
        status, said = await at.ask("GET", link, who=who)
        assert status == 200, said
        found.append(said if isinstance(said, list) else said["approvals"])
        told = re.fullmatch('<(.+)>; rel="next"', at.headers.get("Link", ""))
        link = told[1] if told else ""
        assert len(found) < 20
    return found


async def test_each_list_is_told_page_by_page_whole_and_in_order(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql("insert into account select 'gift/' || n, 9, 0, 0 from generate_series(1, 5) n")
        at.stage.sql(
            "insert into cases (cause, kind, title, remedy, opened_at) select 'c' || n, 'brake', 't', 'r', now()"
            " from generate_series(1, 5) n"
        )
        await at.admit("feed", ["events:read", "subscriptions:write"])
        for nth in range(5):
            assert (await at.ask("POST", "/v1/subscriptions", {"url": f"{HOOK}{nth}"}, who="feed"))[0] == 201
        at.stage.hub.rules = replace(at.stage.hub.rules, owed=sale_with_leave)
        await at.stage.tell(*(order(str(nth), units=9) for nth in range(2, 7)))
        for path, who, name in (
            ("/v1/accounts", "auditor", "key"),
            ("/v1/cases", "auditor", "cause"),
            ("/v1/subscriptions", "feed", "url"),
            ("/v1/approvals", "auditor", "id"),
        ):
            found = await pages(at, path, who)
            assert [len(each) for each in found] == [2, 2, 1], path
            [whole] = await pages(at, path, who, 1000)
            assert [each for page in found for each in page] == whole
            assert len({each[name] for each in whole}) == 5


async def test_a_page_s_link_is_good_for_its_list_and_caller_alone(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql("insert into account select 'gift/' || n, 9, 0, 0 from generate_series(1, 3) n")
        await at.admit("second", ["audit:read"])
        assert (await at.ask("GET", "/v1/accounts?limit=1", who="auditor"))[0] == 200
        query = at.headers["Link"].partition("?")[2].partition(">")[0]
        assert (await at.ask("GET", f"/v1/accounts?{query}", who="auditor"))[0] == 200
        for path, who in ((f"/v1/accounts?{query}", "second"), (f"/v1/cases?{query}", "auditor")):
            status, said = await at.ask("GET", path, who=who)
            assert (status, said["field"]) == (422, "after")
        for wrong in ("limit=0", "limit=1001", "limit=x", "after=AAAA", "until=1"):
            assert (await at.ask("GET", f"/v1/accounts?{wrong}", who="auditor"))[0] == 422, wrong


async def test_a_case_of_very_many_is_told_with_a_thousand_of_them(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql(
            "with made as (insert into cases (cause, kind, title, remedy, opened_at) values ('c', 'brake', 't', 'r', now())"
            " returning id) insert into case_item (case_id, entity, at, detail)"
            " select id, 'order:shop:' || n, now(), 'd' from made, generate_series(1, 1200) n"
        )
        [[case]] = await pages(at, "/v1/cases", "auditor")
        assert (case["items"], len(case["entities"])) == (1200, 1000)


async def test_a_list_that_is_to_go_links_to_its_next_page_all_the_same(database_url: str) -> None:
    going = {"since": "2026-03-01T00:00:00Z", "more": "https://partners.example.com/accounts"}
    more = {"api": {"secrets": ["env:CROSSDOCK_TEST_API_SECRET"], "deprecated": {"listAccounts": going}}}
    async with desk(database_url, more=more) as at:
        at.stage.sql("insert into account select 'gift/' || n, 9, 0, 0 from generate_series(1, 3) n")
        assert (await at.ask("GET", "/v1/accounts?limit=1", who="auditor"))[0] == 200
        [explained, following] = at.headers["Link"].split(", ")
        assert explained == '<https://partners.example.com/accounts>; rel="deprecation"'
        assert following.endswith('rel="next"')
