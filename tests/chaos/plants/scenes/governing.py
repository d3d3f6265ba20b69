"""Limits, rules in time, and people who don't look."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from crossdock.simulators.mischief import FaultRule
from tests.chaos.plants import program
from tests.chaos.plants.scene import ERP, Scene
from tests.chaos.trading import trading
from tests.stage import order, shipment

_REST_SECONDS = 15.0
_RATE, _BURST = 10.0, 5.0
# Points are taken a little ahead, and what was allowed arrives a little later, in company.
_AHEAD = 2


async def new_rules_meet_old_facts(scene: Scene) -> list[str]:
    """A parcel leaves while nobody writes mails; then the retailer begins to, and another parcel leaves."""
    placed = order("1")
    async with scene.hubs():
        await scene.tell(placed)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        await scene.tell(shipment("s1", placed))
        assert await scene.within(_REST_SECONDS, lambda: scene.done("invoice_posting") and scene.done("fulfilment"))
        await asyncio.sleep(1)
    async with scene.hubs({**ERP, "mail": "mail"}):
        await scene.tell(shipment("s2", placed))
        assert await scene.within(
            _REST_SECONDS, lambda: "order:shop:1/parcel_notice:s2" in scene.target.slots("parcel_notice")
        )
        await asyncio.sleep(1)
    late = [slot for slot in scene.target.slots("parcel_notice") if slot.endswith(":s1")]
    return [f"{slot} was sent under rules that went live after the parcel had left" for slot in late]


async def two_share_a_small_budget(scene: Scene) -> list[str]:
    """Sixty orders for an ERP that allows ten calls a second."""
    orders = [order(str(number)) for number in range(1, 61)]
    async with scene.hubs(each={"calls_per_second": _RATE, "burst": _BURST, "bulk_max": 1}):
        await scene.tell(*orders)
        assert await scene.within(40, lambda: len(scene.done("sales_order")) == len(orders))
    at = scene.target.calls_to("/many/sales_order")
    most = max(
        (count - _BURST - _RATE * (at[nth + count - 1] - at[nth]), nth)
        for nth in range(len(at))
        for count in range(1, len(at) - nth + 1)
    )
    return [f"from call {most[1]} on, {most[0]:.1f} calls more than the target allows"] if most[0] > _AHEAD else []


async def nobody_looks_at_a_case(scene: Scene) -> list[str]:
    """The ERP refuses an order, and its case stays unseen for a while."""
    async with scene.hubs():
        await scene.tell(order("1", skus=["BAD"]))
        assert await scene.within(_REST_SECONDS, lambda: scene.target.calls_to("/many/sales_order"))
        await asyncio.sleep(6)
        cases = await scene.ask("cases")
    named = {entity for case in cases for entity in case["entities"]}
    return (
        []
        if scene.done("sales_order") or "order:shop:1" in named
        else ["order:shop:1 is not sold, and no case says so"]
    )


async def a_day_has_a_limit(scene: Scene) -> list[str]:
    """Eight refunds of 10.89 are owed at once, 50.00 may leave in a day, and the provider takes its time for each."""
    terms = {"version": "1", "daily_refunds_max": {"USD": "50.00"}}
    async with trading(scene.folder, scene.database_url, terms=[terms], erp=False, mail=False) as at:
        # An attribute of its own goes before the method.
        at.retailer.command = lambda *words: [  # pyright: ignore
            sys.executable, *program(scene.plant), "--config", str(at.retailer.config), *words
        ]  # fmt: skip
        await at.start(4)
        for _ in range(8):
            await at.place()
        await at.all_sold()
        for sale in at.sales:
            await at.ship(sale)
        await at.all_told()
        at.retailer.payments.mischief.arm(FaultRule(match="POST /v1/refunds", kind="slow", seconds=0.7, times=None))
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
            await asyncio.sleep(0.1)
        ledger = at.retailer.payments.ledger
        await scene.within(_REST_SECONDS, lambda: len(ledger.select("refunded")) >= 4)
        await asyncio.sleep(4)
        days: Counter[str] = Counter()
        for entry in ledger.select("refunded"):
            days[f"{entry.at:%Y-%m-%d}"] += entry.details["amount"]
    return [f"{amount / 100:.2f} left on {day}, where 50.00 may" for day, amount in days.items() if amount > 5000]
