"""The story the demo plays: one order of three lines, two parcels, a cap brought back to a store, and an address changed.

What people do is done over the systems' own HTTP; after each deed the story waits until every system's own books show it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from crossdock.simulators.retailer import APPROVE_OVER, FINANCE, Retailer
from crossdock.simulators.retailer_ledgers import Books, books_of, sold_for
from crossdock.simulators.tryton_ledger import Session

# Several times what a busy machine takes for the slowest step.
STEP_SECONDS_MAX = 45.0
_LOOK_AGAIN_SECONDS = 0.15

_SHIPPED = "number inventory_moves.quantity inventory_moves.product.code inventory_moves.from_location.code"
_RECEIVED = "number inventory_moves.quantity inventory_moves.product.code inventory_moves.to_location.code"
_TOTAL = "number total_amount"

Tell = Callable[[str], None]

BUYER = {"first_name": "Ada", "last_name": "Lovelace"}
EMAIL = "ada@example.com"
HOME = {
    **BUYER,
    "address1": "1 Main Street",
    "city": "Boston",
    "province_code": "MA",
    "country_code": "US",
    "zip": "02110",
}
WORK = {
    **BUYER,
    "address1": "25 Elm Street",
    "city": "Cambridge",
    "province_code": "MA",
    "country_code": "US",
    "zip": "02139",
}
BASKET = {"TEE-BLK-M": 3, "MUG-01": 2, "CAP-RED": 1}
PARCELS = (("MAIN", {"TEE-BLK-M": 2, "CAP-RED": 1}), ("EAST", {"TEE-BLK-M": 1, "MUG-01": 2}))
"""(location, units by SKU): one line is split over two halls, so that each invoice has to say exactly what left."""
BROUGHT_BACK = "CAP-RED"


class NotConverged(Exception):
    """A system did not come to show what it should in time."""


@dataclass
class Story:
    """One telling; `tell` is given each line of it."""

    retailer: Retailer
    tell: Tell
    seconds_max: float = STEP_SECONDS_MAX
    order: int = 0
    _http: aiohttp.ClientSession = field(init=False)
    _session: Session | None = None

    async def play(self) -> None:
        """Play it through. `NotConverged` names the first thing that didn't come about."""
        async with aiohttp.ClientSession() as self._http:
            await self._order_is_placed()
            await self._everyone_knows_the_order()
            await self._a_parcel_leaves(*PARCELS[0])
            # While the ERP ships and bills the first parcel; the first thing to come of the return there comes after that.
            await self._a_cap_is_brought_back()
            await self._the_erp_bills(1)
            await self._support_changes_the_address()
            await self._a_parcel_leaves(*PARCELS[1])
            await self._the_return_is_told()
            await self._the_erp_takes_back()
            await self._the_erp_bills(2)

    async def books(self) -> Books:
        """The books of all systems about the order; take them when nothing is moving."""
        [books] = await books_of(self.retailer, [self.order])
        return books

    async def _order_is_placed(self) -> None:
        customer = await self._do("shop", "create_customer", {**BUYER, "email": EMAIL, "address": HOME})
        self.tell("Ada Lovelace opens an account in the shop.")
        await self._a_forgery_is_turned_away()
        order = await self._do(
            "shop",
            "place_order",
            {
                "lines": [{"sku": sku, "quantity": units} for sku, units in BASKET.items()],
                "customer": customer["id"],
                "shipping_address": HOME,
                "tax_rate": "0.1",
                "charged": True,
                "gateway": "card by an outside provider",
            },
        )
        self.order = order["id"]
        total = sold_for(self.retailer.shop.world.orders[self.order])
        self.tell(f"Ada orders {_goods(BASKET)}: order #{order['number']} over {total / 100:.2f} USD, paid by card.")

    async def _a_forgery_is_turned_away(self) -> None:
        headers = {"X-Shopify-Topic": "orders/create", "X-Shopify-Hmac-Sha256": "Zm9yZ2Vk", "X-Shopify-Event-Id": "f"}
        async with self._http.post(f"{self.retailer.addresses['hub']}/in/shop", data=b"{}", headers=headers) as answer:
            if answer.status != 401:
                raise NotConverged(f"a forged webhook was answered {answer.status} and not 401")
        self.tell(
            "Somebody sends a forged order: its signature proves nothing, so the hub answers 401 and keeps nothing."
        )

    async def _everyone_knows_the_order(self) -> None:
        """The ERP holds one sale, the shop shows its number, the warehouse is asked once."""
        await self._until("the warehouse is asked to ship", lambda books: bool(books.asked))
        if self.retailer.erp:
            books = await self._until("the shop shows the ERP's number", lambda books: bool(books.shown_number))
            [sale] = await self._in_erp(1, "sale.sale", _TOTAL, ["state", "=", "processing"])
            self.tell(f"Tryton holds one sale, {sale['number']} over {sale['total_amount']} USD, under Ada's account.")
            self.tell(f"The shop shows {books.shown_number} on order {books.order.name}.")
        self.tell(f"The warehouse is asked once to ship {sum(BASKET.values())} units to {HOME['address1']}.")

    async def _a_parcel_leaves(self, location: str, units: Mapping[str, int]) -> None:
        """It leaves the warehouse; shop and customer come to know, each once."""
        before = await self._books()
        lines = {line.product.sku: line.id for line in before.order.lines}
        task = {
            "reference": f"order:shop:{self.order}",
            "location": location,
            "lines": [{"line": str(lines[sku]), "units": count} for sku, count in units.items()],
        }
        parcel = await self._do("wms", "ship", task)
        nth, tracking = len(before.parcels) + 1, parcel["tracking"]["number"]
        street = parcel["ship_to"]["street"][0]
        self.tell(f"Parcel {nth} leaves {location} for {street}: {_goods(units)}; tracking {tracking}.")
        books = await self._until(f"the shop shows parcel {nth}", lambda books: len(books.fulfilments) == nth)
        shown = books.fulfilments[-1]
        self.tell(f"The shop shows {shown.name} with tracking {', '.join(shown.numbers)}.")
        books = await self._until(f"the customer is told of parcel {nth}", lambda books: len(books.notices) == nth)
        self.tell(f"Ada is told by mail: “{books.notices[-1]['subject']}”.")

    async def _the_erp_bills(self, nth: int) -> None:
        if self.retailer.erp is None:
            return
        *_, shipment = await self._in_erp(nth, "stock.shipment.out", _SHIPPED, ["state", "=", "done"])
        goods, places = _moved(shipment, "from_location.")
        self.tell(f"Tryton ships {shipment['number']} from {places}: {_goods(goods)}.")
        *_, invoice = await self._in_erp(nth, "account.invoice", _TOTAL, *_posted(">"))
        self.tell(f"Tryton posts invoice {invoice['number']} over {invoice['total_amount']} USD for exactly that.")

    async def _a_cap_is_brought_back(self) -> None:
        """The till knows the receipt and no line; what it is worth is above what goes back unasked."""
        name = (await self._books()).order.name
        lines = [{"sku": BROUGHT_BACK, "units": 1, "disposition": "damaged"}]
        handed_in = await self._do("till", "take_return", {"lines": lines, "receipt": name})
        self.tell(
            f"Ada brings 1 {BROUGHT_BACK} back to a store, damaged; the till takes it as return "
            f"{handed_in['ticket_name']} and knows only her receipt, {name}."
        )
        asked = await self._asked_for()
        self.tell(
            f"Refunds above {APPROVE_OVER} USD wait for {asked['role']}. `crossdock approvals`: “{asked['what']}”."
        )
        words = ("approve", str(asked["id"]), "--by", FINANCE)
        code, said = await self.retailer.ask(*words)
        if code:
            raise NotConverged(f"crossdock {' '.join(words)}: {said}")
        self.tell(f"`crossdock {' '.join(words)}`: {said.split(': ')[0]}. The hub may go on.")
        books = await self._until("the provider gives the money back", lambda books: bool(books.refunded))
        [refund] = books.refunded
        self.tell(f"The payment provider gives {refund['amount'] / 100:.2f} USD back to Ada's card, once.")

    async def _asked_for(self) -> Mapping[str, Any]:
        """The one request that waits for a person's word."""
        until = time.monotonic() + self.seconds_max
        while not (waiting := await self.retailer.ask_json("approvals")):
            await self._wait(until, "the refund waits for finance")
        [asked] = waiting
        return asked

    async def _the_return_is_told(self) -> None:
        """To the shop and the buyer, when the money has gone."""
        books = await self._until("the shop shows the refund", lambda books: bool(books.order.refunds))
        [refund] = books.order.refunds
        amount = sum(books.order.transaction(number).minor for number in refund.transactions)
        self.tell(
            f"The shop shows the returned {BROUGHT_BACK} and its {amount / 100:.2f} USD on order {books.order.name}."
        )
        books = await self._until("Ada is told about the refund", lambda books: bool(books.refund_mails))
        self.tell(f"Ada is told by mail: “{books.refund_mails[-1]['subject']}”.")

    async def _the_erp_takes_back(self) -> None:
        """The goods where their disposition says, the money as a credit note."""
        if self.retailer.erp is None:
            return
        [back] = await self._in_erp(1, "stock.shipment.out.return", _RECEIVED, ["state", "=", "done"])
        goods, places = _moved(back, "to_location.")
        self.tell(f"Tryton receives {_goods(goods)} at {places} by return shipment {back['number']}.")
        [note] = await self._in_erp(1, "account.invoice", _TOTAL, *_posted("<"))
        self.tell(f"Tryton posts credit note {note['number']} over {note['total_amount'].lstrip('-')} USD.")

    async def _support_changes_the_address(self) -> None:
        """Before the second parcel is picked; what has left stays as it was."""
        await self._do("shop", "edit_address", {"order": self.order, "address": WORK})
        self.tell(f"Support changes the delivery address to {WORK['address1']}, {WORK['city']}.")
        await self._until("the warehouse has the new address", lambda _: self._warehouse_goes_to_work())
        self.tell("The warehouse will label what is not picked yet with the new address.")
        if self.retailer.erp:
            there = ["delivery_address.street", "=", WORK["address1"]]
            await self._in_erp(1, "stock.shipment.out", "state", there)
            self.tell("Tryton's shipment that has not left goes there too; the one that has left stays as it was.")

    def _warehouse_goes_to_work(self) -> bool:
        held = self.retailer.warehouse.floor.by_reference(f"order:shop:{self.order}")
        return held is not None and WORK["address1"] in held.ship_to.street

    async def _until(self, what: str, come_about: Callable[[Books], bool]) -> Books:
        until = time.monotonic() + self.seconds_max
        while not come_about(books := await self._books()):
            await self._wait(until, what)
        return books

    async def _in_erp(self, count: int, model: str, fields: str, *conditions: list[Any]) -> list[Mapping[str, Any]]:
        """Some fields of that many records, once there are; all its books would cost the ERP 0.3 s of the core it works with."""
        until = time.monotonic() + self.seconds_max
        while len(found := await asyncio.to_thread(self._rows, model, fields, conditions)) < count:
            await self._wait(until, f"Tryton has {count} {model} with {conditions}")
        return found

    def _rows(self, model: str, fields: str, conditions: Sequence[list[Any]]) -> list[Mapping[str, Any]]:
        assert self.retailer.erp
        if self._session is None:
            self._session = Session(self.retailer.erp.at)
        return [*self._session.rows(model, fields, [*conditions])]

    async def _wait(self, until: float, what: str) -> None:
        if time.monotonic() > until:
            raise NotConverged(f"not so after {self.seconds_max:.0f} s: {what}")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _books(self) -> Books:
        """Without the ERP's."""
        [books] = await books_of(self.retailer, [self.order], with_erp=False)
        return books

    async def _do(self, where: str, deed: str, words: Mapping[str, Any]) -> Any:
        """What somebody does in a system, over its HTTP."""
        async with self._http.post(f"{self.retailer.addresses[where]}/_do/{deed}", json=words) as answer:
            if not answer.ok:
                raise NotConverged(f"{where} refuses to {deed.replace('_', ' ')}: {await answer.text()}")
            return await answer.json()


def _goods(units: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {sku}" for sku, count in units.items())


def _moved(shipment: Mapping[str, Any], place: str) -> tuple[Counter[str], str]:
    """What was moved, and from or to where."""
    goods, places = Counter[str](), set[str]()
    for move in shipment["inventory_moves."]:
        goods[move["product."]["code"]] += int(move["quantity"])
        places.add(move[place]["code"])
    return goods, " and ".join(sorted(places))


def _posted(sign: str) -> tuple[list[Any], list[Any]]:
    """Invoices are over more than nothing, credit notes over less."""
    return ["state", "=", "posted"], ["total_amount", sign, {"__class__": "Decimal", "decimal": "0"}]
