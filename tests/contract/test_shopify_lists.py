"""Fulfilments and returns, which Shopify lists nowhere but under their orders: all of them are found, whatever was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from crossdock.canonical.returns import Return
from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.connector import List
from crossdock.connect.documents import Document, Page, Reading
from crossdock.connectors.shopify import connector
from crossdock.connectors.shopify.parcel_reads import list_fulfilments, read_fulfilment
from crossdock.connectors.shopify.return_reads import list_returns, read_return
from crossdock.connectors.shopify.webhook_facts import fulfilment_stated
from crossdock.kernel.moments import system_clock
from crossdock.simulators.shop_actions import Bought, TrackingInfo
from crossdock.simulators.shop_state import Fulfilment as Parcel
from crossdock.simulators.shop_state import Order
from tests.contract.shopify_examples import Recorded
from tests.contract.shopify_site import ORIGIN, Site, site


def stated(reading: Reading | None) -> Document:
    assert reading is not None
    [found] = connector.topics[reading.topic](reading.body, ORIGIN)
    assert isinstance(found, Document)
    return found


async def pages(listing: List, cursor: str, at: Site) -> list[Page]:
    found = [await listing(cursor, at.link)]
    while found[-1].more:
        found.append(await listing(found[-1].cursor, at.link))
    return found


def ids(found: Sequence[Page]) -> list[str]:
    return [item.id for page in found for item in page.items]


def a_parcel(at: Site, order: Order, units: dict[int, int], number: str | None = None) -> Parcel:
    """Packed by hand: units by the line's place in the order."""
    return at.shop.fulfil_by_hand(order.id, {order.lines[n].id: count for n, count in units.items()}, number)


class Clock:
    """The shop's, which goes on by an hour when a test says so: further than a listing looks back."""

    def __init__(self) -> None:
        self.now = system_clock().replace(month=1, day=1)

    def __call__(self) -> datetime:
        return self.now

    def later(self) -> None:
        self.now += timedelta(hours=1)


# ---- fulfilments


def test_a_fulfilment_reads_as_the_webhook_of_the_same_state_tells_it() -> None:
    shop = Recorded()
    for sku in ("MUG", "TEA"):
        shop.add_product(sku, sku.title(), "12.50")
    order = shop.place_order([Bought("MUG", 3), Bought("TEA", 1)])
    tracking = TrackingInfo("UPS", ["1Z1", "1Z2"], ["https://track.example/1Z1", "https://track.example/1Z2"])
    mugs, tea = order.fulfilment_orders[0].lines
    shop.fulfil(order, order.fulfilment_orders[0].location, [(tea, 1), (mugs, 2)], tracking, by="hand")
    bare = shop.fulfil_by_hand(order.id, {order.lines[0].id: 1})
    for cancelled in (False, True):
        if cancelled:
            shop.cancel_fulfilment(bare.id)
        for made in order.fulfilments if not cancelled else [bare]:
            told = next(body for _, body in reversed(shop.told) if body.get("id") == made.id)
            [heard] = fulfilment_stated(msgspec.json.encode(told), ORIGIN)
            assert stated(_read_of(shop, made)) == heard
    [first, _] = order.fulfilments
    body = stated(_read_of(shop, first)).body
    assert isinstance(body, Fulfilment)
    assert {line.line: line.units for line in body.lines} == {str(order.lines[0].id): 2, str(order.lines[1].id): 1}


def _read_of(shop: Recorded, parcel: Parcel) -> Reading:
    return Reading(topic="graphql/fulfillment", id=str(parcel.id), body=shop.fulfilment_read(parcel.id))


async def test_every_parcel_of_every_order_is_listed_whole_with_the_orders_that_the_shop_counts() -> None:
    async with site() as at:
        orders = [at.shop.place_order([Bought("MUG", 2)]) for _ in range(20)]
        long = at.shop.place_order([Bought("MUG")] * 9)
        made = [a_parcel(at, order, {0: 1}, f"1Z{n}") for n, order in enumerate(orders[3:])]
        made += [
            a_parcel(at, orders[7], {0: 1}),
            a_parcel(at, long, dict.fromkeys(range(8), 1)),
            a_parcel(at, long, {8: 1}),
        ]
        at.shop.cancel_fulfilment(made[0].id)
        found = await pages(list_fulfilments, "", at)
        assert sorted(ids(found)) == sorted(str(each.id) for each in made)
        assert len(found) == 2
        assert frozenset[str]().union(*(page.counted for page in found)) == {str(each.id) for each in [*orders, long]}
        assert {each for page in found for each in page.bare} == {str(each.id) for each in orders[:3]}
        listed = {item.id: stated(item) for page in found for item in page.items}
        eight = listed[str(made[-2].id)].body
        assert isinstance(eight, Fulfilment)
        assert len(eight.lines) == 8
        assert [id_ for id_, each in listed.items() if each.body is None] == [str(made[0].id)]
        for id_, each in listed.items():
            assert stated(await read_fulfilment(id_, at.link)) == each
        assert await read_fulfilment("4711", at.link) is None


async def test_parcels_are_listed_from_where_the_last_listing_ended() -> None:
    clock = Clock()
    async with site(clock=clock) as at:
        orders = [at.shop.place_order([Bought("MUG", 2)]) for _ in range(3)]
        first = a_parcel(at, orders[0], {0: 1}, "1Z1")
        end = (await pages(list_fulfilments, "", at))[-1].cursor
        clock.later()
        assert ids(await pages(list_fulfilments, end, at)) == [str(first.id)]  # by the overlap
        a_parcel(at, orders[1], {0: 1}, "1Z2")
        end = (await pages(list_fulfilments, end, at))[-1].cursor
        clock.later()
        at.shop.cancel_fulfilment(first.id)
        assert str(first.id) in ids(await pages(list_fulfilments, end, at))


# ---- returns


def sent_back(at: Site, units: int = 2, lines: int = 1) -> tuple[Order, int]:
    """An order of which all left and is asked to come back, and the return's id."""
    order = at.shop.place_order([Bought("MUG", units)] * lines, authorised=True)
    a_parcel(at, order, dict.fromkeys(range(lines), units))
    back = at.shop.request_return(order.id, {line.id: units for line in order.lines}, approved=True)
    return order, back.id


async def test_every_return_of_every_order_is_listed_whole_with_the_orders_that_the_shop_counts() -> None:
    async with site() as at:
        nothing = [at.shop.place_order([Bought("MUG")]) for _ in range(3)]
        some = [sent_back(at) for _ in range(20)]
        long, of_six = sent_back(at, lines=6)
        order = some[0][0]
        at.shop.cancel_return(some[0][1])
        again = [at.shop.request_return(order.id, {order.lines[0].id: 1}).id for _ in range(2)]
        at.shop.decline_return(again[0])
        at.shop.receive_return(some[1][1], some[1][0].lines[0].id, 2)
        at.shop.close_return(some[1][1])
        found = await pages(list_returns, "", at)
        assert sorted(ids(found)) == sorted(map(str, [*(id_ for _, id_ in some), *again, of_six]))
        assert len(found) == 2
        everything = {str(each.id) for each in [*nothing, *(each for each, _ in some), long]}
        assert frozenset[str]().union(*(page.counted for page in found)) == everything
        listed = {item.id: stated(item) for page in found for item in page.items}
        assert {id_: each.body for id_, each in listed.items()} == {
            id_: stated(await read_return(id_, at.link)).body for id_ in listed
        }
        assert len(_lines(listed[str(of_six)])) == 6
        states = {id_: each.body.status for id_, each in listed.items() if isinstance(each.body, Return)}
        assert [states[str(id_)] for id_ in (some[0][1], again[0], again[1], some[1][1])] == [
            "cancelled",
            "cancelled",
            "requested",
            "closed",
        ]


def _lines(document: Document) -> dict[str, int]:
    assert isinstance(document.body, Return)
    return {line.line: line.units for line in document.body.lines}


async def test_a_return_under_way_is_listed_though_its_order_says_that_nothing_changed() -> None:
    clock = Clock()
    async with site(clock=clock) as at:
        open_one, edited = sent_back(at)
        _, closed = sent_back(at)
        at.shop.close_return(closed)
        clock.later()
        last = at.shop.place_order([Bought("MUG")])
        end = (await pages(list_returns, "", at))[-1].cursor
        clock.later()
        at.shop.remove_from_return(edited, open_one.lines[0].id, 1)
        found = await pages(list_returns, end, at)
        assert ids(found) == [str(edited)]
        assert _lines(stated(found[0].items[0])) == {str(open_one.lines[0].id): 1}
        assert str(last.id) in found[0].bare
        assert found[-1].cursor == end, "what is looked at besides moves no cursor back"
