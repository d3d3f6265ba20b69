"""Makes the Shopify connector's examples: what the simulated shop sends and answers, in the shape of Shopify's own.

Run `python -m tests.contract.shopify_examples` after the simulator changed; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from crossdock.connectors.shopify.graphql import QUERIES
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.shop_actions import Bought, TrackingInfo
from crossdock.simulators.shop_answers import Answers
from crossdock.simulators.shop_graphql import Picker, operations
from crossdock.simulators.shop_returns import Returns
from crossdock.simulators.shop_signing import webhook_headers
from crossdock.simulators.shop_state import Address, World

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/shopify/examples"
SECRET = b"example-client-secret"
_ACCESS_TOKEN = "shpat_example_access_token"
_BEGIN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)

ADA = Address(
    first_name="Ada",
    last_name="Archer",
    address1="12 Harbour Street",
    address2="Floor 3",
    city="Portland",
    province="Maine",
    province_code="ME",
    country="United States",
    country_code="US",
    zip="04101",
    phone="+12075550123",
)
BOB = Address(
    first_name="Bob",
    last_name="Baker",
    company="Baker & Sons",
    address1="7 Mill Lane",
    city="Bath",
    country="United Kingdom",
    country_code="GB",
    zip="BA1 1AA",
)


class Recorded(Returns):
    """A shop whose webhooks are kept, and whose clock goes on by a minute with each."""

    tells_transactions = True

    def __init__(self, currency: str = "USD", seed: int = 0) -> None:
        self.told = list[tuple[str, dict[str, Any]]]()
        super().__init__(World(currency=currency), Ledger(self._time), self._keep, self._time, seed)
        self.add_location("Main warehouse")
        self.add_location("Harbour store")

    def _time(self) -> datetime:
        return _BEGIN + timedelta(minutes=len(self.told))

    def _keep(self, topic: str, body: dict[str, Any], event: str) -> None:
        self.told.append((topic, json.loads(msgspec.json.encode(body))))

    def last(self, topic: str) -> bytes:
        """The body of the latest webhook of the topic."""
        return msgspec.json.encode(next(body for each, body in reversed(self.told) if each == topic))

    def asked(self, operation: str, **variables: object) -> dict[str, Any]:
        """What the shop answers to one of the connector's queries."""
        asked = operations(QUERIES[operation])[operation]
        answers, picker = Answers(self.world), Picker(variables)
        found = {each.key: (each, answers.roots[each.name](each.values(variables))) for each in asked.fields}
        return {key: None if node is None else picker.pick(each.fields, node) for key, (each, node) in found.items()}

    def order_read(self, order: int) -> bytes:
        """The order as `read("order")` enters it."""
        named = {"id": f"gid://shopify/Order/{order}"}
        read = self.asked("Order", **named, lines=250, charges=20, transactions=30)["order"]
        if read["refunds"]:
            read["refunds"] = self.asked("OrderRefunds", **named, refunds=20, lines=250)["order"]["refunds"]
        lines = [line for refund in read["refunds"] for line in refund["refundLineItems"]["nodes"]]
        if any(line["restockType"] == "NO_RESTOCK" for line in lines):
            parcels = self.asked("OrderParcels", **named, fulfillments=20, lines=250)["order"]
            read["fulfillments"] = parcels["fulfillments"]
        return msgspec.json.encode(read)

    def return_read(self, number: int) -> bytes:
        """The return as `read("return")` enters it."""
        answer = self.asked("Return", id=f"gid://shopify/Return/{number}", lines=40, places=4, goods=20)
        return msgspec.json.encode(answer["return"])

    def fulfilment_read(self, number: int) -> bytes:
        """The fulfilment as `read("fulfilment")` enters it."""
        answer = self.asked("Fulfillment", id=f"gid://shopify/Fulfillment/{number}", lines=100)
        return msgspec.json.encode(answer["fulfillment"])

    def customer_read(self, customer: int) -> bytes:
        return msgspec.json.encode(self.asked("Customer", id=f"gid://shopify/Customer/{customer}")["customer"])


def story() -> tuple[Recorded, int, int]:
    """A customer orders, pays, changes the order, gets one parcel and cancels the rest; also returns both ids."""
    shop = Recorded()
    shop.add_product("MUG-BLUE", "Mug", "12.50", variant_title="Blue", grams=350)
    shop.add_product("TEA-EARL", "Earl Grey", "8.90", grams=100)
    shop.add_product("GIFT-NOTE", "Gift note", "0.00", ships=False, grams=0)
    ada = shop.create_customer("Ada", "Archer", "ada@example.com", "+12075550123", ADA)
    shop.update_customer(ada.id, email="ada.archer@example.com")
    order = shop.place_order(
        [Bought("MUG-BLUE", 3), Bought("TEA-EARL", 2), Bought("GIFT-NOTE")],
        customer=ada.id,
        shipping_address=ADA,
        discount="5.00",
        discount_code="WELCOME5",
        tax_rate="0.055",
        shipping="6.90",
    )
    shop.pay_order(order.id)
    mugs = order.lines[0].id
    shop.edit_order(order.id, quantities={mugs: 2})
    parts = [(part, 1) for part in order.fulfilment_orders[0].lines if part.line == mugs]
    tracking = TrackingInfo("UPS", ["1Z999AA10123456784"], ["https://www.ups.com/track?num=1Z999AA10123456784"])
    shop.fulfil(order, order.fulfilment_orders[0].location, parts, tracking, by="api")
    return shop, order.id, ada.id


def messages() -> Mapping[str, bytes]:
    """The example body of every topic, by file name."""
    shop, order, customer = story()
    made = {
        "graphql.order": shop.order_read(order),
        "graphql.customer": shop.customer_read(customer),
        "graphql.fulfillment": shop.fulfilment_read(shop.world.orders[order].fulfilments[0].id),
    }
    shop.fulfil_by_hand(order, {line.id: shop.world.orders[order].to_ship(line.id) for line in _ships(shop, order)})
    guest = shop.place_order(
        [Bought("TEA-EARL")], email="bob@example.com", shipping_address=BOB, taxes_included=True, tax_rate="0.2"
    )
    made["orders.create.guest"] = shop.last("orders/create")
    shop.cancel_order(guest.id)
    shop.cancel_fulfilment(shop.world.orders[order].fulfilments[-1].id)
    made |= _sent_back(shop)
    told = dict(reversed(shop.told))  # the first of each topic, where the story is richest
    shop.delete_order(guest.id)
    shop.delete_customer(customer)
    told |= {topic: body for topic, body in shop.told if topic.endswith("/delete")}
    told |= {"returns/reopen": told["returns/close"] | {"status": "open"}, "returns/update": _RETURN_UPDATE}
    told["returns/process"] = {}  # as empty as Shopify's documentation has it
    told |= {"customers/enable": told["customers/update"], "customers/disable": told["customers/update"]}
    made |= {topic.replace("/", "."): msgspec.json.encode(body) for topic, body in told.items()}
    return made | _ignored()


_RETURN_UPDATE = {
    "admin_graphql_api_id": "gid://shopify/Return/12300000001",
    "return_line_items": {
        "removals": [{"admin_graphql_api_id": "gid://shopify/ReturnLineItem/25400000001", "delta": 1}]
    },
    "restocking_fees": {"updates": [], "removals": []},
    "return_shipping_fees": {"updates": [], "removals": []},
}


def sent_back() -> tuple[Recorded, int, int]:
    """An order of which all left: two units come back, one is refunded without, one is cancelled; with the return's id."""
    shop = Recorded()
    shop.add_product("MUG-BLUE", "Mug", "12.50", variant_title="Blue", grams=350)
    shop.add_product("TEA-EARL", "Earl Grey", "8.90", grams=100)
    ada = shop.create_customer("Ada", "Archer", "ada@example.com", "+12075550123", ADA)
    order = shop.place_order(
        [Bought("MUG-BLUE", 5), Bought("TEA-EARL", 2)],
        customer=ada.id,
        shipping_address=ADA,
        discount="5.00",
        tax_rate="0.055",
        shipping="6.90",
        tip="3.00",
        authorised=True,
        payment="pi_3OrderAda",
    )
    shop.pay_order(order.id)
    mugs, tea = order.lines
    shop.fulfil_by_hand(order.id, {mugs.id: 4, tea.id: 2}, "1Z999AA10123456786")
    shop.cancel_units(order.id, mugs.id, 1)
    back = shop.request_return(order.id, {mugs.id: 2})
    shop.approve_return(back.id)
    shop.receive_return(back.id, mugs.id, 1, "RESTOCKED")
    shop.receive_return(back.id, mugs.id, 1, "NOT_RESTOCKED")
    shop.refund_by_hand(order.id, {mugs.id: 2}, "return", shipping="2.00", note="Too blue")
    shop.refund_by_hand(order.id, {tea.id: 1}, "no_restock", note="Tin was dented")
    shop.close_return(back.id)
    return shop, order.id, back.id


def _sent_back(shop: Recorded) -> Mapping[str, bytes]:
    """Examples of an order after returns; what was told on the way goes to the shop of the first story."""
    other, order, back = sent_back()
    declined = other.request_return(order, {other.world.orders[order].lines[0].id: 1})
    other.decline_return(declined.id)
    again = other.request_return(order, {other.world.orders[order].lines[0].id: 1}, approved=True)
    other.cancel_return(again.id)
    known = {topic for topic, _ in shop.told}
    shop.told += [(topic, body) for topic, body in other.told if topic not in known]
    return {
        "graphql.order.refunded": other.order_read(order),
        "graphql.return": other.return_read(back),
        "orders.updated.refunded": other.last("orders/updated"),
    }


def _ships(shop: Recorded, order: int) -> list[Any]:
    return [line for line in shop.world.orders[order].lines if line.product.ships]


def _ignored() -> dict[str, bytes]:
    """Topics nobody reads: only that they are told apart matters."""
    cart = b'{"id":"c1-5d3a","token":"c1-5d3a","line_items":[],"updated_at":"2026-11-20T14:29:00.000Z"}'
    checkout = b'{"id":3101234567890,"token":"b2f1","completed_at":null,"line_items":[]}'
    app = b'{"id":548380009,"name":"Simulated shop","myshopify_domain":"simulated.myshopify.com"}'
    return {
        "carts.create": cart,
        "carts.update": cart,
        "checkouts.create": checkout,
        "checkouts.update": checkout,
        "checkouts.delete": b'{"id":3101234567890,"presentment_currency":"USD"}',
        "app.uninstalled": app,
        "app.scopes_update": b'{"id":1,"previous":["read_orders"],"current":["read_orders","write_orders"]}',
    }


def commands() -> Mapping[str, object]:
    """Example commands, by the noun's name."""
    shop, order, _customer = story()
    tea = _ships(shop, order)[1].id
    tracking = {"carrier": "UPS", "number": "1Z999AA10123456785"}
    parcel = {"order": str(order), "shipment": "P-2", "lines": [{"line": str(tea), "units": 2}], "tracking": tracking}
    untracked = {
        "order": str(order),
        "shipment": "P-3",
        "lines": [{"line": str(tea), "units": 1}],
        "location": "Main warehouse",
    }
    return {
        "fulfilment": [{"body": parcel}, {"body": untracked}],
        "return_record": [{"body": _record(order, tea)}],
        "store_credit": [{"body": _credit(order)}],
        "order_reference": [{"body": {"order": str(order)}, "refs": {"sale.number": "SO0042"}}],
    }


def _record(order: int, line: int) -> object:
    return {
        "order": str(order),
        "return_id": "R7",
        "lines": [{"line": str(line), "units": 1, "restock": "sellable"}],
        "amount": {"minor": 890, "currency": "USD"},
        "shipping": {"minor": 0, "currency": "USD"},
    }


def _credit(order: int) -> object:
    return {
        "order": str(order),
        "customer": "customer:shop:7100000000001",
        "amount": {"minor": 890, "currency": "USD"},
        "reason": "Return R7",
    }


def conformance() -> object:
    """The reads that come before a fulfilment or a refund is made, with what they are answered."""
    shop, order, _customer = story()
    variables = {"id": f"gid://shopify/Order/{order}", "fulfillmentOrders": 5, "lines": 90}
    data = shop.asked("OrderFulfillmentOrders", **variables)
    money = shop.asked("OrderMoney", id=variables["id"], refunds=100, transactions=100)
    answers = {"OrderFulfillmentOrders": data, "OrderMoney": money}
    preamble = [{"match": f'"operationName":"{name}"', "answer": {"data": each}} for name, each in answers.items()]
    return {"preamble": preamble, "ids": {"order": str(order)}}


def files() -> Iterator[tuple[Path, bytes]]:
    """Every example file with what belongs in it."""
    for name, body in messages().items():
        yield Path("messages") / f"{name}.json", body
        if name == "orders.create":
            yield Path("messages") / f"{name}.headers.json", _pretty(_headers("orders/create", body))
    for noun, given in commands().items():
        yield Path("commands") / f"{noun}.json", _pretty(given)
    yield Path("conformance.json"), _pretty(conformance())
    settings = {
        "url": "https://example.myshopify.com",
        "access_token": _ACCESS_TOKEN,
        "webhook_secrets": ["example-retired-secret", SECRET.decode()],
        "locations": {"MAIN": "92000000001"},
    }
    yield Path("settings.json"), _pretty(settings)


def _headers(topic: str, body: bytes) -> dict[str, str]:
    return webhook_headers(
        topic=topic,
        body=body,
        secret=SECRET,
        webhook_id="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        event_id="98880550-7158-44d4-b7cd-2c97c8a091b5",
        triggered_at=_BEGIN,
    )


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def write() -> None:
    for path, body in files():
        (EXAMPLES / path).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLES / path).write_bytes(body)


if __name__ == "__main__":
    write()
