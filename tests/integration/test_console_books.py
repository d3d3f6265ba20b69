"""The books' pages and their export: the same sums, no formulas, and a file that is whole or doesn't look so."""

from __future__ import annotations

import aiohttp
import psycopg
import pytest

from crossdock.console.ledger import harmless
from tests.integration.consoles import house
from tests.integration.crowd import crowd


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "|x", "%x"])
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    assert harmless(text).startswith("'")


async def test_the_books_sum_what_they_show_and_export_the_same(database_url: str) -> None:
    crowd(database_url, 100)
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        page = (await otto.get("books?currency=USD")).text
        expected = f"{sum(1000 + n % 5000 for n in range(1, 101)) / 100:,.2f}"
        assert expected in page
        exported = (await otto.get("books.csv")).text.splitlines()
        captured = [row.split(",") for row in exported if ",captured," in row]
        assert f"{sum(float(row[7]) for row in captured):,.2f}" == expected
        for query in ("from=yesterday", "from=2026-01-02&to=2026-01-01", "from=0001-01-01", "to=9999-12-31"):
            assert (await otto.get(f"books?{query}")).status == 422
            assert (await otto.get(f"books.csv?{query}")).status == 422


async def test_an_export_is_one_whole_file_however_many_lines_it_has(database_url: str) -> None:
    crowd(database_url, 3_000)  # six lines a minute, read in spans of some hours
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        titles, *exported = (await otto.get("books.csv")).text.splitlines()
        lines = [row.split(",") for row in exported]
        assert titles.startswith("day,at,channel,")
        assert [line[1] for line in lines] == sorted(line[1] for line in lines)
        assert len({(line[3], line[4]) for line in lines}) == len(lines) == 3_000 + 2_970
        assert (await otto.get("books.csv?channel=nobody")).text.splitlines() == [titles]


async def test_an_export_that_can_not_be_finished_does_not_look_as_if_it_were(database_url: str) -> None:
    crowd(database_url, 100)
    with psycopg.connect(database_url, autocommit=True) as apart:
        apart.execute("update document set body = 'no JSON' where kind = 'capture' and id = 'ch_1'")  # the latest
    async with house(database_url) as desk:
        otto = await desk.person("Otto")
        with pytest.raises(aiohttp.ClientPayloadError):
            await otto.get("books.csv")
        assert (await otto.get("books.csv?currency=USD&to=2026-01-02")).status == 200
