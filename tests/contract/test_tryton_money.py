"""Credit notes and further invoices in the real Tryton: each posted once, to the cent, beside the sale they correct."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from crossdock.canonical.order import Order
from crossdock.canonical.returns import BillingLine, CreditMemo
from crossdock.canonical.shipment import Invoice, InvoicePosting
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.tryton.corrections import find_credit_memos, post_credit_memos, post_supplements
from crossdock.connectors.tryton.goods_issue import find_issued
from crossdock.connectors.tryton.invoices import find_posted
from crossdock.connectors.tryton.open_units import cancel_units
from crossdock.kernel.faults import Fault, Rejected, Unknown
from crossdock.kernel.money import usd
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_proxy import Way, door
from tests.contract.tryton_site import (
    SEALED_AT,
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
    owed_less,
    owed_more,
    parcel,
    part_of,
    shipped,
    site,
    sold,
)

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


async def sold_and_billed(here: Site, order: Order, units: int = 1) -> str:
    """The sale, with some units of its first line shipped and billed."""
    sale = await sold(here, order)
    issue = parcel(order, f"P{order.id}", {0: units}, sale)
    await billed(here, bill(issue, (await shipped(here, issue)).id))
    return sale


async def credited(here: Site, asked: Command[CreditMemo]) -> Confirmed:
    return done((await post_credit_memos([asked], here.link))[asked.key])


def rejected(outcome: Outcome) -> Rejected:
    assert isinstance(outcome, Rejected), repr(outcome)
    return outcome


def posted(here: Site, key: str) -> list[Row]:
    """The documents made for a command."""
    return [row for row in here.order("invoices", key) if row["web_ids"] == [key]]


def amounts(row: Row) -> tuple[Decimal, Decimal, Decimal]:
    return Decimal(row["untaxed"]), Decimal(row["tax"]), Decimal(row["total"])


def taxes(row: Row) -> dict[str, Decimal]:
    return {rate: Decimal(amount) for rate, amount in row["taxes"].items()}


# --- what it says ------------------------------------------------------------------------------------------------------


async def test_a_credit_note_says_what_was_commanded_and_leaves_the_sale_and_the_stock_as_they_were(at: Tryton) -> None:
    order = order_of("101", [Bought("TEE-BLK-M", 3)], shipping=500)
    async with site(at) as here:
        sale = await sold_and_billed(here, order, 2)
        before = here.books()
        asked = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], sale, reason="Returned: too small")
        receipt = await credited(here, asked)
        after = here.books()
    [memo] = [row for row in after["invoices"] if row["web_ids"] == [asked.key]]
    [made] = [row for row in after["sales"] if row["web_id"] == asked.key]
    [original] = [row for row in before["sales"] if row["web_id"] == asked.entity]
    assert receipt.body == Invoice(number=memo["number"], net=usd(-2000), tax=usd(-200), total=usd(-2200))
    assert (memo["state"], memo["credit"], memo["reference"], memo["description"]) == (
        "posted", True, "#101", "Returned: too small",
    )  # fmt: skip
    assert [line["description"] for line in memo["lines"]] == ["1 x Tee-Blk-M (TEE-BLK-M)"]
    assert (made["corrects"], made["shipment_state"]) == (original["number"], "none")
    assert original in after["sales"]
    assert after["stock"] == before["stock"]
    assert (after["shipments"], after["returns"]) == (before["shipments"], before["returns"])


async def test_what_was_billed_to_an_account_is_credited_to_it_and_delivery_too(at: Tryton) -> None:
    order = order_of("102", [Bought("TEE-BLK-M")], shipping=500)
    delivery = BillingLine(component="shipping", net=usd(500), title="Standard", taxes=order.shipping[0].taxes)
    async with site(at) as here:
        sale = await sold_and_billed(here, order)
        asked = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200}), delivery], sale)
        await credited(here, asked)
        [memo] = posted(here, asked.key)
        [invoice] = here.order("invoices", asked.entity)
    assert [line["description"] for line in memo["lines"]] == ["1 x Tee-Blk-M (TEE-BLK-M)", "Standard"]
    assert balances(memo) == {account: -balance for account, balance in balances(invoice).items()}


def balances(row: Row) -> dict[str, Decimal]:
    return {entry["account"]: Decimal(entry["balance"]) for entry in row["booked"]}


EXACT: list[tuple[list[tuple[int, dict[str, int]]], dict[str, Decimal]]] = [
    ([(1999, {"0.1": 199})], {"0.1": Decimal("-1.99")}),  # Tryton says 2.00
    ([(333, {"0.1": 33}), (333, {"0.1": 33}), (334, {"0.1": 34})], {"0.1": Decimal("-1.00")}),
    ([(1000, {"0.2": 199}), (500, {"0.05": 26})], {"0.2": Decimal("-1.99"), "0.05": Decimal("-0.26")}),
    ([(1000, {"0.2": 200, "0.05": 51})], {"0.2": Decimal("-2.00"), "0.05": Decimal("-0.51")}),
    ([(0, {"0.1": 7})], {"0.1": Decimal("-0.07")}),  # only the tax was too much
    ([(0, {"0.1": 7}), (1000, {"0.1": 100})], {"0.1": Decimal("-1.07")}),
    ([(1000, {})], {}),
    ([(1, {"0.1": 0})], {}),
    ([(12345678, {"0.1": 1234568})], {"0.1": Decimal("-12345.68")}),
]


@pytest.mark.parametrize("sign", [-1, 1])
async def test_net_and_tax_are_what_was_commanded_whatever_tryton_would_round_them_to(at: Tryton, sign: int) -> None:
    """All in one list, so that each is exact in company too."""
    order = order_of(f"11{sign}", [Bought("TEE-BLK-M"), Bought("MUG-01"), Bought("CAP-RED")])
    with closing(Session(at)) as people:
        for rate in ("0.2", "0.05"):
            make_tax(people, at, rate)
    async with site(at) as here:
        sale = await sold(here, order)
        differ = owed_less if sign < 0 else owed_more
        asked: list[Any] = [
            differ(order, [part_of(order, n, 1, *line) for n, line in enumerate(lines)], sale, ordinal)
            for ordinal, (lines, _) in enumerate(EXACT, start=1)
        ]
        post = post_credit_memos if sign < 0 else post_supplements
        receipts = await post(asked, here.link)
        rows = {row["web_ids"][0]: row for row in here.books("invoices")["invoices"] if row["web_ids"]}
    for each, (lines, wanted) in zip(asked, EXACT, strict=True):
        row, net = rows[each.key], Decimal(sum(net for net, _ in lines)).scaleb(-2) * sign
        tax = -sum(wanted.values(), Decimal(0)) * sign
        assert done(receipts[each.key]).aliases == (row["number"],)
        assert (row["state"], amounts(row)) == ("posted", (net, tax, net + tax))
        assert {rate: amount for rate, amount in taxes(row).items() if amount} == {
            rate: -amount * sign for rate, amount in wanted.items()
        }
        assert sum(balances(row).values()) == 0


def make_tax(people: Session, at: Tryton, rate: str) -> None:
    decimal = {"__class__": "Decimal", "decimal": rate}
    if not people.call("account.tax.search", [["rate", "=", decimal]]):
        people.call("account.tax.copy", [at.facts["tax"]], {"rate": decimal, "name": f"Tax {rate}"})


# --- once --------------------------------------------------------------------------------------------------------------


async def test_a_credit_note_sent_twice_is_one_and_is_found_only_when_it_is_posted(at: Tryton) -> None:
    order = order_of("201", [Bought("TEE-BLK-M")])
    async with site(at) as here, site(at) as another_process:
        sale = await sold(here, order)
        asked, other = (owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], sale, n) for n in (1, 2))
        before = await find_credit_memos([asked], here.link)
        first = await credited(here, asked)
        again = await credited(another_process, asked)
        found = await find_credit_memos([asked, other], here.link)
        assert len(posted(here, asked.key)) == 1
    assert (before, again, found) == ({}, first, {asked.key: first})


async def test_two_processes_that_post_at_once_post_one(at: Tryton) -> None:
    order = order_of("202", [Bought("TEE-BLK-M")])

    async def until_done(here: Site, asked: Sequence[Command[CreditMemo]]) -> list[str]:
        for _ in range(8):
            try:
                outcomes = await post_credit_memos(asked, here.link)
            except Fault:
                outcomes = {}
            if outcomes and all(isinstance(outcome, Confirmed) for outcome in outcomes.values()):
                return [done(outcomes[each.key]).id for each in asked]
            await asyncio.sleep(0.3)
        raise AssertionError("the two keep out each other for ever")

    async with site(at) as one, site(at) as other:
        sale = await sold(one, order)
        asked = [owed_less(order, [part_of(order, 0, 1, 100 * n, {"0.1": 10 * n})], sale, n) for n in (1, 2, 3)]
        assert len(set(map(tuple, await asyncio.gather(until_done(one, asked), until_done(other, asked))))) == 1
        assert [len(posted(one, each.key)) for each in asked] == [1, 1, 1]


CALLS = [
    "sale.sale.create",
    "sale.sale.quote",
    "sale.sale.confirm",
    "account.invoice.write",
    "account.invoice.post",
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_credit_note_cut_after_any_call_is_completed_and_posted_once(at: Tryton, call: str) -> None:
    order = order_of(f"21{CALLS.index(call)}", [Bought("TEE-BLK-M")])
    async with site(at) as killed:
        sale = await sold(killed, order)
        asked = owed_less(order, [part_of(order, 0, 1, 1999, {"0.1": 199})], sale)
        killed.http.cut = (call, killed.http.methods.count(call) + 1)
        with pytest.raises(Killed):
            await post_credit_memos([asked], killed.link)
        found = await find_credit_memos([asked], killed.link)
    async with site(at) as here:
        first, again = await credited(here, asked), await credited(here, asked)
        [memo] = posted(here, asked.key)
    assert set(found) == ({asked.key} if call.endswith("post") else set())
    assert again == first
    assert (memo["state"], amounts(memo)) == ("posted", (Decimal("-19.99"), Decimal("-1.99"), Decimal("-21.98")))


LOST: list[tuple[str, Way]] = [
    ("sale.sale.create", "commit_then_drop"),
    ("sale.sale.confirm", "commit_then_status"),
    ("account.invoice.post", "commit_then_drop"),
    ("account.invoice.post", "garbage"),
]


@pytest.mark.parametrize(("call", "way"), LOST)
async def test_a_lost_answer_is_unknown_and_sending_again_posts_no_second_one(at: Tryton, call: str, way: Way) -> None:
    order = order_of(f"22{LOST.index((call, way))}", [Bought("TEE-BLK-M")])
    async with door(at) as spoiling, site(at, url=spoiling.url) as here:
        sale = await sold(here, order)
        asked = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], sale)
        spoiling.spoilt[call] = way
        with pytest.raises(Unknown):
            await post_credit_memos([asked], here.link)
        await credited(here, asked)
        assert len(posted(here, asked.key)) == 1


# --- when --------------------------------------------------------------------------------------------------------------


async def test_a_day_in_a_closed_period_is_refused_by_its_date_and_leaves_no_draft(at: Tryton) -> None:
    order = order_of("301", [Bought("TEE-BLK-M")])
    lines = [part_of(order, 0, 1, 2000, {"0.1": 200})]
    this_year = datetime.now(UTC).year
    async with site(at) as here:
        sale = await sold(here, order)
        with closing(Session(at)) as people:
            january = people.call("account.period.search", [["start_date", "=", day(date(this_year, 1, 1))]])
            people.call("account.period.close", january)
            late = owed_less(order, lines, sale, 1, dated=datetime(this_year, 1, 5, 12, tzinfo=UTC))
            before_the_books = owed_less(order, lines, sale, 2, dated=datetime(2001, 1, 5, 12, tzinfo=UTC))
            good = owed_less(order, lines, sale, 3)
            outcomes = await post_credit_memos([late, good, before_the_books], here.link)
            made = [*here.order("sales", late.key), *here.order("sales", before_the_books.key)]
            people.call("account.period.reopen", january)
        after = await credited(here, late)
        [memo] = posted(here, late.key)
    refusal = rejected(outcomes[late.key])
    assert (refusal.field, f"{this_year}-01-05 is in Tryton's period" in refusal.detail) == ("memo_date", True)
    assert "no accounting period for 2001-01-05" in rejected(outcomes[before_the_books.key]).detail
    assert made == []
    done(outcomes[good.key])
    assert after.aliases == (memo["number"],)
    assert memo["invoice_date"] == date.today().isoformat(), "numbers follow dates: put off to the last number's day"


def day(value: date) -> Row:
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


async def test_a_day_before_the_last_number_takes_that_numbers_day_in_a_list_too(at: Tryton) -> None:
    order = order_of("302", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        sale = await sold(here, order)
        yesterday = datetime.now(UTC) - timedelta(days=1)
        asked = [
            owed_less(order, [part_of(order, 0, 1, 100, {"0.1": 10})], sale, n, dated=yesterday - timedelta(days=n))
            for n in range(1, 5)
        ]
        here.http.methods.clear()
        for outcome in (await post_credit_memos(asked, here.link)).values():
            done(outcome)
        assert here.http.methods.count("account.invoice.post") == 1
        days = {posted(here, each.key)[0]["invoice_date"] for each in asked}
    assert days == {date.today().isoformat()}


# --- refused -----------------------------------------------------------------------------------------------------------


async def test_a_tax_tryton_does_not_have_is_named_and_neighbours_are_posted(at: Tryton) -> None:
    order = order_of("401", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        sale = await sold(here, order)
        odd = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200, "0.13": 260})], sale, 1)
        good = [owed_less(order, [part_of(order, 0, 1, 100, {"0.1": 10})], sale, n) for n in (2, 3)]
        outcomes = await post_credit_memos([good[0], odd, good[1]], here.link)
        assert here.order("sales", odd.key) == []
        with closing(Session(at)) as people:
            make_tax(people, at, "0.13")
    async with site(at) as later:
        await credited(later, odd)
    refusal = rejected(outcomes[odd.key])
    assert refusal.missing is not None
    assert (refusal.missing.kind, refusal.missing.key, refusal.field) == ("tax", "0.13", "lines[0].taxes[1].rate")
    for each in good:
        done(outcomes[each.key])


async def test_a_sale_tryton_does_not_have_is_refused(at: Tryton) -> None:
    order = order_of("402", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        asked = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], "999999")
        outcome = (await post_credit_memos([asked], here.link))[asked.key]
    assert rejected(outcome).field == "sale"


async def test_the_one_that_tryton_itself_refuses_is_found_in_its_list(at: Tryton) -> None:
    """A party that became the shop's guest meanwhile can't be sold to."""
    orders = [order_of(f"40{n}", [Bought("TEE-BLK-M")]) for n in range(3, 6)]
    async with site(at) as here:
        asked = [
            owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], await sold(here, order)) for order in orders
        ]
        with closing(Session(at)) as people:
            [guest] = people.call("party.party.search", [["code", "=", asked[1].entity]])
            people.call("web.shop.write", [at.facts["shop"]], {"guest_party": guest})
            outcomes = await post_credit_memos(asked, here.link)
            people.call("web.shop.write", [at.facts["shop"]], {"guest_party": None})
    assert [isinstance(outcomes[each.key], Confirmed) for each in asked] == [True, False, True]
    rejected(outcomes[asked[1].key])


async def test_a_credit_note_whose_sale_was_cancelled_by_a_person_is_not_made_again(at: Tryton) -> None:
    order = order_of("406", [Bought("TEE-BLK-M")])
    async with site(at) as killed:
        sale = await sold(killed, order)
        asked = owed_less(order, [part_of(order, 0, 1, 2000, {"0.1": 200})], sale)
        killed.http.cut = ("sale.sale.create", 2)
        with pytest.raises(Killed):
            await post_credit_memos([asked], killed.link)
        with closing(Session(at)) as people:
            people.call("sale.sale.cancel", people.call("sale.sale.search", [["web_id", "=", asked.key]]))
    async with site(at) as here:
        outcome = (await post_credit_memos([asked], here.link))[asked.key]
    assert "cancelled in Tryton" in rejected(outcome).detail


async def test_a_sale_invoiced_as_it_was_ordered_is_billed_whole_once_whatever_leaves_of_it(at: Tryton) -> None:
    order = order_of("190", [Bought("TEE-BLK-M", 3), Bought("MUG-01", 2)], shipping=500)
    async with site(at) as here:
        sale = await sold(here, order, invoice="order")
        asked = command(
            f"order:shop:{order.id}", InvoicePosting(shipment="", invoice_date=SEALED_AT), "invoice", sale=sale
        )
        assert await find_posted([asked], here.link) == {}
        receipt = await billed(here, asked)
        issue = parcel(order, "P190", {0: 2}, sale)
        left = await shipped(here, issue)
        assert await find_issued([issue], here.link) == {issue.key: left}
        kept = keep_open(order, {0: 2, 1: 0}, sale)
        assert isinstance((await cancel_units([kept], here.link))[kept.key], Confirmed)
        assert await billed(here, asked) == receipt
        assert await find_posted([asked], here.link) == {asked.key: receipt}
        after = here.books("invoices")
    assert isinstance(receipt.body, Invoice)
    assert receipt.body.total == order.total
    mine = [row for row in after["invoices"] if row["web_ids"] == [asked.entity]]
    assert [(row["number"], row["state"], row["credit"]) for row in mine] == [(receipt.body.number, "posted", False)]
