"""What the hub reads of the real Tryton agrees with what it wrote there, and tells what changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from crossdock.canonical.answers import PriceQuote
from crossdock.canonical.erp import ErpSale, ErpShipment, ErpShipmentLine
from crossdock.canonical.order import PartyAccount
from crossdock.canonical.stock import Product, StockLevel
from crossdock.connect.connector import List
from crossdock.connect.documents import Document, Origin, Reading
from crossdock.connectors.tryton import connector
from crossdock.connectors.tryton.answers import availability, price
from crossdock.connectors.tryton.held import read_sale
from crossdock.connectors.tryton.held_shipments import count_shipments, list_shipments
from crossdock.connectors.tryton.parties import as_account, keep_accounts
from crossdock.connectors.tryton.reads import list_accounts, list_levels, list_products, read_account, read_level
from crossdock.kernel.money import usd
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_site import SEALED_AT, Bought, Site, done, keep, order_of, parcel, shipped, site, sold

pytestmark = pytest.mark.erp

ORIGIN = Origin(connection="erp", received_at=SEALED_AT, observed=1)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


def document(reading: Reading | None) -> Document:
    assert reading is not None
    [found] = connector.topics[reading.topic](reading.body, ORIGIN)
    assert isinstance(found, Document)
    return found


async def listed(listing: List, here: Site, cursor: str = "") -> tuple[dict[str, Document], str]:
    found: dict[str, Document] = {}
    more = True
    while more:
        page = await listing(cursor, here.link)
        found |= {reading.id: document(reading) for reading in page.items}
        cursor, more = page.cursor, page.more
    return found, cursor


async def test_an_account_reads_as_it_was_written_so_that_nothing_is_repaired(at: Tryton) -> None:
    plain, bare = keep("customer:shop:1"), keep("customer:shop:2", email="", phone="", address=None)
    async with site(at) as here:
        kept = await keep_accounts([plain, bare], here.link)
        with closing(Session(at)) as people:
            people.call("party.party.create", [{"code": "SUPPLIER-1", "name": "Example Mills"}])
        accounts, _ = await listed(list_accounts, here)
        one = document(await read_account(done(kept[plain.key]).id, here.link))
        nobody = await read_account("999999", here.link)
    assert {held.entity: held.body for held in accounts.values()} == {
        "customer:shop:1": as_account(plain.body),
        "customer:shop:2": as_account(bare.body),
    }
    assert (one, nobody) == (accounts[done(kept[plain.key]).id], None)


async def test_a_change_of_somebodys_address_alone_is_listed_with_a_later_token(at: Tryton) -> None:
    asked = keep("customer:shop:3")
    async with site(at) as here:
        party = done((await keep_accounts([asked], here.link))[asked.key]).id
        before, cursor = await listed(list_accounts, here)
        with closing(Session(at)) as people:
            [address] = people.call("party.address.search", [["party", "=", int(party)]])
            people.call("party.address.write", [address], {"city": "Peoria"})
        after, _ = await listed(list_accounts, here, cursor)
    held = after[party].body
    assert isinstance(held, PartyAccount)
    assert held.address is not None
    assert held.address.city == "Peoria"
    assert after[party].token > before[party].token


async def test_products_are_listed_by_sku_with_their_price(at: Tryton) -> None:
    async with site(at) as here:
        products, _ = await listed(list_products, here)
    assert products["MUG-01"].body == Product(sku="MUG-01", name="Mug", list_price=usd(990))
    assert products["MUG-01"].entity == "product:erp:MUG-01"


async def test_stock_is_told_by_location_with_what_is_reserved_and_again_when_it_moved(at: Tryton) -> None:
    order = order_of("1", [Bought("BAG-01", 5)])
    async with site(at) as here:
        full, cursor = await listed(list_levels, here)
        sale = await sold(here, order)
        await shipped(here, parcel(order, "P1", {0: 2}, sale, "EAST"))
        with closing(Session(at)) as people:
            waiting = people.call("stock.shipment.out.search", [["state", "=", "waiting"]])
            people.call("stock.shipment.out.assign_try", waiting)
        after, _ = await listed(list_levels, here, cursor)
        east = document(await read_level("BAG-01@EAST", here.link))
    there = full["BAG-01@EAST"].body
    assert there == StockLevel(sku="BAG-01", location="EAST", on_hand=100_000, reserved=0, available=100_000)
    assert {"BAG-01@EAST", "BAG-01@MAIN"} <= after.keys()
    levels = [each.body for each in (after["BAG-01@EAST"], after["BAG-01@MAIN"], east)]
    assert [level.on_hand for level in levels if isinstance(level, StockLevel)] == [99_998, 100_000, 99_998]
    assert sum(level.reserved for level in levels[:2] if isinstance(level, StockLevel)) == 3


async def test_what_is_there_and_what_it_costs_is_answered_at_once_as_the_lists_have_it(at: Tryton) -> None:
    async with site(at) as here:
        levels, _ = await listed(list_levels, here)
        there, costs = await availability("MUG-01", here.link), await price("MUG-01", here.link)
        assert await availability("NOTHING", here.link) is None
        assert await price("NOTHING", here.link) is None
    assert there is not None
    assert {each.location for each in there.levels} >= {"MAIN", "EAST"}
    assert all(levels[f"MUG-01@{each.location}"].body == each for each in there.levels)
    assert costs == PriceQuote(sku="MUG-01", unit_price=usd(990), includes_tax=False)


async def test_what_left_is_listed_until_it_is_cancelled_and_a_sale_whose_rest_is_cancelled_is_stopped(
    at: Tryton,
) -> None:
    order = order_of("77", [Bought("BAG-01", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        issued = await shipped(here, parcel(order, "P77", {0: 2}, sale))
        left, cursor = await listed(list_shipments, here)
        whole = document(await read_sale(sale, here.link)).body
        with closing(Session(at)) as people:
            planned = people.call(
                "stock.shipment.out.search", [["state", "=", "waiting"], ["moves.sale", "=", int(sale)]]
            )
            people.call("stock.shipment.out.cancel", planned)
            stopped = document(await read_sale(sale, here.link)).body
            people.call("stock.shipment.out.cancel", [int(issued.id)])
        after, _ = await listed(list_shipments, here, cursor)
        count = await count_shipments(here.link)
    lines = (ErpShipmentLine(sku="BAG-01", units=2),)
    assert left[issued.id].body == ErpShipment(id=issued.id, number=issued.aliases[0], reference="P77", lines=lines)
    assert left[issued.id].entity == "order:shop:77"
    assert planned
    assert str(planned[0]) not in left, "what is only planned is no fact"
    assert isinstance(whole, ErpSale)
    assert isinstance(stopped, ErpSale)
    assert (whole.stopped, stopped.stopped) == (False, True)
    assert after[issued.id].body is None
    assert after[issued.id].token > left[issued.id].token
    assert after[str(planned[0])].body is None, "it has never left"
    assert count == len(left) + len(planned)
