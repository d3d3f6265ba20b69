"""Processes that sleep past what they hold, or die with it."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.plants.scene import Scene
from tests.stage import order, shipment

_REST_SECONDS = 20.0


async def sleeps_past_its_lease(scene: Scene) -> list[str]:
    """A process sleeps just before it calls; another does its work; then it wakes."""
    placed = order("1")
    # Whoever calls for the second time calls for something that its target takes twice.
    async with scene.hubs(policy={"tell_shop_erp_number": False}, stop_at="call:before", count=2) as hub:
        await scene.tell(placed)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        for nth in range(1, 4):
            await scene.tell(shipment(f"s{nth}", placed))
            await scene.within(
                _REST_SECONDS, lambda n=nth: hub.struck or len(scene.target.effects("invoice_posting")) == n
            )
        assert await scene.within(_REST_SECONDS, lambda: len(scene.target.effects("invoice_posting")) >= 3)
        assert hub.struck
        await asyncio.sleep(1)
        for each in hub.processes:
            each.go_on()
        await asyncio.sleep(1.5)
    return done_twice(scene)


async def one_of_two_is_killed(scene: Scene) -> list[str]:
    """What comes in afterwards is the other's, all of it."""
    orders = [order(str(number)) for number in range(1, 9)]
    async with scene.hubs() as hub:
        await asyncio.sleep(1)  # each holds its half by now
        victim, survivor = hub.processes
        victim.process.send_signal(signal.SIGKILL)
        await victim.process.wait()
        hub.processes[:] = [survivor, victim]
        await scene.tell(*orders)
        await scene.within(10, lambda: len(scene.done("sales_order")) == len(orders))
        sold = scene.done("sales_order")
    entities = [f"order:shop:{each.id}" for each in orders]
    return [f"{each} is not sold 10 s after one process died" for each in entities if not sold[each]]


def done_twice(scene: Scene) -> list[str]:
    """S1, on the target's own ledger."""
    nouns = ("sales_order", "shipment_order", "goods_issue", "invoice_posting", "fulfilment", "parcel_notice")
    return [
        f"{noun} was done {scene.target.slots(noun).count(slot)} times: {slot}"
        for noun in nouns
        for slot in sorted(set(scene.target.slots(noun)))
        if scene.target.slots(noun).count(slot) > 1
    ]
