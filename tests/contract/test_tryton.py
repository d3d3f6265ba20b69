"""Customers and sales in the real Tryton: one of each, however often, in whatever company and after whatever cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal

import msgspec
import pytest

from crossdock.canonical.order import SalesOrder
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed, Outcome, Partial
from crossdock.connectors.tryton.parties import as_account, keep_accounts
from crossdock.connectors.tryton.sales import find_sales, post_sales
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import to_decimal, usd
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_site import AWAY, HOME, Bought, Killed, Site, done, keep, order_of, sell, site, sold

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


def parties(here: Site, code: str) -> list[dict[str, object]]:
    return [party for party in here.books("parties")["parties"] if party["code"] == code]


def rejected(outcome: Outcome) -> Rejected:
    assert isinstance(outcome, Rejected), repr(outcome)
    return outcome


# --- accounts ----------------------------------------------------------------------------------------------------------


async def test_an_account_sent_twice_is_one_party_that_reads_back_as_it_was_wanted(at: Tryton) -> None:
    asked = keep("customer:shop:1", name="  Ada Example ", phone="+1 (217) 555-0100")
    async with site(at) as here, site(at) as another_process:
        first = done((await keep_accounts([asked], here.link))[asked.key])
        again = done((await keep_accounts([asked], another_process.link))[asked.key])
        [party] = parties(here, "customer:shop:1")
    assert first == again
    assert first.body == as_account(asked.body)
    assert (party["name"], party["email"], party["phone"]) == ("Ada Example", "ada@example.com", "+12175550100")


async def test_an_account_that_is_right_is_only_looked_at(at: Tryton) -> None:
    asked = keep("customer:shop:2")
    async with site(at) as here:
        await keep_accounts([asked], here.link)
        here.http.methods.clear()
        await keep_accounts([asked], here.link)
        assert here.http.methods == ["party.party.search_read"]


async def test_what_people_add_to_an_account_stays_when_the_shop_changes_its_own(at: Tryton) -> None:
    before, after = keep("customer:shop:3"), keep("customer:shop:3", name="Ada Lovelace", email="", address=AWAY)
    async with site(at) as here:
        party = int(done((await keep_accounts([before], here.link))[before.key]).id)
        with closing(Session(at)) as people:
            own = {"party": party, "type": "email", "value": "ada@work.example", "name": "Work"}
            people.call("party.contact_mechanism.create", [own])
            people.call("party.address.create", [{"party": party, "street": "3 Own Road", "sequence": 5}])
        outcome = done((await keep_accounts([after], here.link))[after.key])
        [held] = parties(here, "customer:shop:3")
    assert outcome.body == as_account(after.body)
    assert held["email"] == "ada@work.example"
    assert [place["street"] for place in held["addresses"]] == [
        "22 Sample Avenue",
        "3 Own Road",
        "1 Example Street\nApt 2",
    ]


async def test_a_region_by_name_or_unknown_to_tryton_is_held_and_means_the_same(at: Tryton) -> None:
    named = keep("customer:shop:4", address=msgspec.structs.replace(HOME, region="Illinois"))
    unlisted = keep("customer:shop:5", address=msgspec.structs.replace(HOME, region="Bayern", country="DE"))
    async with site(at) as here:
        outcomes = await keep_accounts([named, unlisted], here.link)
        cities = [parties(here, f"customer:shop:{n}")[0]["addresses"][0]["city"] for n in (4, 5)]
    assert [done(outcomes[each.key]).body for each in (named, unlisted)] == [
        as_account(named.body),
        as_account(unlisted.body),
    ]
    assert cities == ["Springfield", "Springfield, Bayern"]


async def test_an_account_in_a_country_tryton_lacks_is_refused_and_its_neighbour_kept(at: Tryton) -> None:
    bad = keep("customer:shop:6", address=msgspec.structs.replace(HOME, country="NZ"))
    good = keep("customer:shop:7")
    async with site(at) as here:
        outcomes = await keep_accounts([bad, good], here.link)
    assert rejected(outcomes[bad.key]).field == "address.country"
    done(outcomes[good.key])


async def test_two_processes_that_make_one_account_at_once_make_one_party(at: Tryton) -> None:
    asked = [keep(f"customer:shop:8{n}") for n in range(6)]
    async with site(at) as one, site(at) as other:
        first, second = await asyncio.gather(keep_accounts(asked, one.link), keep_accounts(asked[::-1], other.link))
    assert {key: done(outcome).id for key, outcome in first.items()} == {k: done(o).id for k, o in second.items()}


# --- sales: once -------------------------------------------------------------------------------------------------------


async def test_an_order_sent_again_under_another_key_and_by_another_process_is_one_sale(at: Tryton) -> None:
    order = order_of("101", [Bought("TEE-BLK-M", 2)])
    asked, again = sell(order), sell(order, ordinal=2)
    async with site(at) as here, site(at) as another_process:
        first = done((await post_sales([asked], here.link))[asked.key])
        both = await post_sales([asked, again], another_process.link)
        found = await find_sales([asked, sell(order_of("102", [Bought("MUG-01")]))], here.link)
        [sale] = here.order("sales", asked.entity)
    there = [*map(done, both.values()), *map(done, found.values())]
    assert [(each.id, each.aliases) for each in there] == [(first.id, first.aliases)] * 3
    # What was there already may have been told another address since, which is not looked at.
    assert first.body is None
    assert [each.body for each in there] == [
        msgspec.structs.replace(asked.body, order=msgspec.structs.replace(order, ship_to=None))
    ] * 3
    assert (sale["state"], sale["reference"], [sale["number"]]) == ("processing", "#101", list(first.aliases))


@pytest.mark.parametrize("again", range(4))
async def test_three_processes_that_post_the_same_orders_at_once_post_each_once(at: Tryton, again: int) -> None:
    """Again and again: a kept connection of the ERP that went on reading an earlier time would refuse, some times."""
    asked = [sell(order_of(f"11{again}{n}", [Bought("MUG-01")])) for n in range(4)]
    async with site(at) as one, site(at) as two, site(at) as three:
        first, *others = await asyncio.gather(*(post_sales(asked, each.link) for each in (one, two, three)))
        assert all(len(one.order("sales", each.entity)) == 1 for each in asked)
    wanted = {key: done(outcome).id for key, outcome in first.items()}
    assert [{key: done(outcome).id for key, outcome in found.items()} for found in others] == [wanted, wanted]


CALLS_OF_A_SALE = (
    "party.party.create",
    "party.address.create",
    "sale.sale.create",
    "sale.sale.write",
    "sale.sale.quote",
    "sale.sale.confirm",
)


@pytest.mark.parametrize("call", CALLS_OF_A_SALE)
async def test_a_sale_cut_after_any_call_is_taken_forward_as_the_same_sale(at: Tryton, call: str) -> None:
    small = [Bought("MUG-01", 1, 105, line=f"{n}") for n in range(3)]
    order = order_of(f"12{CALLS_OF_A_SALE.index(call)}", small, included=True)
    asked = sell(order)
    async with site(at) as killed:
        killed.http.cut = (call, 1)
        with pytest.raises(Killed, match=call):
            await post_sales([asked], killed.link)
        before = {row["id"] for row in killed.ask("sale.sale", "id", [["web_id", "=", asked.entity]])}
        assert await find_sales([asked], killed.link) == {} or call == "sale.sale.confirm"
    async with site(at) as here:
        sale = done((await post_sales([asked], here.link))[asked.key])
        [held] = here.order("sales", asked.entity)
        assert len(here.order("shipments", asked.entity)) == 1
    assert before <= {int(sale.id)}
    assert (held["state"], held["total"]) == ("processing", "3.15")
    assert len(held["lines"]) == 4, "the goods and one rounding line, however often it was written"


async def test_a_sale_that_is_confirmed_but_cannot_be_processed_is_processed_once_it_can(at: Tryton) -> None:
    """Tryton confirms in one transaction and processes in a second, which a wrong setting (or a crash) undoes alone."""
    account = keep("customer:shop:13")
    async with site(at) as here:
        party = done((await keep_accounts([account], here.link))[account.key]).id
        asked = [sell(order_of("131", [Bought("MUG-01")]), party=party), sell(order_of("132", [Bought("MUG-01")]))]
        with closing(Session(at)) as people:
            [set_] = people.rows("party.party", "customer_location", [["id", "=", int(party)]])
            people.call("party.party.write", [int(party)], {"customer_location": None})
            first = await post_sales(asked, here.link)
            states = [here.ask("sale.sale", "state", [["web_id", "=", each.entity]])[0]["state"] for each in asked]
            people.call("party.party.write", [int(party)], {"customer_location": set_["customer_location"]})
        again = await post_sales(asked, here.link)
        assert len(here.order("shipments", asked[0].entity)) == 1
    stuck = first[asked[0].key]
    assert isinstance(stuck, Partial), repr(stuck)
    assert states == ["confirmed", "processing"]
    assert done(again[asked[0].key]).id == stuck.id
    assert done(again[asked[1].key]).id == done(first[asked[1].key]).id


# --- sales: right ------------------------------------------------------------------------------------------------------

BASKETS: Sequence[tuple[str, Sequence[Bought], int, bool]] = [
    ("plain", [Bought("TEE-BLK-M", 3), Bought("MUG-01", 2, 990)], 0, False),
    ("delivery", [Bought("TEE-BLK-M"), Bought("MUG-01", 1, 990)], 495, False),
    ("a discount that doesn't divide", [Bought("TEE-BLK-M", 3, 1999, discount=1000)], 500, False),
    ("prices with tax", [Bought("TEE-BLK-M", 3), Bought("MUG-01", 7, 995, discount=333)], 599, True),
    ("many small lines", [Bought("MUG-01", 1, 105, line=f"m{n}") for n in range(9)], 0, False),
    ("many small lines with tax", [Bought("MUG-01", 1, 105, line=f"t{n}") for n in range(9)], 0, True),
    ("a thousand at a third of a cent", [Bought("MUG-01", 1000, 1, discount=667)], 0, False),
    ("exempt from tax", [Bought("TEE-BLK-M", 2, rates=("0.0",)), Bought("MUG-01", 1, 990, rates=())], 0, False),
    ("free", [Bought("BAG-01", 1, 4900, discount=4900)], 0, False),
]


async def test_a_sale_comes_to_what_the_buyer_paid_to_the_cent(at: Tryton) -> None:
    orders = [
        order_of(f"2{n}", bought, shipping=shipping, included=included)
        for n, (_, bought, shipping, included) in enumerate(BASKETS)
    ]
    async with site(at) as here:
        for outcome in (await post_sales([sell(order) for order in orders], here.link)).values():
            done(outcome)
        totals = {sale["web_id"]: Decimal(sale["total"]) for sale in here.books("sales")["sales"]}
    wanted = {f"order:shop:{order.id}": to_decimal(order.total) for order in orders}
    assert {web_id: totals[web_id] for web_id in wanted} == wanted


async def test_a_sale_shows_the_orders_own_addresses_whatever_the_account_has(at: Tryton) -> None:
    account = keep("customer:shop:21", address=HOME)
    elsewhere = msgspec.structs.replace(AWAY, street=("Gift desk", "9 Other Place"), name="Grace Gift", company="")
    order = order_of("301", [Bought("MUG-01")], bill_to=HOME, ship_to=elsewhere)
    async with site(at) as here:
        party = done((await keep_accounts([account], here.link))[account.key]).id
        await sold(here, order, party=party)
        [sale] = here.order("sales", "order:shop:301")
        [invoiced] = here.ask("sale.sale", "invoice_address.street", [["web_id", "=", "order:shop:301"]])
        [held] = parties(here, "customer:shop:21")
    shown = {key: sale["address"][key] for key in ("name", "street", "city", "postal_code", "region", "country")}
    assert sale["party"] == "customer:shop:21"
    assert shown == {
        "name": "Grace Gift",
        "street": "Gift desk\n9 Other Place",
        "city": "Boston",
        "postal_code": "02110",
        "region": "US-MA",
        "country": "US",
    }
    assert invoiced["invoice_address."]["street"] == "1 Example Street\nApt 2"
    assert len(held["addresses"]) == 2, "the account's own address is found again, not added twice"


async def test_a_guest_is_a_party_of_the_orders_own_once(at: Tryton) -> None:
    order = order_of("302", [Bought("MUG-01")])
    async with site(at) as here:
        await post_sales([sell(order)], here.link)
        await post_sales([sell(order, ordinal=2)], here.link)
        [party] = parties(here, "order:shop:302")
        [sale] = here.order("sales", "order:shop:302")
    assert (party["name"], party["email"], sale["party"]) == ("Ada Example", "ada@example.com", "order:shop:302")


async def test_an_order_without_any_address_is_sold_under_its_buyers_name(at: Tryton) -> None:
    order = order_of("303", [Bought("MUG-01")], bill_to=None, ship_to=None)
    async with site(at) as here:
        await sold(here, order)
        [party] = parties(here, "order:shop:303")
    assert [place["name"] for place in party["addresses"]] == ["ada@example.com"]


# --- sales: refused ----------------------------------------------------------------------------------------------------


async def test_what_tryton_does_not_know_is_named_and_neighbours_are_posted(at: Tryton) -> None:
    product = sell(order_of("401", [Bought("MUG-01"), Bought("NO-SUCH")]))
    tax = sell(order_of("402", [Bought("MUG-01", rates=("0.1", "0.07"))]))
    good = [sell(order_of(f"41{n}", [Bought("MUG-01")])) for n in range(3)]
    async with site(at) as here:
        outcomes = await post_sales([good[0], product, good[1], tax, good[2]], here.link)
        mapped = sell(product.body.order, ordinal=2, **{"product/NO-SUCH": "CAP-RED"})
        after_mapping = await post_sales([mapped], here.link)
        [sale] = here.order("sales", product.entity)
    unknown, untaxed = rejected(outcomes[product.key]), rejected(outcomes[tax.key])
    assert unknown.missing is not None
    assert (unknown.missing.kind, unknown.missing.key, unknown.field) == ("product", "NO-SUCH", "lines[1].sku")
    assert untaxed.missing is not None
    assert (untaxed.missing.kind, untaxed.missing.key, untaxed.field) == ("tax", "0.07", "lines[0].taxes[1].rate")
    assert all(isinstance(outcomes[each.key], Confirmed) for each in good)
    done(after_mapping[mapped.key])
    assert [line["product"] for line in sale["lines"]] == ["MUG-01", "CAP-RED"]


async def test_a_total_that_rounding_cannot_explain_is_refused_and_neighbours_are_posted(at: Tryton) -> None:
    order = order_of("421", [Bought("MUG-01", 2)])
    wrong = sell(msgspec.structs.replace(order, total=order.total + usd(100)))
    good = sell(order_of("422", [Bought("MUG-01")]))
    async with site(at) as here:
        outcomes = await post_sales([wrong, good], here.link)
        right = sell(order, ordinal=2)
        corrected = await post_sales([right], here.link)
        assert len(here.order("sales", wrong.entity)) == 1
    assert rejected(outcomes[wrong.key]).field == "total"
    done(outcomes[good.key])
    done(corrected[right.key])


async def test_the_one_order_that_tryton_itself_refuses_is_found_in_its_list(at: Tryton) -> None:
    """A product taken off sale a moment ago is only noticed when the whole list is refused."""
    asked = [sell(order_of(f"43{n}", [Bought("CAP-RED" if n == 3 else "MUG-01")])) for n in range(6)]
    async with site(at) as here:
        await sold(here, order_of("439", [Bought("CAP-RED")]))
        with closing(Session(at)) as people:
            cap = people.call("product.template.search", [["code", "=", "CAP-RED"]])
            people.call("product.template.write", cap, {"salable": False})
            outcomes = await post_sales(asked, here.link)
            people.call("product.template.write", cap, {"salable": True})
        assert here.order("sales", asked[3].entity) == []
    rejected(outcomes[asked[3].key])
    assert sum(isinstance(outcome, Confirmed) for outcome in outcomes.values()) == 5


async def test_a_sale_cancelled_in_tryton_is_not_made_again(at: Tryton) -> None:
    asked: Command[SalesOrder] = sell(order_of("441", [Bought("MUG-01")]))
    async with site(at) as killed:
        killed.http.cut = ("sale.sale.create", 1)
        with pytest.raises(Killed):
            await post_sales([asked], killed.link)
        with closing(Session(at)) as people:
            people.call("sale.sale.cancel", people.call("sale.sale.search", [["web_id", "=", asked.entity]]))
    async with site(at) as here:
        outcomes = await post_sales([asked], here.link)
        assert len(here.order("sales", asked.entity)) == 1
    assert "cancelled" in rejected(outcomes[asked.key]).detail
