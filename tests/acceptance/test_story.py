"""The whole loop against a real ERP: orders become one sale each, whatever happens on the way; judged on the systems' books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import psycopg
import pytest

from crossdock.cli.story import HOME, Story
from crossdock.kernel.moments import system_clock
from crossdock.simulators import shop as shops
from crossdock.simulators.retailer import Retailer, open_retailer
from crossdock.simulators.retailer_books import disagreements
from crossdock.simulators.retailer_ledgers import Books, books_of
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_prices import Json
from crossdock.simulators.shop_signing import webhook_headers
from crossdock.simulators.shop_state import Address, Order
from crossdock.simulators.shop_webhooks import order_body

pytestmark = pytest.mark.erp

SECONDS_MAX = 60.0
ADDRESS = Address(**HOME)


@asynccontextmanager
async def opened(folder: Path, database_url: str, *, with_erp: bool = True) -> AsyncGenerator[Retailer]:
    """A retailer with two hub processes at work."""
    async with open_retailer(folder, with_erp=with_erp, database_url=database_url) as retailer:
        await retailer.start_hub()
        await retailer.start_hub("settle", "deliver")
        yield retailer


def buy(retailer: Retailer, *skus: str) -> Order:
    """A customer of its own orders one of each."""
    name = f"buyer{len(retailer.shop.world.customers) + 1}"
    buyer = retailer.shop.create_customer(first_name=name, last_name="Tester", email=f"{name}@example.com")
    lines = [Bought(sku=sku) for sku in skus]
    return retailer.shop.place_order(lines, customer=buyer.id, shipping_address=ADDRESS, tax_rate="0.1", paid=True)


async def until(what: str, question: Callable[[], Awaitable[bool]], seconds: float = SECONDS_MAX) -> None:
    end = time.monotonic() + seconds
    while not await question():
        assert time.monotonic() < end, f"not so after {seconds} s: {what}"
        await asyncio.sleep(0.1)


async def sold(retailer: Retailer, *orders: Order) -> list[Books]:
    """The books once the shop shows each order's sale and the warehouse was asked to ship it."""
    wanted = [order.id for order in orders]

    async def all_sold() -> bool:
        found = await books_of(retailer, wanted, with_erp=False)
        return all(books.shown_number and books.asked for books in found)

    await until(f"{len(orders)} orders are sold", all_sold)
    return await books_of(retailer, wanted)


async def states(retailer: Retailer) -> dict[str, int]:
    found: dict[str, int] = (await retailer.ask_json("check"))["states"]
    return {state: count for state, count in found.items() if count}


def count(database_url: str, query: Any) -> int:
    with psycopg.connect(database_url) as connection:
        found = connection.execute(query).fetchone()
        assert found
        return int(found[0])


def _ledger(database_url: str) -> dict[str, int]:
    """What the books of the hub come to."""
    with psycopg.connect(database_url) as connection:
        query = "select what, sum(minor)::bigint from ledger_entry where minor is not null group by what"
        return dict(connection.execute(query).fetchall())


async def test_the_story_ends_as_told(tmp_path: Path, database_url: str) -> None:
    said: list[str] = []
    async with opened(tmp_path, database_url) as retailer:
        story = Story(retailer, said.append)
        await story.play()
        await until("all has converged", lambda: _all_converged(retailer))
        books = await story.books()
        holds = (await retailer.ask_json("check"))["holds"]
        assert list(disagreements(books)) == [], "\n".join(said)
    assert holds
    assert _ledger(database_url) == {
        "captured": 10428,
        "sold": 10428,
        "invoiced": 10428,
        "refunded": 1650,
        "credited": 1650,
    }
    assert [sale["total"] for sale in books.sales or ()] == ["104.28"]
    assert sorted(invoice["total"] for invoice in books.billed) == ["43.78", "60.50"]
    assert [parcel["ship_to"]["city"] for parcel in books.parcels] == ["Boston", "Cambridge"]
    assert sorted(shipment["address"]["city"] for shipment in books.left) == ["Boston", "Cambridge"]
    assert sorted({line["from"] for line in shipment["lines"]} == {"MAIN"} for shipment in books.left) == [False, True]
    assert (len(books.fulfilments), len(books.notices), len(books.asked)) == (2, 2, 1)
    assert [refund["amount"] for refund in books.refunded] == [1650]
    assert [(note["untaxed"], note["tax"]) for note in books.corrected] == [("-15.00", "-1.50")]
    assert [[(line["product"], line["to"]) for line in back["stored"]] for back in books.received] == [
        [("CAP-RED", "DAMAGED")]
    ]
    assert len(books.refund_mails) == 1
    for what, damaged in _damaged(books):
        assert list(disagreements(damaged)), f"the judge overlooks {what}"


def _damaged(books: Books) -> Iterator[tuple[str, Books]]:
    """The books with one thing wrong in each: a judge that passes them proves nothing by passing the true ones."""
    assert books.sales
    sale, shipment, invoice = books.sales[0], books.left[0], books.billed[0]
    others = [each for each in books.shipments if each is not shipment]
    moved = [{**line, "from": "EAST" if line["from"] == "MAIN" else "MAIN"} for line in shipment["lines"]]
    yield "a second sale", replace(books, sales=[sale, sale])
    yield "a cent in the sale", replace(books, sales=[{**sale, "total": "104.29"}])
    yield "another buyer", replace(books, sales=[{**sale, "party": "customer:shop:1"}])
    yield "a second shipment order", replace(books, asked=[*books.asked, *books.asked])
    yield "a parcel the ERP did not ship", replace(books, shipments=others)
    yield "a parcel shipped twice", replace(books, shipments=[*books.shipments, shipment])
    yield "another place", replace(books, shipments=[*others, {**shipment, "lines": moved}])
    yield "another address", replace(books, shipments=[*others, {**shipment, "address": None}])
    yield "an invoice too many", replace(books, invoices=[*books.invoices, invoice])
    yield "a cent in an invoice", replace(books, invoices=[{**invoice, "total": "60.51"}, *books.invoices[1:]])
    yield "a mail too few", replace(books, mails=books.mails[:1])
    yield "a mail twice", replace(books, mails=[*books.mails, books.mails[0]])
    yield from _damaged_returns(books)
    yield "a parcel nobody heard of", replace(books, parcels=[*books.parcels, books.parcels[0]])


def _damaged_returns(books: Books) -> Iterator[tuple[str, Books]]:
    [refund], [note], [back], [mail] = books.refunded, books.corrected, books.received, books.refund_mails
    paid = [entry for entry in books.paid if entry is not refund]
    invoices = [each for each in books.invoices if each is not note]
    [shown] = books.order.refunds
    yield "money that never went back", replace(books, paid=paid)
    yield "a refund made twice", replace(books, paid=[*books.paid, refund])
    yield "a cent in the refund", replace(books, paid=[*paid, {**refund, "amount": 1651}])
    yield "more given back than was taken", replace(books, paid=[refund])
    yield "a clerk's refund beside it", replace(books, paid=[*books.paid, {**refund, "key": ""}])
    yield "no credit note", replace(books, invoices=invoices)
    yield "a second credit note", replace(books, invoices=[*books.invoices, note])
    yield "net for tax", replace(books, invoices=[*invoices, {**note, "untaxed": "-16.50", "tax": "0.00"}])
    yield "goods nobody received", replace(books, received=[])
    yield "goods received twice", replace(books, received=[back, back])
    yield "goods to be sold again", replace(books, received=[{**back, "stored": [{**back["stored"][0], "to": "MAIN"}]}])
    yield "a buyer who isn't told of the refund", replace(books, mails=books.notices)
    yield "a buyer who is told twice", replace(books, mails=[*books.mails, mail])
    yield "a return the shop doesn't show", replace(books, order=replace(books.order, refunds=[]))
    yield "a return the shop shows twice", replace(books, order=replace(books.order, refunds=[shown, shown]))
    yield "a return the till knows nothing of", replace(books, handed_in=[])


async def _all_converged(retailer: Retailer) -> bool:
    return set(await states(retailer)) == {"converged"}


async def test_paid_before_create_and_a_hundred_copies_are_one_sale(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as retailer:
        retailer.shop.sender.target_url = None
        order = buy(retailer, "MUG-01", "CAP-RED")
        body = order_body(order, retailer.shop.world)
        async with aiohttp.ClientSession() as http:
            answers = [await _send(http, retailer, "orders/paid", body, "paid")]
            await asyncio.sleep(0.5)  # the hub takes it for the order's first news
            sending = [_send(http, retailer, "orders/create", body, f"copy-{n % 50}") for n in range(100)]
            answers += await asyncio.gather(*sending)
        assert set(answers) == {200}
        [books] = await sold(retailer, order)
        await until("nothing is in flight", lambda: _at_rest(retailer))
        [books] = await books_of(retailer, [order.id])
        assert list(disagreements(books)) == []
    assert count(database_url, "select count(*) from inbox where topic = 'orders/create'") == 50


async def _at_rest(retailer: Retailer) -> bool:
    return "in flight" not in await states(retailer)


async def _send(
    http: aiohttp.ClientSession,
    retailer: Retailer,
    topic: str,
    body: Json,
    event: str,
    *,
    secret: bytes = shops.SECRET.encode(),
    add: bytes = b"",
) -> int:
    """Send a webhook with its signature; `add` comes behind the body after it was signed."""
    raw = msgspec.json.encode(body)
    headers = webhook_headers(
        topic=topic,
        body=raw,
        secret=secret,
        webhook_id=str(uuid4()),
        event_id=event,
        triggered_at=system_clock(),
    )
    async with http.post(f"{retailer.addresses['hub']}/in/shop", data=raw + add, headers=headers) as answer:
        return answer.status


async def test_a_forged_and_an_altered_webhook_are_answered_401_and_leave_nothing(
    tmp_path: Path, database_url: str
) -> None:
    async with opened(tmp_path, database_url, with_erp=False) as retailer:
        retailer.shop.sender.target_url = None
        body = order_body(buy(retailer, "MUG-01"), retailer.shop.world)
        async with aiohttp.ClientSession() as http:
            forged = await _send(http, retailer, "orders/create", body, "forged", secret=b"somebody else's")
            altered = await _send(http, retailer, "orders/create", body, "altered", add=b" ")
    assert (forged, altered) == (401, 401)
    assert count(database_url, "select (select count(*) from inbox) + (select count(*) from document)") == 0


async def test_an_erp_that_is_down_is_one_case_and_what_came_meanwhile_drains_by_itself(
    tmp_path: Path, database_url: str
) -> None:
    async with opened(tmp_path, database_url) as retailer:
        assert retailer.erp
        await sold(retailer, buy(retailer, "MUG-01"))
        await asyncio.to_thread(retailer.erp.kill)
        orders = [buy(retailer, "TEE-BLK-M") for _ in range(5)]
        await until("the outage is one case", lambda: _cases_are(retailer, 1), 20.0)
        await asyncio.sleep(3.0)
        orders += [buy(retailer, "MUG-01") for _ in range(5)]
        await retailer.shop.sender.idle()
        assert retailer.shop.sender.counts.given_up == 0
        assert await _cases_are(retailer, 1)
        assert count(database_url, "select max(attempts) from due where target = 'erp'") == 0
        assert count(database_url, "select count(*) from document where kind = 'order'") == 11
        await asyncio.to_thread(retailer.erp.start)
        for books in await sold(retailer, *orders):
            assert list(disagreements(books)) == []
        await until("the case is closed", lambda: _cases_are(retailer, 0))
        assert (await retailer.ask_json("check"))["holds"]


async def _cases_are(retailer: Retailer, wanted: int) -> bool:
    return len(await retailer.ask_json("cases")) == wanted


async def test_an_unknown_product_is_one_case_that_a_mapping_solves_while_its_neighbours_go_through(
    tmp_path: Path, database_url: str
) -> None:
    async with opened(tmp_path, database_url) as retailer:
        retailer.shop.add_product("HAT-01", "Hat", "15.00")
        blocked = [buy(retailer, "HAT-01", "MUG-01"), buy(retailer, "HAT-01")]
        neighbours = [buy(retailer, "MUG-01"), buy(retailer, "CAP-RED")]
        for books in await sold(retailer, *neighbours):
            assert list(disagreements(books)) == []
        await until("both are in one case", lambda: _one_case_names(retailer, "HAT-01", 2))
        assert not any(books.sales for books in await books_of(retailer, [order.id for order in blocked]))
        code, said = await retailer.ask("map", "erp", "product", "HAT-01", "CAP-RED")
        assert (code, "2 promises released" in said) == (0, True), said
        for books in await sold(retailer, *blocked):
            [sale] = books.sales or []
            assert "CAP-RED" in [line["product"] for line in sale["lines"]]
        await until("the case is closed", lambda: _cases_are(retailer, 0))


async def _one_case_names(retailer: Retailer, sku: str, orders: int) -> bool:
    found = await retailer.ask_json("cases")
    return len(found) == 1 and sku in found[0]["title"] and len(found[0]["entities"]) == orders
