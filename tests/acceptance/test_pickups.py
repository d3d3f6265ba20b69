"""An order that is fetched in a store, with the real ERP: what it ships, invoices and cancels is what the store says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from crossdock.cli.story import HOME
from crossdock.simulators.retailer import Retailer, open_retailer
from crossdock.simulators.retailer_books import books_of
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address, Order

pytestmark = pytest.mark.erp

SECONDS_MAX = 60.0


async def until(what: str, question: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not await question():
        assert time.monotonic() < end, f"not so after {SECONDS_MAX} s: {what}"
        await asyncio.sleep(0.2)


async def ordered(retailer: Retailer, minor: int) -> tuple[Order, str]:
    """Three shirts and a cap, authorised, asked for at the store: the order, and the till's id of it."""
    buyer = retailer.shop.create_customer(first_name="Ada", last_name="Lovelace", email="ada@example.com")
    order = retailer.shop.place_order(
        [Bought("TEE-BLK-M", 3), Bought("CAP-RED")],
        customer=buyer.id,
        pickup=str(list(retailer.shop.world.locations)[1]),
        billing_address=Address(**HOME),
        tax_rate="0.1",
        authorised=True,
        manual_gateway=True,
    )
    asked = {"order": str(order.id), "amount": minor, "capture_method": "manual"}
    async with aiohttp.ClientSession() as http, http.post(f"{retailer.addresses['psp']}/_do/pay", json=asked) as answer:
        assert answer.status == 200

    async def is_asked() -> bool:
        return bool(retailer.till.ledger.select("pickup_placed"))

    await until("the store is asked", is_asked)
    (placed,) = retailer.till.ledger.select("pickup_placed")
    return order, placed.details["id"]


async def rests(retailer: Retailer, *wanted: str) -> None:
    async def at_rest() -> bool:
        found: dict[str, int] = (await retailer.ask_json("check"))["states"]
        return {state for state, count in found.items() if count} <= {*wanted, "converged"}

    await until("all is done", at_rest)


async def test_a_short_pick_is_shipped_invoiced_and_captured_as_it_was_handed_over(
    tmp_path: Path, database_url: str
) -> None:
    async with open_retailer(tmp_path, database_url=database_url) as retailer:
        await retailer.start_hub()
        order, id_ = await ordered(retailer, 100_00)
        shirts, cap = order.lines
        retailer.till.prepare(id_, {str(shirts.id): 2, str(cap.id): 1})

        async def is_told() -> bool:
            return bool(retailer.mail.ledger.select("mail_received"))

        await until("the buyer is told", is_told)
        retailer.till.hand_over(id_)

        async def is_captured() -> bool:
            return bool(retailer.payments.ledger.select("captured"))

        await until("what was handed over is captured", is_captured)
        retailer.shop.edit_order(order.id, {shirts.id: 2})
        await rests(retailer)
        [books] = await books_of(retailer, [order.id])
        cases = await retailer.ask_json("cases")
        (captured,) = retailer.payments.ledger.select("captured")
    assert cases == []
    shipped = [(line["from"], line["product"], line["quantity"]) for each in books.left for line in each["lines"]]
    assert sorted(shipped) == [("EAST", "CAP-RED", 1), ("EAST", "TEE-BLK-M", 2)]
    assert len(retailer.mail.ledger.select("mail_received")) == 1
    (invoice,) = books.billed
    assert round(float(invoice["total"]) * 100) == captured.details["amount"]


async def test_an_order_nobody_fetched_is_cancelled_in_the_erp_and_the_shop_and_its_payment_voided(
    tmp_path: Path, database_url: str
) -> None:
    async with open_retailer(tmp_path, database_url=database_url) as retailer:
        await retailer.start_hub()
        order, id_ = await ordered(retailer, 100_00)
        retailer.till.cancel(id_)  # as at the end of its time: the store has it back on the shelf
        await rests(retailer)
        [books] = await books_of(retailer, [order.id])
        cases = await retailer.ask_json("cases")
    assert cases == []
    assert (books.left, books.billed) == ([], [])
    assert {shipment["state"] for shipment in books.shipments} <= {"cancelled"}
    assert [entry.what for entry in retailer.payments.ledger.select() if entry.what in ("captured", "canceled")] == [
        "canceled"
    ]
    assert len(retailer.shop.ledger.select("order_cancelled", str(order.id))) == 1
