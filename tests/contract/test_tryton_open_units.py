"""Edits and cancellations in the real Tryton: what nobody wants any more never leaves, and the sale ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from crossdock.canonical.order import OpenUnits, Order, SalesOrder
from crossdock.canonical.shipment import Invoice
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed
from crossdock.connectors.tryton.delivery_address import redirect_sales
from crossdock.connectors.tryton.goods_issue import issue_goods
from crossdock.connectors.tryton.open_units import cancel_units
from crossdock.connectors.tryton.sales import find_sales, post_sales
from crossdock.kernel.faults import Rejected, Transient, Unknown
from crossdock.kernel.money import usd
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_proxy import Way, door
from tests.contract.tryton_site import (
    HOME,
    Bought,
    Killed,
    Row,
    Site,
    bill,
    billed,
    command,
    done,
    keep_open,
    order_of,
    parcel,
    redirect,
    shipped,
    site,
    sold,
)

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


async def kept(here: Site, asked: Command[OpenUnits]) -> list[int]:
    """The units that Tryton holds then, line by line."""
    body = done((await cancel_units([asked], here.link))[asked.key]).body
    assert isinstance(body, OpenUnits)
    return [line.units for line in body.lines]


def to_leave(shipments: list[Row]) -> dict[str, float]:
    """Units by product in shipments that are neither done nor cancelled."""
    units: Counter[str] = Counter()
    for shipment in shipments:
        if shipment["state"] not in ("done", "cancelled"):
            for line in shipment["lines"]:
                units[line["product"]] += line["quantity"]
    return {product: count for product, count in units.items() if count}


def state(here: Site, web_id: str) -> tuple[str, str, str]:
    [sale] = here.order("sales", web_id)
    return sale["state"], sale["shipment_state"], sale["invoice_state"]


# --- fewer -------------------------------------------------------------------------------------------------------------


async def test_fewer_units_of_one_line_leave_the_others_alone_and_the_rest_ships_and_is_billed_exactly(
    at: Tryton,
) -> None:
    order = order_of("101", [Bought("TEE-BLK-M", 3), Bought("MUG-01", 2, 990), Bought("CAP-RED")], shipping=500)
    async with site(at) as here:
        sale = await sold(here, order)
        asked = keep_open(order, {0: 1, 1: 2, 2: 0}, sale)
        first, again = await kept(here, asked), await kept(here, asked)
        planned = to_leave(here.order("shipments", asked.entity))
        rest = parcel(order, "P101", {0: 1, 1: 2}, sale)
        invoice = await billed(here, bill(rest, (await shipped(here, rest)).id))
        assert to_leave(here.order("shipments", asked.entity)) == {}
        assert state(here, asked.entity) == ("processing", "sent", "awaiting payment")
    assert (first, again) == ([1, 2, 0], [1, 2, 0])
    assert planned == {"TEE-BLK-M": 1, "MUG-01": 2}
    assert isinstance(invoice.body, Invoice)
    assert (invoice.body.net, invoice.body.tax) == (usd(2000 + 1980 + 500), usd(448))


async def test_asking_again_for_what_is_held_changes_nothing(at: Tryton) -> None:
    order = order_of("102", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        asked = keep_open(order, {0: 2}, await sold(here, order))
        await kept(here, asked)
        here.http.methods.clear()
        assert await kept(here, asked) == [2]
        assert set(here.http.methods) == {"sale.sale.search_read"}


async def test_more_units_than_the_sale_holds_are_never_added(at: Tryton) -> None:
    order = order_of("103", [Bought("TEE-BLK-M", 2)])
    async with site(at) as here:
        sale = await sold(here, order)
        assert await kept(here, keep_open(order, {0: 5}, sale)) == [2]
        assert await kept(here, keep_open(order, {0: 1}, sale)) == [1]
        assert await kept(here, keep_open(order, {0: 2}, sale)) == [1]
        assert to_leave(here.order("shipments", "order:shop:103")) == {"TEE-BLK-M": 1}


async def test_units_that_have_left_stay_and_the_answer_says_so(at: Tryton) -> None:
    order = order_of("104", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        await shipped(here, parcel(order, "P104", {0: 2}, sale))
        assert await kept(here, keep_open(order, {0: 1}, sale)) == [2]
        assert to_leave(here.order("shipments", "order:shop:104")) == {}
        assert state(here, "order:shop:104")[1] == "sent"
        with pytest.raises(Rejected):
            await issue_goods(parcel(order, "P104b", {0: 1}, sale), here.link)


async def test_two_lines_of_one_sku_are_told_apart(at: Tryton) -> None:
    order = order_of("105", [Bought("MUG-01", 2, 1000), Bought("MUG-01", 2, 1000, discount=400)])
    async with site(at) as here:
        sale = await sold(here, order)
        assert await kept(here, keep_open(order, {0: 0, 1: 1}, sale)) == [0, 1]
        rest = parcel(order, "P105", {1: 1}, sale)
        invoice = await billed(here, bill(rest, (await shipped(here, rest)).id))
    assert isinstance(invoice.body, Invoice)
    assert invoice.body.net == usd(800)


async def test_an_address_changed_after_units_were_cancelled_is_followed(at: Tryton) -> None:
    order = order_of("106", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        await kept(here, keep_open(order, {0: 1}, sale))
        asked = redirect(order, HOME, sale)
        done((await redirect_sales([asked], here.link))[asked.key])
        await shipped(here, parcel(order, "P106", {0: 1}, sale))
        cities = {row["address"]["city"] for row in here.order("shipments", asked.entity) if row["state"] == "done"}
    assert cities == {"Springfield"}


async def test_a_parcel_that_is_just_being_issued_is_waited_for(at: Tryton) -> None:
    order = order_of("107", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        leaving = parcel(order, "P107", {0: 1}, sale)
        here.http.cut = ("stock.shipment.out.write", 1)
        with pytest.raises(Killed):
            await issue_goods(leaving, here.link)
        asked = keep_open(order, {0: 1}, sale)
        assert isinstance((await cancel_units([asked], here.link))[asked.key], Transient)
        await shipped(here, leaving)
        assert await kept(here, asked) == [1]
        assert to_leave(here.order("shipments", asked.entity)) == {}


async def test_units_a_person_cancelled_are_left_to_that_person_as_long_as_they_are_wanted(at: Tryton) -> None:
    order = order_of("108", [Bought("TEE-BLK-M", 2)])
    async with site(at) as here:
        sale = await sold(here, order)
        with closing(Session(at)) as people:
            [planned] = here.ask("sale.sale", "shipments", [["id", "=", int(sale)]])
            people.call("stock.shipment.out.cancel", planned["shipments"])
        assert await kept(here, keep_open(order, {0: 2}, sale)) == [0]
        assert state(here, "order:shop:108")[1] == "exception"
        assert await kept(here, keep_open(order, {0: 0}, sale)) == [0]
        assert state(here, "order:shop:108") == ("done", "none", "none")


# --- none --------------------------------------------------------------------------------------------------------------


async def test_an_order_cancelled_before_anything_left_ends_and_leaves_no_invoice_for_its_delivery(at: Tryton) -> None:
    order = order_of("201", [Bought("TEE-BLK-M", 3), Bought("MUG-01")], shipping=500)
    async with site(at) as here:
        sale = await sold(here, order)
        before = [row["state"] for row in here.order("invoices", "order:shop:201")]
        assert await kept(here, keep_open(order, {0: 0, 1: 0}, sale)) == [0, 0]
        assert state(here, "order:shop:201") == ("done", "none", "none")
        after = [row["state"] for row in here.order("invoices", "order:shop:201")]
        assert {row["state"] for row in here.order("shipments", "order:shop:201")} == {"cancelled"}
    assert (before, after) == (["draft"], ["cancelled"])


async def test_delivery_stays_to_be_billed_as_long_as_something_ships(at: Tryton) -> None:
    order = order_of("202", [Bought("TEE-BLK-M", 2)], shipping=500)
    async with site(at) as here:
        sale = await sold(here, order)
        await shipped(here, parcel(order, "P202", {0: 1}, sale))
        assert await kept(here, keep_open(order, {0: 0}, sale)) == [1]
        assert sorted(row["state"] for row in here.order("invoices", "order:shop:202")) == ["draft", "draft"]


CALLS = [
    ("stock.shipment.out.draft", 1),
    ("stock.shipment.out.write", 1),
    ("stock.shipment.out.wait", 1),
    ("sale.sale.process", 1),
    ("stock.shipment.out.cancel", 1),
    ("sale.line.write", 1),
]


@pytest.mark.parametrize(("call", "nth"), CALLS)
async def test_a_cancellation_cut_after_any_call_is_completed(at: Tryton, call: str, nth: int) -> None:
    order = order_of(f"21{CALLS.index((call, nth))}", [Bought("TEE-BLK-M", 3), Bought("MUG-01")], shipping=500)
    async with site(at) as killed:
        sale = await sold(killed, order)
        asked = keep_open(order, {0: 1, 1: 0}, sale)
        killed.http.cut = (call, nth)
        with pytest.raises(Killed):
            await cancel_units([asked], killed.link)
    async with site(at) as here:
        assert await kept(here, asked) == [1, 0]
        rest = parcel(order, f"P{order.id}", {0: 1}, sale)
        await billed(here, bill(rest, (await shipped(here, rest)).id))
        assert to_leave(here.order("shipments", asked.entity)) == {}
        assert state(here, asked.entity) == ("processing", "sent", "awaiting payment")


@pytest.mark.parametrize("call", ["account.invoice.cancel", "sale.sale.write"])
async def test_a_whole_cancellation_cut_at_its_invoice_is_completed(at: Tryton, call: str) -> None:
    order = order_of(f"22-{call}", [Bought("TEE-BLK-M", 3)], shipping=500)
    async with site(at) as killed:
        asked = keep_open(order, {0: 0}, await sold(killed, order))
        killed.http.cut = (call, 1)
        with pytest.raises(Killed):
            await cancel_units([asked], killed.link)
    async with site(at) as here:
        assert await kept(here, asked) == [0]
        assert state(here, asked.entity) == ("done", "none", "none")


LOST: list[tuple[str, Way]] = [
    ("stock.shipment.out.write", "commit_then_drop"),
    ("stock.shipment.out.cancel", "commit_then_status"),
    ("sale.line.write", "garbage"),
]


@pytest.mark.parametrize(("call", "way"), LOST)
async def test_a_lost_answer_is_unknown_and_asking_again_does_no_harm(at: Tryton, call: str, way: Way) -> None:
    order = order_of(f"23{LOST.index((call, way))}", [Bought("TEE-BLK-M", 3)])
    async with door(at) as spoiling, site(at, url=spoiling.url) as here:
        asked = keep_open(order, {0: 2}, await sold(here, order))
        spoiling.spoilt[call] = way
        with pytest.raises(Unknown):
            await cancel_units([asked], here.link)
        assert await kept(here, asked) == [2]
        assert to_leave(here.order("shipments", asked.entity)) == {"TEE-BLK-M": 2}


# --- more: a sale of what was added ------------------------------------------------------------------------------------


def add(order: Order, sale: str, part: int = 2) -> Command[SalesOrder]:
    """The sale of what was added to an order; its body holds only that."""
    body = SalesOrder(order=order, sold_by="shop", part=part)
    return command(f"order:shop:{order.id}", body, f"sale:{part}", sale=sale)


async def test_what_was_added_is_a_sale_of_its_own_once_beside_the_first(at: Tryton) -> None:
    first = order_of("301", [Bought("TEE-BLK-M", 2)], shipping=500)
    asked = add(order_of("301", [Bought("TEE-BLK-M", 1)]), "")
    async with site(at) as here, site(at) as another_process:
        sale = await sold(here, first)
        asked = msgspec.structs.replace(asked, refs={"sale": sale})
        before = await find_sales([asked], here.link)
        made = done((await post_sales([asked], here.link))[asked.key])
        again = done((await post_sales([asked], another_process.link))[asked.key])
        found = await find_sales([asked], here.link)
        [one], [two] = here.order("sales", "order:shop:301"), here.order("sales", "order:shop:301#2")
    assert (before, list(found)) == ({}, [asked.key])
    assert {each.id for each in (again, done(found[asked.key]))} == {made.id}
    assert made.id != sale
    assert (two["corrects"], two["party"], two["reference"], two["total"]) == (
        one["number"], one["party"], "#301", "22.00",
    )  # fmt: skip


async def test_units_are_taken_from_the_last_sale_first_and_a_parcel_of_each_sale_is_billed_with_the_delivery(
    at: Tryton,
) -> None:
    first = order_of("302", [Bought("TEE-BLK-M", 2), Bought("MUG-01")], shipping=500)
    added = order_of("302", [Bought("TEE-BLK-M", 2)])
    async with site(at) as here:
        sale = await sold(here, first)
        asked = add(added, sale)
        more = done((await post_sales([asked], here.link))[asked.key]).id
        assert await kept(here, keep_open(first, {0: 3, 1: 0}, sale, more)) == [3, 0]
        parts = [to_leave(here.order("shipments", f"order:shop:302{part}")) for part in ("", "#2")]
        later = parcel(added, "P302", {0: 1}, more)
        posting = bill(later, (await shipped(here, later)).id)
        posting = msgspec.structs.replace(posting, refs={**posting.refs, "sale:2": more, "sale": sale})
        receipt: Confirmed = await billed(here, posting)
    assert parts == [{"TEE-BLK-M": 2}, {"TEE-BLK-M": 1}]
    assert isinstance(receipt.body, Invoice)
    assert receipt.body.net == usd(2500)
