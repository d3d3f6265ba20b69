"""Orders that are fetched in a store, as Shopify tells them: the webhook only hints at it, the order itself says where."""

from __future__ import annotations

import msgspec
import pytest

from crossdock.canonical.order import Order
from crossdock.connect.documents import Document, Hint
from crossdock.connect.receipts import Confirmed
from crossdock.connectors.shopify import connector
from crossdock.connectors.shopify.cancellations import ask_about, cancel_order, find_cancelled
from crossdock.connectors.shopify.reads import list_orders, read_order
from crossdock.kernel.faults import Rejected
from crossdock.simulators.shop_actions import Bought
from tests.contract.shopify_examples import ADA, Recorded
from tests.contract.shopify_site import ORIGIN, cancel, site


def order_in(body: bytes, locations: dict[str, str]) -> Order:
    origin = msgspec.structs.replace(ORIGIN, locations=locations)
    found = [each for each in connector.topics["graphql/order"](body, origin) if isinstance(each, Document)]
    (order,) = [each.body for each in found if isinstance(each.body, Order)]
    return order


@pytest.mark.parametrize("named", [True, False])
async def test_where_it_is_fetched_is_read_and_named_by_our_code(named: bool) -> None:
    async with site() as at:
        fetched = at.shop.place_order([Bought("MUG", 2)], pickup="Harbour store", billing_address=ADA)
        shipped = at.shop.place_order([Bought("MUG", 2)], shipping_address=ADA, shipping="5.00")
        store = next(str(each.id) for each in at.shop.world.locations.values() if each.name == "Harbour store")
        codes = {store: "STORE"} if named else {}
        for order, place in ((fetched, "STORE" if named else "Harbour store"), (shipped, "")):
            reading = await read_order(str(order.id), at.link)
            assert reading is not None
            assert order_in(reading.body, codes).pickup_at == place
        page = await list_orders("", at.link)
        places = [order_in(each.body, codes).pickup_at for each in page.items]
        assert places == ["STORE" if named else "Harbour store", ""]


def test_a_webhook_of_goods_that_go_nowhere_is_a_hint_to_read_them() -> None:
    shop = Recorded()
    shop.add_location("Main warehouse")
    shop.add_product("MUG", "Mug", "12.50")
    order = shop.place_order([Bought("MUG")], pickup="Main warehouse")
    found = list(connector.topics["orders/create"](shop.last("orders/create"), ORIGIN))
    assert found == [Hint(kind="order", id=str(order.id), entity=f"order:shop:{order.id}")]


async def test_an_order_is_cancelled_once_and_tells_its_buyer_and_says_so_when_asked_again() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG", 2)], pickup="Harbour store", authorised=True, manual_gateway=True)
        command = cancel(order)
        assert await find_cancelled([command], at.link) == {}
        job = "gid://shopify/Job/00000000-0000-0000-0000-000000000001"
        assert isinstance(await ask_about(command, job, at.link), Rejected)
        assert await cancel_order(command, at.link) == Confirmed(id=str(order.id))
        assert await ask_about(command, job, at.link) == Confirmed(id=str(order.id))
        assert await cancel_order(command, at.link) == Confirmed(id=str(order.id))
        assert await find_cancelled([command], at.link) == {command.key: Confirmed(id=str(order.id))}
        (done,) = at.shop.ledger.select("order_cancelled")
        assert done.details == {"by": "api", "staff_note": "nobody came for it", "told_customer": True}


async def test_an_order_of_which_something_left_is_not_cancelled() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG", 2)], pickup="Harbour store")
        at.shop.fulfil_by_hand(order.id, {order.lines[0].id: 1})
        assert isinstance(await cancel_order(cancel(order), at.link), Rejected)
        assert at.shop.ledger.select("order_cancelled") == []
