"""An exchange as people ask for it over the API, with a payment provider: new goods for what comes back, and its money once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connectors.stripe import connector
from crossdock.simulators.payments import API_KEY, Payments
from crossdock.store.inbox import Message
from tests.desk import Desk, desk
from tests.stage import PLACED_AT, order, shipment

_NEW = "R-1+1"


@dataclass
class Counter:
    """Somebody at the API; the hub; and the provider, whose webhooks are heard when asked for."""

    desk: Desk
    provider: Payments
    http: aiohttp.ClientSession

    async def pays(self, amount: int) -> None:
        async with self.http.post("/_do/pay", json={"order": "1", "amount": amount}) as answer:
            assert answer.status == 200, await answer.text()
        await self.at_rest()

    async def at_rest(self) -> None:
        """Everything is done, what the provider tells of it included."""
        assert connector.door is not None
        await self.desk.stage.run()
        for event in self.provider.books.all("event"):
            body = msgspec.json.encode(event)
            topic = connector.door.describe({}, body).topic
            await self.desk.stage.tell(Message("psp", topic, body, event["id"]))
        await self.desk.stage.run()
        await self.desk.stage.checked()

    async def asks(self, path: str, body: Any) -> None:
        await self.desk.done(f"1/{path}", body)
        await self.at_rest()

    async def shown(self) -> Any:
        status, told = await self.desk.ask("GET", "/v1/orders/order:shop:1", who="reader")
        assert status == 200
        return told

    def refunded(self) -> list[int]:
        return [entry.details["amount"] for entry in self.provider.ledger.select("refunded")]

    def posted(self, noun: str) -> list[Any]:
        assert self.desk.stage.target is not None
        return [entry.details["body"] for entry in self.desk.stage.target.ledger.select(noun)]

    def to_leave(self) -> dict[str, int]:
        assert self.desk.stage.target is not None
        held = self.desk.stage.target.held.get("order:shop:1/shipment_lines", {"lines": []})
        return {line["line"]: line["units"] for line in held["lines"]}


@asynccontextmanager
async def counter(database_url: str) -> AsyncIterator[Counter]:
    """An order of three mugs at 10.00, paid, shipped and invoiced."""
    os.environ["TEST_PSP_KEY"] = API_KEY
    provider = Payments()
    async with provider.serve() as running, aiohttp.ClientSession(running.url) as http:
        psp = {"connector": "stripe", "url": running.url, "api_key": "env:TEST_PSP_KEY", "orders_of": "shop"}
        mugs = order("1", units=3)
        settings = {"each": {"connector": "tests.standin.money"}, "mail": False, "roles": {"payments": "psp"}}
        async with desk(database_url, mugs, **settings, more={"connections": {"psp": psp}}) as at:
            of = Counter(at, provider, http)
            await of.pays(3_000)
            await at.stage.tell(shipment("s1", mugs, units=3))
            await of.at_rest()
            yield of


_WANTS = {
    "id": "R-1",
    "lines": [{"sku": "MUG", "units": 1}],
    "settle_by": "exchange",
    "replacements": [{"sku": "CAP", "title": "Cap", "price": "12.00"}],
}
_BACK = {"lines": [{"sku": "MUG", "units": 1, "disposition": "sellable", "location": "EAST"}]}


async def test_new_goods_leave_when_what_they_replace_is_back_and_the_difference_is_paid(database_url: str) -> None:
    async with counter(database_url) as of:
        await of.asks("returns", _WANTS)
        await of.asks("returns/R-1/receipts", _BACK)
        told = await of.shown()
        assert told["lines"][-1] == {"id": _NEW, "sku": "CAP", "title": "Cap", "ordered": 1, "replaces": "R-1"}
        assert "to collect 2.00 USD for the new goods of return R-1" in [each["what"] for each in told["expected"]]
        assert of.to_leave() == {}
        await of.pays(200)
        assert of.to_leave() == {"1-0": 3, _NEW: 1}
        [_, further] = of.posted("sales_order")
        assert (further["part"], [line["sku"] for line in further["order"]["lines"]]) == (2, ["CAP"])
        parcel = Shipment(
            id="s2",
            reference="order:shop:1",
            location="EAST",
            lines=(ShipmentLine(line=_NEW, sku="CAP", units=1),),
            shipped_at=PLACED_AT,
        )
        await of.desk.stage.tell(parcel)
        await of.at_rest()
        [memo] = of.posted("credit_memo")
        assert [line["net"]["minor"] for line in memo["lines"]] == [1_000]
        assert [each["shipment"] for each in of.posted("invoice_posting")] == ["s1", "s2"]
        assert of.posted("supplementary_invoice") == []
        assert [each["shipment"] for each in of.posted("fulfilment")] == ["s1"]
        assert (of.refunded(), of.desk.stage.cases()) == ([], [])
        assert (await of.shown())["expected"] == []


async def test_new_goods_that_are_out_of_stock_are_paid_back_once(database_url: str) -> None:
    async with counter(database_url) as of:
        even = _WANTS | {"replacements": [{"sku": "CAP"}]}
        await of.asks("returns", even)
        await of.asks("returns/R-1/receipts", _BACK)
        assert of.to_leave() == {"1-0": 3, _NEW: 1}
        await of.asks("returns/R-1/shortages", {"lines": [{"sku": "CAP", "units": 1}], "reason": "out of stock"})
        assert of.to_leave() == {"1-0": 3, _NEW: 0}
        assert of.refunded() == [1_000]
        assert of.desk.stage.cases() == []


_MISFITS: list[tuple[int, str | None, str, Any]] = [
    (422, "settle_by", "1/returns", _WANTS | {"settle_by": "refund"}),
    (422, "replacements[0].price", "1/returns", _WANTS | {"replacements": [{"sku": "CAP", "price": "a lot"}]}),
    (422, "replacements[0].price", "1/returns", _WANTS | {"replacements": [{"sku": "CAP", "price": "-1.00"}]}),
    (422, "replacements[0].instead_of", "1/returns", _WANTS | {"replacements": [{"sku": "CAP", "instead_of": 2}]}),
    (422, "replacements[0].units", "1/returns", _WANTS | {"replacements": [{"sku": "CAP", "units": 0}]}),
    (422, "lines[0].units", "1/returns/R-1/shortages", {"lines": [{"sku": "CAP", "units": 2}]}),
    (422, "lines[0].sku", "1/returns/R-1/shortages", {"lines": [{"sku": "MUG", "units": 1}]}),
    (404, None, "1/returns/R-9/shortages", {"lines": [{"sku": "CAP", "units": 1}]}),
]


async def test_what_does_not_fit_an_exchange_is_refused_by_name(database_url: str) -> None:
    async with counter(database_url) as of:
        await of.asks("returns", _WANTS)
        for status, field, path, body in _MISFITS:
            assert await of.desk.refused(status, field, path, body if "shortages" in path else body | {"id": "R-2"})
