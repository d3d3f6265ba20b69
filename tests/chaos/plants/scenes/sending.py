"""Targets that do what they deny, do half of it, or do it later."""

from __future__ import annotations

import asyncio

from tests.chaos.plants.scene import ERP, Scene
from tests.chaos.plants.scenes.holding import done_twice
from tests.stage import order, shipment

_REST_SECONDS = 15.0


async def is_refused_and_asks_again(scene: Scene) -> list[str]:
    """The ERP doesn't know a product; a person maps it, and the same is asked once more, with others behind it."""
    async with scene.hubs():
        await scene.tell(order("1", skus=["NONE-X"]))
        for _ in range(40):
            if any(case["kind"] == "mapping" for case in await scene.ask("cases")):
                break
        await scene.ask("map", "erp", "product", "NONE-X", "X9")
        await scene.tell(order("2"))
        await scene.within(_REST_SECONDS, lambda: len(scene.done("sales_order")) == 2)
        sold = scene.done("sales_order")
    return [f"order:shop:{id_} is not sold" for id_ in ("1", "2") if not sold[f"order:shop:{id_}"]]


async def is_done_later_than_answered(scene: Scene) -> list[str]:
    """The connection is cut at once, and the goods issue happens within the time the target may take for it."""
    placed = order("1")
    async with scene.hubs():
        await scene.tell(placed)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        scene.target.fault("/one/goods_issue", "late", status=0, seconds=0.3)
        await scene.tell(shipment("s1", placed))
        assert await scene.within(_REST_SECONDS, lambda: scene.done("invoice_posting"))
        await asyncio.sleep(1)
    return done_twice(scene)


async def is_answered_in_part(scene: Scene) -> list[str]:
    """A bulk call does half of its orders and says only what it did."""
    orders = [order(str(number)) for number in range(1, 9)]
    async with scene.hubs():
        scene.target.fault("/many/sales_order", "slow", times=2, seconds=0.7)
        scene.target.fault("/many/sales_order", "partial", times=3)
        await scene.tell(*orders)
        await scene.within(_REST_SECONDS, lambda: len(scene.done("sales_order")) == len(orders))
        sold = scene.done("sales_order")
        struck = [each for each in scene.target.mischief.struck if each.kind == "partial"]
        assert struck
        missing = [f"order:shop:{each.id}" for each in orders if not sold[f"order:shop:{each.id}"]]
    return [f"{each} is not sold, and nothing says why" for each in missing]


async def loses_the_answer_to_a_mail(scene: Scene) -> list[str]:
    """The mail is sent, and the connection cut before the answer."""
    placed = order("1")
    async with scene.hubs({**ERP, "mail": "mail"}):
        await scene.tell(placed)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        scene.target.fault("/one/parcel_notice", "commit_then_drop")
        await scene.tell(shipment("s1", placed))
        assert await scene.within(_REST_SECONDS, lambda: scene.done("parcel_notice") and scene.done("fulfilment"))
        await asyncio.sleep(3)
    return done_twice(scene)
