"""A retailer's day: orders are placed, edited, cancelled, shipped, brought back and complained about, whatever else happens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from random import Random

import aiohttp

from crossdock.cli.story import WORK
from crossdock.kernel.moments import system_clock
from crossdock.simulators.shop_state import Address
from tests.chaos.campaign.soon import soon
from tests.chaos.campaign.world import World, luck
from tests.chaos.trading import API_KEY, Sale

_BASKETS = ({"MUG-01": 3, "TEE-BLK-M": 2, "CAP-RED": 2}, {"MUG-01": 4}, {"TEE-BLK-M": 3, "CAP-RED": 1})
# People give up on what doesn't happen for that long; their orders are judged all the same.
_PATIENCE_SECONDS = 20.0
# A fault that finds nothing going on strikes nothing.
_NOW_AND_THEN_SECONDS, _ORDERS_MAX = 0.8, 150
# On two busy cores it takes 10 s for a sale, and is one at a time.
_TRYTON_SECONDS = 120.0
_ASKED_AGAIN_SECONDS = 0.2


async def live_a_day(at: World, seed: int, orders: int, seconds: float, over: Callable[[], bool]) -> None:
    """So many orders, placed over so many seconds, each with a life of its own; then one now and then until it is over."""
    lives = [asyncio.create_task(_live(at, luck(seed, f"order {nth}"), seconds)) for nth in range(orders)]
    await asyncio.sleep(seconds)
    while not over() and len(lives) < _ORDERS_MAX:
        lives.append(asyncio.create_task(_live(at, luck(seed, f"order {len(lives)}"), _NOW_AND_THEN_SECONDS)))
        await asyncio.sleep(_NOW_AND_THEN_SECONDS)
    await asyncio.gather(*lives)


async def live_a_plain_day(at: World, seed: int, orders: int, seconds: float) -> None:
    """Everything is shipped, and some of it is brought back: what a real ERP's books are compared on."""

    async def live(chance: Random) -> None:
        await asyncio.sleep(chance.uniform(0, seconds))
        sale = await at.trade.place(chance.choice(_BASKETS))
        if not await soon(lambda: _asked_of_the_warehouse(at, sale), _TRYTON_SECONDS):
            return
        await _ship(at, sale, chance)
        if not await soon(lambda: _shown_in_the_shop(at, sale), _TRYTON_SECONDS):
            return
        line = chance.choice(sale.order.lines)
        at.trade.hand_in(sale, {line.product.sku: chance.randint(1, line.quantity)})

    await asyncio.gather(*(live(luck(seed, f"order {nth}")) for nth in range(orders)))


async def _live(at: World, chance: Random, seconds: float) -> None:
    await asyncio.sleep(chance.uniform(0, seconds))
    sale = await at.trade.place(chance.choice(_BASKETS), mail=chance.random() < 0.8)
    if not await soon(lambda: _asked_of_the_warehouse(at, sale), _PATIENCE_SECONDS):
        return
    await asyncio.sleep(chance.uniform(0, 1.0))
    match chance.choices(["ship", "cancel", "lower", "move"], weights=[5, 2, 2, 2])[0]:
        case _ if sale.vanished:
            pass
        case "cancel":
            at.trade.cancel(sale)
            return
        case "lower":
            line = chance.choice([line for line in sale.order.lines if line.quantity > 1])
            at.trade.lower(sale, line.product.sku, 1)
            if not await soon(lambda: _changed_at_the_warehouse(at, sale), _PATIENCE_SECONDS):
                return
        case "move":
            if await _move(at, sale, chance):
                return
        case _:
            pass
    await _ship(at, sale, chance)
    await _afterwards(at, sale, chance)


async def _move(at: World, sale: Sale, chance: Random) -> bool:
    """Once, or twice within a second, by which the shop's own clock can't tell which was last; whether it is kept for later."""
    streets = ["1 Elm Street", "2 Oak Street", "3 Ash Street"][: chance.choice((1, 2, 3))]
    for street in streets:
        if sale.vanished:
            break
        at.retailer.shop.edit_address(sale.order.id, Address(**{**WORK, "address1": street}))
        await asyncio.sleep(chance.uniform(0, 0.2))
    return chance.random() < 0.5


async def _ship(at: World, sale: Sale, chance: Random) -> None:
    """All that is left of it, in one parcel or two."""
    parcels: list[dict[int, int]] = [{}, {}]
    for line in sale.order.lines:
        first = chance.choice((line.current, line.current, line.current // 2))
        parcels[0][line.id], parcels[1][line.id] = first, line.current - first
    for parcel in parcels:
        there = _left_at_the_warehouse(at, sale)
        lines = [{"line": str(id_), "units": min(units, there[str(id_)])} for id_, units in parcel.items()]
        lines = [line for line in lines if line["units"]]
        if lines:
            await at.trade.do("wms", "ship", reference=sale.entity, location="MAIN", lines=lines)
            await asyncio.sleep(chance.uniform(0, 0.5))


def _left_at_the_warehouse(at: World, sale: Sale) -> Counter[str]:
    """So much of each line is there to be shipped, whatever the shop says: it may have been set back meanwhile."""
    order = at.retailer.warehouse.floor.by_reference(sale.entity)
    return Counter({line.line: order.unpicked(line) for line in order.lines} if order else {})


async def _afterwards(at: World, sale: Sale, chance: Random) -> None:
    """What buyers do once the shop shows them that everything left."""
    if not await soon(lambda: _shown_in_the_shop(at, sale), _PATIENCE_SECONDS):
        return
    for _ in range(chance.randint(0, 2)):
        await asyncio.sleep(chance.uniform(0, 0.6))
        await _complain(at, sale, chance)


async def _complain(at: World, sale: Sale, chance: Random) -> None:
    """The same amount twice on one order is two amounts: nobody may take the second for the first."""
    kept = [line for line in sale.order.lines if line.quantity > sale.given[line.id]]
    match chance.choices(["return", "look later", "paid out", "allow"], weights=[5, 2, 1, 3])[0]:
        case "allow":
            await allow(at, sale, chance.choice((250, 250, chance.randint(1, 400))))
        case what if kept:
            line = chance.choice(kept)
            units = {line.product.sku: chance.randint(1, line.quantity - sale.given[line.id])}
            at.trade.hand_in(sale, units, look=what != "look later", pay_out=what == "paid out")
            if what == "look later":
                await asyncio.sleep(chance.uniform(0.2, 1.0))
                at.trade.look()
        case _:
            pass


async def allow(at: World, sale: Sale, cents: int) -> None:
    """The back office grants an allowance by the REST API, and asks again until it is told that it was taken."""
    since, key = system_clock(), f"{sale.order.id}-{time.monotonic_ns()}"
    asked = {"amount": f"{cents / 100:.2f}", "currency": "USD", "reason": "a scratch", "by": "Mara"}
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    url = f"{at.retailer.addresses['hub']}/v1/orders/{sale.order.id}/allowances"
    status = 0

    async def taken() -> bool:
        nonlocal status
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=3)
            async with at.trade.http.post(url, json=asked, headers=headers, timeout=timeout) as answer:
                # A repeat may find that the one that was cut off is being done still.
                status = 503 if "in-flight" in await answer.text() else answer.status
        return 0 < status < 500  # whoever fails has refused nothing

    ends = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < ends:
        await at.desk.open.wait()
        if await taken():
            break
        await asyncio.sleep(_ASKED_AGAIN_SECONDS)
    at.desk.told(str(sale.order.id), cents, since, status)


def _asked_of_the_warehouse(at: World, sale: Sale) -> bool:
    return bool(at.retailer.warehouse.ledger.select("order_received", sale.entity))


def _shown_in_the_shop(at: World, sale: Sale) -> bool:
    left = len(at.retailer.warehouse.ledger.select("parcel_left", sale.entity))
    return len(at.retailer.shop.ledger.select("fulfilment_created", str(sale.order.id))) >= left


def _changed_at_the_warehouse(at: World, sale: Sale) -> bool:
    return bool(at.retailer.warehouse.ledger.select("lines_changed", sale.entity))
