"""The simulated shop speaks as Shopify does, and its ledger tells the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from crossdock.connectors.shopify import connector
from crossdock.simulators.mischief import WebhookMischief
from crossdock.simulators.running import serving
from crossdock.simulators.shop import SECRET, TOKEN, Shop
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_load import order_webhook, sku_of
from crossdock.simulators.shop_state import NotPossible, totals
from tests.contract.shopify_examples import ADA, Recorded, messages
from tests.contract.shopify_schema import documented_example
from tests.contract.shopify_site import ORIGIN

GRAPHQL = "/admin/api/2026-07/graphql.json"


@dataclass
class Door:
    """What came in at a hub's door; the first `busy` messages are answered 503."""

    busy: int = 0
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        assert connector.door is not None
        if not connector.door.genuine(headers, body, [SECRET.encode()]):
            return web.Response(status=401)
        if self.busy > 0:
            self.busy -= 1
            return web.Response(status=503)
        self.came.append((headers, body))
        return web.Response()

    @property
    def topics(self) -> list[str]:
        return sorted(headers["x-shopify-topic"] for headers, _ in self.came)

    def message_ids(self) -> list[str | None]:
        assert connector.door is not None
        return [connector.door.describe(headers, body).message_id for headers, body in self.came]


@asynccontextmanager
async def shop_and_door(door: Door, **options: Any) -> AsyncIterator[tuple[Shop, aiohttp.ClientSession]]:
    app = web.Application()
    app.router.add_post("/in/shop", door.take)
    async with serving(app) as hub:
        shop = Shop(f"{hub.url}/in/shop", retry_seconds=(0.05, 0.05, 0.05), **options)
        shop.add_product("MUG", "Mug", "12.50")
        shop.add_product("TEA", "Tea", "8.00")
        async with shop.serve() as running, aiohttp.ClientSession(running.url) as http:
            yield shop, http


async def done(http: aiohttp.ClientSession, action: str, **arguments: object) -> Any:
    async with http.post(f"/_do/{action}", json=arguments) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def missing(documented: Any, sent: Any, where: str = "") -> list[str]:
    """Fields the documentation's example has and the simulator doesn't send."""
    match documented, sent:
        case dict(), dict():
            absent = [f"{where}.{name}" for name in documented.keys() - sent.keys()]
            shared = documented.keys() & sent.keys()
            return absent + [
                each for name in shared for each in missing(documented[name], sent[name], f"{where}.{name}")
            ]
        case [first, *_], [own, *_]:
            return missing(first, own, f"{where}[]")
        case _:
            return []


@pytest.mark.parametrize(
    "topic",
    [
        "orders/create",
        "orders/paid",
        "orders/updated",
        "orders/edited",
        "orders/cancelled",
        "orders/delete",
        "orders/partially_fulfilled",
        "customers/create",
        "customers/update",
        "customers/delete",
        "fulfillments/create",
        "refunds/create",
        "order_transactions/create",
        "returns/request",
        "returns/approve",
        "returns/close",
        "returns/cancel",
    ],
)
def test_a_webhook_has_every_field_the_documentation_shows(topic: str) -> None:
    sent = messages()[topic.replace("/", ".")]
    assert missing(documented_example(topic), msgspec.json.decode(sent)) == []


async def test_a_story_told_over_http_reaches_the_hub_signed_and_is_in_the_ledger() -> None:
    door = Door()
    async with shop_and_door(door) as (shop, http):
        address = msgspec.to_builtins(ADA)
        ada = await done(http, "create_customer", first_name="Ada", email="ada@example.com", address=address)
        order = await done(
            http, "place_order", lines=[{"sku": "MUG", "quantity": 2}], customer=ada["id"], shipping_address=address
        )
        await done(http, "pay_order", order=order["id"])
        await done(http, "edit_address", order=order["id"], address={**address, "city": "Bangor"})
        line = str(order["lines"][0]["id"])
        await done(http, "edit_order", order=order["id"], quantities={line: 1}, add=[{"sku": "TEA"}])
        await done(http, "cancel_order", order=order["id"])
        await shop.sender.idle()
        assert door.topics == sorted(
            ["customers/create", "orders/create", "orders/paid", "orders/edited", "orders/cancelled", "refunds/create"]
            + ["orders/updated"] * 4
        )
        async with http.get("/_ledger") as answer:
            happened = [entry["what"] for entry in await answer.json()]
    assert happened == (
        "customer_created order_placed transaction order_paid address_edited order_edited order_cancelled transaction "
        "refund_created".split()
    )


async def test_what_the_shop_cannot_do_is_answered_and_not_done() -> None:
    async with shop_and_door(Door()) as (shop, http):
        order = shop.place_order([Bought("MUG", 2)])
        shop.fulfil_by_hand(order.id, {order.lines[0].id: 2})
        for action, arguments in [
            ("pay_order", {"order": 4711}),
            ("place_order", {"lines": [{"sku": "NONE"}]}),
            ("edit_order", {"order": order.id, "quantities": {str(order.lines[0].id): 1}}),
            ("edit_order", {"order": order.id, "colour": "red"}),
        ]:
            async with http.post(f"/_do/{action}", json=arguments) as answer:
                assert answer.status == 422, action
        assert shop.ledger.counts() == {"order_placed": 1, "fulfilment_created": 1}


async def test_a_webhook_refused_for_now_comes_again_and_keeps_its_identity() -> None:
    door = Door(busy=2)
    async with shop_and_door(door) as (shop, _http):
        shop.mischief.webhooks = WebhookMischief(duplicate=1.0)
        shop.create_customer("Ada")
        await shop.sender.idle()
    assert len(door.came) == 2
    assert len(set(door.message_ids())) == 1
    assert len({headers["x-shopify-webhook-id"] for headers, _ in door.came}) == 2


async def test_one_event_tells_several_topics_and_each_is_a_message_of_its_own() -> None:
    door = Door()
    async with shop_and_door(door) as (shop, _http):
        shop.place_order([Bought("MUG")], paid=True)
        await shop.sender.idle()
    assert len({headers["x-shopify-event-id"] for headers, _ in door.came}) == 1
    assert len(set(door.message_ids())) == 2


async def test_forged_and_altered_webhooks_never_get_in() -> None:
    door = Door()
    async with shop_and_door(door) as (shop, _http):
        shop.mischief.webhooks = WebhookMischief(forge=1.0, alter=1.0)
        for _ in range(10):
            shop.create_customer("Ada")
        await shop.sender.idle()
        assert (shop.sender.counts.forged, shop.sender.counts.altered) == (10, 10)
        assert shop.sender.counts.forgeries_accepted == 0
    assert len(door.came) == 10


async def test_without_event_ids_a_stable_webhook_id_tells_repeats() -> None:
    door = Door(busy=1)
    async with shop_and_door(door, event_ids=False, stable_webhook_ids=True) as (shop, _http):
        shop.create_customer("Ada")
        shop.create_customer("Bob")
        await shop.sender.idle()
    assert len(set(door.message_ids())) == 2
    assert not any("x-shopify-event-id" in headers for headers, _ in door.came)


async def test_a_restored_shop_has_forgotten_what_its_ledger_remembers() -> None:
    async with shop_and_door(Door()) as (shop, http):
        kept = shop.place_order([Bought("MUG", 2)])
        await http.post("/_control/snapshot")
        lost = shop.place_order([Bought("TEA")])
        shop.fulfil_by_hand(kept.id, {kept.lines[0].id: 1})
        await http.post("/_control/restore")
        assert list(shop.world.orders) == [kept.id]
        assert shop.world.orders[kept.id].to_ship(kept.lines[0].id) == 2
        assert shop.ledger.select("order_placed", str(lost.id))
        assert [entry.what for entry in shop.ledger.entries][-2:] == ["fulfilment_created", "restored"]


async def test_a_restored_shop_gives_no_number_twice() -> None:
    async with shop_and_door(Door()) as (shop, http):
        await http.post("/_control/snapshot")
        lost = shop.place_order([Bought("MUG", 2)])
        for _ in range(2):
            await http.post("/_control/restore")
            again = shop.place_order([Bought("MUG", 2)])
            assert again.id > lost.id
            assert again.number > lost.number
            assert again.lines[0].id > lost.lines[0].id
            lost = again


async def asked(http: aiohttp.ClientSession, query: str, token: str = TOKEN, path: str = GRAPHQL) -> tuple[int, Any]:
    async with http.post(path, json={"query": query}, headers={"X-Shopify-Access-Token": token}) as answer:
        return answer.status, await answer.json()


async def test_the_api_answers_only_its_version_and_its_token() -> None:
    async with shop_and_door(Door()) as (_shop, http):
        query = '{ order(id: "gid://shopify/Order/1") { id } }'
        assert (await asked(http, query))[1]["data"] == {"order": None}
        assert (await asked(http, query, token="other"))[0] == 401
        assert (await asked(http, query, path="/admin/api/2020-01/graphql.json"))[0] == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('{ order(id: "gid://shopify/Order/1") { ', "parseError"),
        ("{ shop { name } }", "undefinedField"),
        ("{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { id } } } } }", "MAX_COST_EXCEEDED"),
        ('mutation { refundCreate(input: {orderId: "x"}) { refund { id } } }', "BAD_REQUEST"),
    ],
)
async def test_a_request_that_is_wrong_as_a_whole_gets_an_error_and_no_data(query: str, code: str) -> None:
    async with shop_and_door(Door()) as (_shop, http):
        status, answer = await asked(http, query)
        assert (status, "data" in answer) == (200, False)
        assert answer["errors"][0]["extensions"]["code"] == code


async def test_an_emptied_bucket_throttles_until_it_has_filled_again() -> None:
    query = "{ orders(first: 100) { nodes { id } } }"
    async with shop_and_door(Door(), points_max=150, points_per_second=100) as (shop, http):
        shop.endpoint.bucket.take(149)
        _, answer = await asked(http, query)
        assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert answer["extensions"]["cost"]["requestedQueryCost"] == 102
        assert "data" not in answer
        await asyncio.sleep(1.1)
        assert "data" in (await asked(http, query))[1]


def test_an_order_adds_up_whatever_is_done_to_it() -> None:
    shop = Recorded()
    shop.add_product("MUG", "Mug", "12.50")
    shop.add_product("TEA", "Tea", "8.33")
    order = shop.place_order(
        [Bought("MUG", 3), Bought("TEA", 7)], discount="5.00", tax_rate="0.0825", shipping="4.90", discount_code="FIVE"
    )
    was = totals(order, current=False)
    assert (was.goods, was.discounts, was.total) == (9581, 500, 9581 - 500 + was.tax + 490)
    shop.edit_order(order.id, {order.lines[0].id: 1, order.lines[1].id: 9})
    assert totals(order, current=True).goods == 1250 + 9 * 833
    assert [order.to_ship(line.id) for line in order.lines] == [1, 9]
    shop.fulfil_by_hand(order.id, {order.lines[1].id: 4})
    with pytest.raises(NotPossible):
        shop.edit_order(order.id, {order.lines[1].id: 3})
    shop.cancel_order(order.id)
    assert [line.current for line in order.lines] == [0, 4]
    assert not any(order.to_ship(line.id) for line in order.lines)


def test_load_is_made_of_different_genuine_orders_the_same_every_time() -> None:
    assert order_webhook(7, lines=3, seed=2) == order_webhook(7, lines=3, seed=2)
    made = [order_webhook(n, lines=5) for n in range(300)]
    assert connector.door is not None
    seen = set[str]()
    for n, (headers, body) in enumerate(made):
        lowered = {name.lower(): value for name, value in headers.items()}
        assert connector.door.genuine(lowered, body, [SECRET.encode()])
        order, buyer = connector.topics["orders/create"](body, ORIGIN)
        lines = order.body.lines
        assert [line.sku for line in lines] == [sku_of(n, at) for at in range(5)]
        assert order.body.customer == buyer.entity
        names = {*order.aliases, *(line.id for line in lines), f"message {connector.door.describe(lowered, body)}"}
        assert not names & seen
        seen |= names
    assert missing(documented_example("orders/create"), msgspec.json.decode(made[0][1])) == []
