"""What is asked of Shopify happens there once or is told as what it is; judged on the simulated shop's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.connector import Command
from crossdock.connect.documents import Document, Page
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connect.secrets import Secret
from crossdock.connectors.shopify import Settings, connector
from crossdock.connectors.shopify.fulfilments import find_parcels, show_parcel
from crossdock.connectors.shopify.graphql import Cost, GraphError, UserError, ask, fault_of_errors
from crossdock.connectors.shopify.reads import list_customers, list_orders, read_customer, read_order
from crossdock.connectors.shopify.references import show_references
from crossdock.kernel.faults import Refused, Rejected, Throttled, Transient, Unknown
from crossdock.kernel.moments import system_clock
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.running import serving
from crossdock.simulators.shop_actions import Bought
from tests.contract.shopify_examples import ADA
from tests.contract.shopify_site import ORIGIN, Site, fulfil, guard, refer, site, spend

HOUR = timedelta(hours=1)
TWO_LINES = [Bought("MUG", 3), Bought("TEA", 1)]


async def shown(parcel: Command[Fulfilment], at: Site) -> Confirmed:
    outcome = await show_parcel(parcel, at.link)
    assert isinstance(outcome, Confirmed)
    return outcome


async def found(at: Site, *parcels: Command[Fulfilment]) -> Mapping[str, Outcome]:
    return await find_parcels(parcels, at.link)


def made(at: Site) -> list[dict[str, Any]]:
    return [entry.details for entry in at.shop.ledger.select("fulfilment_created")]


async def test_two_parcels_of_one_order_are_two_fulfilments_of_exactly_their_units() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        mug, tea = (str(line.id) for line in order.lines)
        first = await shown(fulfil(order, {0: 2}, tracking="1Z1"), at)
        await shown(fulfil(order, {0: 1, 1: 1}, tracking="1Z2", shipment="P-2"), at)
        assert [each["lines"] for each in made(at)] == [{mug: 2}, {mug: 1, tea: 1}]
        assert first.id == made(at)[0]["id"]
        assert {"1Z1", made(at)[0]["name"]} < set(first.aliases)
        assert order.fulfilment_status == "fulfilled"


async def test_the_customer_is_told_by_the_hub_and_not_by_the_shop_as_well() -> None:
    async with site() as at:
        await shown(fulfil(at.shop.place_order(TWO_LINES), {0: 1}, tracking="1Z1"), at)
        assert [each["told_customer"] for each in made(at)] == [False]


async def test_the_parcel_leaves_from_the_location_the_warehouse_names() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG"), Bought("CAKE")])
        await shown(fulfil(order, {1: 1}, tracking="1Z1", location="STORE"), at)
        await shown(fulfil(order, {0: 1}, tracking="1Z2", shipment="P-2", location="a name the shop doesn't know"), at)
        assert [each["location"] for each in made(at)] == ["Harbour store", "Main warehouse"]


async def test_a_parcel_packed_from_two_locations_of_the_shop_is_a_case_and_not_half_done() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG"), Bought("CAKE")])
        with pytest.raises(Rejected, match="several locations") as rejected:
            await shown(fulfil(order, {0: 1, 1: 1}, tracking="1Z1"), at)
        assert rejected.value.field == "location"
        assert made(at) == []


async def test_more_units_than_are_left_are_rejected_and_the_line_is_named() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.fulfil_by_hand(order.id, {order.lines[0].id: 2})
        with pytest.raises(Rejected, match="1 units") as rejected:
            await shown(fulfil(order, {0: 2}, tracking="1Z1"), at)
        assert rejected.value.field == f"lines/{order.lines[0].id}"


@pytest.mark.parametrize("gone", ["cancelled", "unknown"])
async def test_an_order_that_is_cancelled_or_unknown_takes_no_parcel(gone: str) -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.cancel_order(order.id) if gone == "cancelled" else at.shop.delete_order(order.id)
        with pytest.raises(Rejected):
            await shown(fulfil(order, {0: 1}, tracking="1Z1"), at)


async def test_what_a_clerk_ships_between_our_look_and_our_call_is_an_error_of_ours() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.mischief.arm(FaultRule(match="FulfillmentCreate", kind="slow", seconds=0.3, times=1))
        sending = asyncio.create_task(show_parcel(fulfil(order, {0: 3}, tracking="1Z1"), at.link))
        await asyncio.sleep(0.15)
        at.shop.fulfil_by_hand(order.id, {order.lines[0].id: 1})
        with pytest.raises(Rejected, match="quantity") as rejected:
            await sending
        assert rejected.value.field == "fulfillment"
        assert [each["by"] for each in made(at)] == ["hand"]


@pytest.mark.parametrize("how", ["commit_then_drop", "commit_then_status", "commit_then_timeout", "garbage"])
async def test_a_fulfilment_whose_answer_is_lost_is_found_and_so_not_sent_twice(how: Any) -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        parcel = fulfil(order, {0: 2}, tracking="1Z1")
        assert await found(at, parcel) == {}
        at.shop.mischief.arm(FaultRule(match="FulfillmentCreate", kind=how, status=502, seconds=2.5, times=1))
        with pytest.raises(Unknown):
            await show_parcel(parcel, at.link)
        outcome = (await found(at, parcel))[parcel.key]
        assert isinstance(outcome, Confirmed)
        assert [each["id"] for each in made(at)] == [outcome.id]


async def test_a_fulfilment_that_never_happened_is_not_found() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        other = fulfil(order, {0: 1}, tracking="1Z0", shipment="P-0")
        await shown(other, at)
        parcel = fulfil(order, {0: 1}, tracking="1Z1")
        at.shop.mischief.arm(FaultRule(match="FulfillmentCreate", kind="refuse", status=503, times=1))
        with pytest.raises(Unknown):
            await show_parcel(parcel, at.link)
        assert set(await found(at, parcel, other)) == {other.key}


async def test_a_parcel_without_tracking_goes_by_its_own_number_and_is_found_by_it() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        letter = fulfil(order, {1: 1}, shipment="LETTER-7")
        await shown(letter, at)
        assert made(at)[0]["tracking"] == ["LETTER-7"]
        assert set(await found(at, letter)) == {letter.key}


async def test_parcels_of_one_consignment_with_one_number_are_told_apart() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        first = fulfil(order, {0: 2}, tracking="1Z1")
        second = fulfil(order, {0: 1}, tracking="1Z1", shipment="P-2")
        await shown(first, at)
        assert set(await found(at, first, second)) == {first.key}


async def test_a_parcel_a_clerk_cancelled_since_did_happen() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        parcel = fulfil(order, {0: 1}, tracking="1Z1")
        at.shop.cancel_fulfilment(int((await shown(parcel, at)).id))
        assert set(await found(at, parcel)) == {parcel.key}


async def test_an_order_of_many_lines_is_fulfilled_from_all_its_pages() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG")] * 200)
        await shown(fulfil(order, {0: 1, 199: 1}, tracking="1Z1"), at)
        assert len(made(at)[0]["lines"]) == 2


async def test_the_erp_numbers_of_many_orders_are_shown_in_one_call() -> None:
    async with site() as at:
        orders = [at.shop.place_order(TWO_LINES) for _ in range(25)]
        commands = [refer(order, f"SO{order.number}") for order in orders]
        outcomes = await show_references(commands, at.link)
        assert all(isinstance(outcomes[command.key], Confirmed) for command in commands)
        assert [order.metafields["crossdock.erp_order"].value for order in orders] == [
            f"SO{order.number}" for order in orders
        ]
        assert len(at.shop.ledger.select("mutation")) == 1


async def test_a_reference_that_is_wrong_is_rejected_by_itself_and_its_neighbours_are_shown() -> None:
    async with site() as at:
        good, bad = at.shop.place_order(TWO_LINES), at.shop.place_order(TWO_LINES)
        commands = [refer(good, "SO1"), refer(bad, "  "), refer("4711", "SO3")]
        outcomes = await show_references(commands, at.link)
        first, blank, nowhere = (outcomes[command.key] for command in commands)
        assert isinstance(first, Confirmed)
        assert isinstance(blank, Rejected)
        assert blank.field == "metafields/1/value"
        assert isinstance(nowhere, Rejected)
        assert "Owner" in nowhere.detail
        assert len(at.shop.ledger.select("metafield_set")) == 1


@pytest.mark.parametrize("how", ["partial", "silent"])
async def test_a_reference_missing_from_the_answer_is_left_unknown(how: Any) -> None:
    async with site() as at:
        commands = [refer(at.shop.place_order(TWO_LINES), f"SO{n}") for n in range(4)]
        at.shop.mischief.arm(FaultRule(match="MetafieldsSet", kind=how, times=1))
        assert len(await show_references(commands, at.link)) == 2


async def test_an_unnumbered_sale_is_not_shown_as_nothing() -> None:
    async with site() as at:
        numbered = refer(at.shop.place_order(TWO_LINES), "SO1")
        bare = Command(key="x", entity="order:shop:1", body=numbered.body, refs={}, sealed_at=numbered.sealed_at)
        outcome = (await show_references([bare], at.link))["x"]
        assert isinstance(outcome, Rejected)
        assert outcome.missing is not None


@pytest.mark.parametrize("status", [200, 429])
async def test_a_throttled_call_says_when_to_come_back(status: int) -> None:
    async with site(points_max=1000, points_per_second=500, throttled_status=status) as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.endpoint.bucket.take(800)
        with pytest.raises(Throttled) as throttled:
            await read_order(str(order.id), at.link)
        assert 0 < throttled.value.retry_after_seconds <= 2
        await asyncio.sleep(throttled.value.retry_after_seconds)
        assert await read_order(str(order.id), at.link)


async def test_calls_paced_by_what_answers_say_they_cost_are_not_throttled() -> None:
    async with site(points_max=1000, points_per_second=1) as at:
        order = at.shop.place_order(TWO_LINES)
        await read_order(str(order.id), at.link)
        assert at.link.memory["points/Order"] < 40  # reckoned at several hundred
        await read_order(str(order.id), at.link)


@pytest.mark.parametrize(
    ("codes", "done_nothing", "safe", "fault"),
    [
        (["THROTTLED"], True, False, Throttled),
        (["Throttled"], True, True, Throttled),
        (["ACCESS_DENIED"], False, False, Refused),
        (["undefinedField"], True, False, Rejected),
        (["MAX_COST_EXCEEDED"], True, True, Rejected),
        (["INTERNAL_SERVER_ERROR"], True, False, Unknown),
        (["INTERNAL_SERVER_ERROR"], True, True, Transient),
        (["never seen"], False, False, Unknown),
    ],
)
def test_an_error_is_told_as_what_follows_from_it(
    codes: list[str], done_nothing: bool, safe: bool, fault: type[Exception]
) -> None:
    errors = [GraphError(message=code, extensions={"code": code} if code.isupper() else {}) for code in codes]
    assert type(fault_of_errors(errors, Cost(), done_nothing=done_nothing, safe=safe)) is fault


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b'{"errors":[{"message":"Field does not exist","extensions":{"code":"undefinedField"}}]}', Rejected),
        (b'{"errors":"Not Found"}', Rejected),
        (b'{"data":null,"errors":[{"message":"went wrong"}]}', Unknown),
        (b'{"data":{"metafieldsSet":null},"errors":[{"message":"went wrong"}]}', Unknown),
        (b'{"data":{"metafieldsSet":7}}', Unknown),
        (b'{"errors":[{"message":"Throttled"}]}', Throttled),
    ],
)
async def test_a_mutation_is_known_not_to_have_happened_only_when_it_never_began(
    answer: bytes, fault: type[Exception]
) -> None:
    async def answered(request: web.Request) -> web.Response:
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{anywhere:.*}", answered)
    async with serving(app) as running, aiohttp.ClientSession() as session:
        http = Http(session, running.url, spend=spend, guard=guard)
        link = Link(Settings(url=running.url, access_token=Secret("t")), http, {}, guard)
        with pytest.raises(fault):
            await show_references([refer("1001", "SO1")], link)


async def test_missing_rights_and_a_wrong_token_are_refused_with_the_remedy() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.endpoint.denied.add("fulfillmentCreate")
        with pytest.raises(Refused, match="scope"):
            await show_parcel(fulfil(order, {0: 1}, tracking="1Z1"), at.link)
    async with site(token="shpat_revoked") as at:
        with pytest.raises(Refused):
            await read_order("1", at.link)


async def test_a_mutations_user_error_names_the_field() -> None:
    rejected = UserError(message="too long", field=["fulfillment", "trackingInfo"], code="TOO_LONG").rejected()
    assert (rejected.field, rejected.detail) == ("fulfillment/trackingInfo", "TOO_LONG: too long")


async def test_an_answer_that_cannot_be_read_leaves_a_mutation_unknown_and_a_read_to_be_repeated() -> None:
    async with site() as at:
        order = at.shop.place_order(TWO_LINES)
        at.shop.mischief.arm(FaultRule(match="graphql.json", kind="garbage"))
        with pytest.raises(Transient):
            await read_order(str(order.id), at.link)
        with pytest.raises(Unknown):
            await ask("MetafieldsSet", {"metafields": []}, dict[str, Any], at.link, safe=False)


async def whole(listing: Any, cursor: str, at: Site) -> list[Page]:
    pages = [await listing(cursor, at.link)]
    while pages[-1].more:
        pages.append(await listing(pages[-1].cursor, at.link))
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [item.id for page in pages for item in page.items]


def order_document(body: bytes) -> Document:
    document = next(iter(connector.topics["graphql/order"](body, ORIGIN)))
    assert isinstance(document, Document)
    return document


async def test_an_order_of_any_length_is_read_whole() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG")] * 130)
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        body = order_document(reading.body).body
        assert [line.id for line in getattr(body, "lines", ())] == [str(line.id) for line in order.lines]


async def test_what_the_shop_does_not_have_reads_as_nothing() -> None:
    async with site() as at:
        assert await read_order("4711", at.link) is None
        assert await read_customer("4711", at.link) is None


async def test_a_listing_goes_on_from_its_cursor_with_what_changed_since() -> None:
    hours = iter(range(10_000))

    def an_hour_later() -> Any:
        return system_clock().replace(year=2026, month=1, day=1, hour=0) + next(hours) * HOUR

    async with site(clock=an_hour_later) as at:
        orders = [at.shop.place_order([Bought("MUG")] * (40 if n == 3 else 1)) for n in range(12)]
        first = await whole(list_orders, "", at)
        assert ids(first) == [str(order.id) for order in orders]
        assert len(first) == 3
        at.shop.edit_address(orders[4].id, ADA)
        again = await whole(list_orders, first[-1].cursor, at)
        assert ids(again)[-1] == str(orders[4].id)
        assert len(ids(again)) <= 2  # the change and, by the overlap, the last one seen
        assert ids(await whole(list_orders, again[-1].cursor, at)) == [str(orders[4].id)]


async def test_a_listing_of_nothing_stays_at_the_beginning() -> None:
    async with site() as at:
        page = await list_customers("", at.link)
        assert (page.items, page.more) == ([], False)
        ada = at.shop.create_customer("Ada")
        assert ids(await whole(list_customers, page.cursor, at)) == [str(ada.id)]
