"""Parcels in the real Tryton: each is one done shipment and one posted invoice, in any order and after any cut."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from crossdock.canonical.party import Address
from crossdock.canonical.shipment import GoodsIssue, Invoice, InvoicePosting
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed, Partial
from crossdock.connectors.tryton.delivery_address import as_kept, redirect_sales
from crossdock.connectors.tryton.goods_issue import find_issued, issue_goods
from crossdock.connectors.tryton.invoices import find_posted, post_invoice
from crossdock.kernel.faults import Fault, Rejected, Transient
from crossdock.kernel.money import usd
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_site import (
    AWAY,
    Bought,
    Killed,
    Row,
    Site,
    bill,
    billed,
    done,
    order_of,
    parcel,
    redirect,
    shipped,
    site,
    sold,
)

pytestmark = pytest.mark.erp

NEW = Address(name="Ada Example", street=("9 New Road",), city="Salem", region="OR", postal_code="97301", country="US")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


def went(shipments: list[Row]) -> dict[str, dict[tuple[str, str], float]]:
    """Units by parcel, product and place, of the shipments that are done."""
    done_ones: dict[str, Counter[tuple[str, str]]] = {}
    for shipment in shipments:
        if shipment["state"] == "done":
            units = done_ones.setdefault(shipment["reference"], Counter())
            for line in shipment["lines"]:
                units[line["product"], line["from"]] += line["quantity"]
    return {parcel_id: dict(units) for parcel_id, units in done_ones.items()}


def invoiced(invoices: list[Row]) -> list[tuple[str, Decimal, dict[str | None, float]]]:
    return [
        (invoice["state"], Decimal(invoice["total"]), {line["product"]: line["quantity"] for line in invoice["lines"]})
        for invoice in invoices
    ]


# --- two parcels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
async def test_two_parcels_that_leave_before_either_is_billed_are_two_shipments_and_two_invoices(
    at: Tryton, turned: bool
) -> None:
    order = order_of(f"10{turned:d}", [Bought("TEE-BLK-M", 3), Bought("MUG-01", 2, 990)], shipping=500)
    entity = f"order:shop:{order.id}"
    async with site(at) as here:
        sale = await sold(here, order)
        parcels = [
            parcel(order, f"P1-{turned}", {0: 2}, sale, "EAST"),
            parcel(order, f"P2-{turned}", {0: 1, 1: 2}, sale),
        ]
        leaving = parcels[::-1] if turned else parcels
        issued = {each.key: await shipped(here, each) for each in leaving}
        postings = [bill(each, issued[each.key].id) for each in parcels]
        first, second = [await billed(here, posting) for posting in postings]
        again = [await billed(here, posting) for posting in postings]
        books = here.books("invoices")
        shipments, invoices = here.order("shipments", entity), here.order("invoices", entity)
    assert went(shipments) == {
        f"P1-{turned}": {("TEE-BLK-M", "EAST"): 2},
        f"P2-{turned}": {("TEE-BLK-M", "MAIN"): 1, ("MUG-01", "MAIN"): 2},
    }
    assert len(shipments) == 2, "nothing is left to ship"
    delivery = {None: 1.0}  # delivery goes with the parcel that is billed first
    assert sorted(invoiced(invoices), key=str) == sorted(
        [
            ("posted", Decimal("49.50"), {"TEE-BLK-M": 2, **delivery}),
            ("posted", Decimal("43.78"), {"TEE-BLK-M": 1, "MUG-01": 2}),
        ],
        key=str,
    )
    assert sum(Decimal(invoice["total"]) for invoice in invoices) == Decimal("93.28")
    assert (first.body, second.body) == (
        Invoice(number=first.aliases[0], net=usd(4500), tax=usd(450), total=usd(4950)),
        Invoice(number=second.aliases[0], net=usd(3980), tax=usd(398), total=usd(4378)),
    )
    assert again == [first, second]
    assert [row for row in books["invoices"] if row["state"] == "draft" and not row["lines"]] == []


async def test_two_parcels_issued_at_once_by_two_processes_are_two_shipments(at: Tryton) -> None:
    order = order_of("111", [Bought("TEE-BLK-M", 2)])

    async def until_done(here: Site, asked: Command[GoodsIssue]) -> Confirmed:
        for _ in range(8):
            try:
                return done(await issue_goods(asked, here.link))
            except (Transient, Rejected):  # the other one changed the shipment, or holds it while this one looks
                await asyncio.sleep(0.3)
        raise AssertionError("the two keep out each other for ever")

    async with site(at) as one, site(at) as other:
        sale = await sold(one, order)
        ones, others = parcel(order, "P111a", {0: 1}, sale, "MAIN"), parcel(order, "P111b", {0: 1}, sale, "EAST")
        await asyncio.gather(until_done(one, ones), until_done(other, others))
        shipments = one.order("shipments", ones.entity)
    assert went(shipments) == {"P111a": {("TEE-BLK-M", "MAIN"): 1}, "P111b": {("TEE-BLK-M", "EAST"): 1}}


async def test_units_of_two_lines_with_one_sku_leave_under_their_own_line(at: Tryton) -> None:
    order = order_of("112", [Bought("MUG-01", 2, 1000), Bought("MUG-01", 1, 1000, discount=400)])
    async with site(at) as here:
        sale = await sold(here, order)
        dear, cheap = parcel(order, "P112a", {0: 2}, sale), parcel(order, "P112b", {1: 1}, sale)
        totals = [(await billed(here, bill(each, (await shipped(here, each)).id))).body for each in (cheap, dear)]
    assert [body.net for body in totals if isinstance(body, Invoice)] == [usd(600), usd(2000)]


# --- once --------------------------------------------------------------------------------------------------------------


async def test_a_parcel_sent_twice_is_one_shipment_and_is_found_only_when_it_left(at: Tryton) -> None:
    order = order_of("201", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here, site(at) as another_process:
        sale = await sold(here, order)
        asked = parcel(order, "P201", {0: 2}, sale)
        before = await find_issued([asked], here.link)
        first = await shipped(here, asked)
        again = await shipped(another_process, asked)
        found = await find_issued([asked, parcel(order, "P201-other", {0: 1}, sale)], here.link)
        shipments = here.order("shipments", asked.entity)
    assert (before, again, found) == ({}, first, {asked.key: first})
    assert went(shipments) == {"P201": {("TEE-BLK-M", "MAIN"): 2}}


@pytest.mark.parametrize("call", ["write", "assign_try", "pick", "pack", "do"])
async def test_a_parcel_cut_after_any_call_goes_on_with_its_own_shipment(at: Tryton, call: str) -> None:
    order = order_of(f"21-{call}", [Bought("TEE-BLK-M", 3), Bought("MUG-01")])
    async with site(at) as killed:
        sale = await sold(killed, order)
        asked = parcel(order, f"P21-{call}", {0: 2}, sale, "EAST")
        killed.http.cut = (f"stock.shipment.out.{call}", 1)
        with pytest.raises(Killed, match=call):
            await issue_goods(asked, killed.link)
        assert set(await find_issued([asked], killed.link)) == ({asked.key} if call == "do" else set())
    async with site(at) as here:
        await shipped(here, asked)
        shipments, invoices = (here.order(what, asked.entity) for what in ("shipments", "invoices"))
    assert went(shipments) == {f"P21-{call}": {("TEE-BLK-M", "EAST"): 2}}
    [rest] = [shipment for shipment in shipments if shipment["state"] == "waiting"]
    assert {line["product"]: line["quantity"] for line in rest["lines"]} == {"TEE-BLK-M": 1, "MUG-01": 1}
    assert invoiced(invoices) == [("draft", Decimal("44.00"), {"TEE-BLK-M": 2})]


async def test_a_half_issued_parcel_follows_its_corrected_report(at: Tryton) -> None:
    """It was marked with what the first report said; nothing had moved."""
    order = order_of("221", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        here.http.cut = ("stock.shipment.out.assign_try", 1)
        with pytest.raises(Killed):
            await issue_goods(parcel(order, "P221", {0: 3}, sale, "EAST"), here.link)
        await shipped(here, parcel(order, "P221", {0: 1}, sale, "MAIN"))
        assert went(here.order("shipments", "order:shop:221")) == {"P221": {("TEE-BLK-M", "MAIN"): 1}}


async def test_a_shipment_somebody_assigned_by_hand_can_still_become_a_parcel(at: Tryton) -> None:
    order = order_of("222", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        with closing(Session(at)) as people:
            open_ = people.call("stock.shipment.out.search", [["moves.sale", "=", int(sale)]])
            people.call("stock.shipment.out.assign_try", open_)
        await shipped(here, parcel(order, "P222", {0: 2}, sale, "EAST"))
        assert went(here.order("shipments", "order:shop:222")) == {"P222": {("TEE-BLK-M", "EAST"): 2}}


CALLS_OF_AN_INVOICE = ("account.invoice.write", "account.invoice.delete", "account.invoice.post")


@pytest.mark.parametrize("call", CALLS_OF_AN_INVOICE)
async def test_an_invoice_cut_after_any_call_is_posted_once_and_leaves_no_empty_draft(at: Tryton, call: str) -> None:
    number = CALLS_OF_AN_INVOICE.index(call)
    order = order_of(f"23{number}", [Bought("TEE-BLK-M", 1)], shipping=500)
    async with site(at) as killed:
        asked = parcel(order, f"P23{number}", {0: 1}, await sold(killed, order))
        posting = bill(asked, (await shipped(killed, asked)).id)
        killed.http.cut = (call, 1)
        with pytest.raises(Killed):
            await post_invoice(posting, killed.link)
        found_before = await find_posted([posting], killed.link)
    async with site(at) as here:
        first, again = await billed(here, posting), await billed(here, posting)
        found = await find_posted([posting], here.link)
        drafts = [row for row in here.books("invoices")["invoices"] if row["state"] == "draft" and not row["lines"]]
        invoices = here.order("invoices", asked.entity)
    assert set(found_before) == ({posting.key} if call.endswith("post") else set())
    assert (again, found, drafts) == (first, {posting.key: first}, [])
    assert invoiced(invoices) == [("posted", Decimal("27.50"), {"TEE-BLK-M": 1, None: 1})]


async def test_an_invoice_dated_before_the_last_number_takes_that_numbers_day(at: Tryton) -> None:
    """Tryton numbers by date: yesterday's parcel can't be billed under yesterday once today's is out."""
    orders = [order_of(f"24{n}", [Bought("MUG-01")]) for n in range(2)]
    async with site(at) as here:
        today, late = [parcel(order, f"P{order.id}", {0: 1}, await sold(here, order)) for order in orders]
        await billed(here, bill(today, (await shipped(here, today)).id))
        posting = bill(late, (await shipped(here, late)).id)
        yesterday = InvoicePosting(shipment="x", invoice_date=posting.body.invoice_date - timedelta(days=1))
        asked = Command(key=posting.key, entity=posting.entity, body=yesterday, refs=posting.refs,
                        sealed_at=posting.sealed_at)  # fmt: skip
        await billed(here, asked)
        [invoice] = here.order("invoices", late.entity)
    assert (invoice["state"], invoice["invoice_date"]) == ("posted", date.today().isoformat())


# --- refused -----------------------------------------------------------------------------------------------------------


async def test_more_than_the_sale_has_left_never_leaves(at: Tryton) -> None:
    order = order_of("301", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        await shipped(here, parcel(order, "P301a", {0: 2}, sale))
        with pytest.raises(Rejected, match="1 units too few of TEE-BLK-M") as refusal:
            await issue_goods(parcel(order, "P301b", {0: 2}, sale), here.link)
        await shipped(here, parcel(order, "P301c", {0: 1}, sale))
        with pytest.raises(Rejected):
            await issue_goods(parcel(order, "P301d", {0: 1}, sale), here.link)
        shipments = here.order("shipments", "order:shop:301")
    assert refusal.value.field == "shipment.lines[0].units"
    assert went(shipments) == {"P301a": {("TEE-BLK-M", "MAIN"): 2}, "P301c": {("TEE-BLK-M", "MAIN"): 1}}


async def test_a_location_tryton_lacks_is_named_and_its_mapping_is_followed(at: Tryton) -> None:
    order = order_of("302", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        sale = await sold(here, order)
        asked = parcel(order, "P302", {0: 1}, sale, "HALL 7")
        with pytest.raises(Rejected) as refusal:
            await issue_goods(asked, here.link)
        mapped = {**asked.refs, "location/HALL 7": "EAST"}
        await shipped(here, Command(key=asked.key, entity=asked.entity, body=asked.body, refs=mapped,
                                    sealed_at=asked.sealed_at))  # fmt: skip
        shipments = here.order("shipments", asked.entity)
    missing = refusal.value.missing
    assert missing is not None
    assert (missing.kind, missing.key) == ("location", "HALL 7")
    assert went(shipments) == {"P302": {("TEE-BLK-M", "EAST"): 1}}


async def test_a_line_the_sale_does_not_have_is_refused(at: Tryton) -> None:
    order, other = order_of("303", [Bought("TEE-BLK-M")]), order_of("304", [Bought("MUG-01")])
    async with site(at) as here:
        sale = await sold(here, order)
        with pytest.raises(Rejected, match="no line 3041"):
            await issue_goods(parcel(other, "P303", {0: 1}, sale), here.link)


async def test_less_in_stock_than_left_stops_the_parcel_but_not_the_next_one(at: Tryton) -> None:
    order = order_of("305", [Bought("BAG-01", 150_000), Bought("MUG-01")])
    async with site(at) as here, site(at, stock_may_go_negative=True) as by_force:
        sale = await sold(here, order)
        short = parcel(order, "P305a", {0: 150_000}, sale, "EAST")
        with pytest.raises(Rejected, match="too little stock at EAST"):
            await issue_goods(short, here.link)
        await shipped(here, parcel(order, "P305b", {1: 1}, sale, "MAIN"))
        await shipped(by_force, short)
        shipments = here.order("shipments", short.entity)
    assert went(shipments) == {"P305b": {("MUG-01", "MAIN"): 1}, "P305a": {("BAG-01", "EAST"): 150_000}}


async def test_a_parcel_that_left_while_its_sale_cannot_go_on_is_half_done_until_it_can(at: Tryton) -> None:
    order = order_of("306", [Bought("GIFT-BOX", 2, 100)])
    async with site(at) as here:
        with closing(Session(at)) as people:
            category = without_revenue_account(people, at)
            sale = await sold(here, order)
            asked = parcel(order, "P306", {0: 1}, sale, "MAIN")
            half = await issue_goods(asked, here.link)
            found = await find_issued([asked], here.link)
            people.call("product.category.write", [category], {"account_revenue": at.facts["accounts"]["revenue"]})
        whole = await shipped(here, asked)
        await billed(here, bill(asked, whole.id))
        shipments = here.order("shipments", asked.entity)
    assert isinstance(half, Partial), repr(half)
    assert (half.id, found) == (whole.id, {})
    assert went(shipments) == {"P306": {("GIFT-BOX", "MAIN"): 1}}


def without_revenue_account(people: Session, at: Tryton) -> int:
    """A product whose category has no account to book its revenue to, in stock."""
    named = {"name": "Not set up", "accounting": True, "account_revenue": None}
    [category] = people.call("product.category.create", [named])
    unit = at.facts["unit"]
    price = {"__class__": "Decimal", "decimal": "1.00"}
    box: dict[str, Any] = {"name": "Gift box", "code": "GIFT-BOX", "type": "goods", "consumable": True, "salable": True,
                           "list_price": price, "default_uom": unit, "sale_uom": unit, "account_category": category,
                           "products": [["create", [{"cost_price": price}]]]}  # fmt: skip
    people.call("product.template.create", [box])
    return category


# --- addresses ---------------------------------------------------------------------------------------------------------


async def test_a_changed_address_reaches_every_later_parcel_and_no_earlier_one(at: Tryton) -> None:
    order = order_of("401", [Bought("TEE-BLK-M", 3)], ship_to=AWAY)
    async with site(at) as here:
        sale = await sold(here, order)
        await shipped(here, parcel(order, "P401a", {0: 1}, sale))
        asked = redirect(order, NEW, sale)
        first = done((await redirect_sales([asked], here.link))[asked.key])
        again = done((await redirect_sales([asked], here.link))[asked.key])
        await shipped(here, parcel(order, "P401b", {0: 1}, sale))
        await shipped(here, parcel(order, "P401c", {0: 1}, sale))
        shipments = here.order("shipments", asked.entity)
        [sold_to] = here.order("sales", asked.entity)
    assert first == again
    assert (first.id, first.body) == (sale, as_kept(asked.body))
    cities = {shipment["reference"]: shipment["address"]["city"] for shipment in shipments}
    assert cities == {"P401a": "Boston", "P401b": "Salem", "P401c": "Salem"}
    assert sold_to["address"]["city"] == "Boston", "what was sold stays as it was sold"


@pytest.mark.parametrize("call", ["draft", "write", "wait"])
async def test_an_address_change_cut_after_any_call_is_completed(at: Tryton, call: str) -> None:
    order = order_of(f"41-{call}", [Bought("TEE-BLK-M", 2)])
    async with site(at) as killed:
        sale = await sold(killed, order)
        asked = redirect(order, NEW, sale)
        killed.http.cut = (f"stock.shipment.out.{call}", 1)
        with pytest.raises(Killed):
            await redirect_sales([asked], killed.link)
    async with site(at) as here:
        done((await redirect_sales([asked], here.link))[asked.key])
        await shipped(here, parcel(order, f"P41-{call}", {0: 2}, sale))
        [shipment] = here.order("shipments", asked.entity)
    assert (shipment["state"], shipment["address"]["city"]) == ("done", "Salem")


async def test_an_address_waits_for_the_parcel_that_is_just_being_issued(at: Tryton) -> None:
    """Its label was printed before; the shipment of what it leaves takes the new address when it is there."""
    order = order_of("421", [Bought("TEE-BLK-M", 2)])
    async with site(at) as here:
        sale = await sold(here, order)
        leaving = parcel(order, "P421", {0: 1}, sale)
        here.http.cut = ("stock.shipment.out.pick", 1)
        with pytest.raises(Killed):
            await issue_goods(leaving, here.link)
        asked = redirect(order, NEW, sale)
        outcomes = await redirect_sales([asked], here.link)
        assert isinstance(outcomes[asked.key], Transient)
        await shipped(here, leaving)
        done((await redirect_sales([asked], here.link))[asked.key])
        cities = [shipment["address"]["city"] for shipment in here.order("shipments", asked.entity)]
    assert cities == ["Boston", "Salem"]


async def test_an_address_in_a_country_tryton_lacks_is_refused(at: Tryton) -> None:
    order = order_of("422", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        asked = redirect(order, Address(name="Ada", street=("1 Kiwi Road",), country="NZ"), await sold(here, order))
        with pytest.raises(Fault) as refusal:
            await redirect_sales([asked], here.link)
    assert isinstance(refusal.value, Rejected)
    assert refusal.value.field == "ship_to.country"
