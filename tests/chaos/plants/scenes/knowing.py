"""Sources that contradict themselves, or can't find what they told of."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from tests.chaos.plants.scene import Scene
from tests.stage import ROSE, SAGE, message, order, shipment, told
from tests.standin import Told

_REST_SECONDS = 12.0


async def two_changes_in_one_second(scene: Scene) -> list[str]:
    """The shop's clock shows seconds: the address is corrected twice in one, and the messages overtake each other."""
    placed = order("1", ship_to=SAGE)
    truth = told(msgspec.structs.replace(placed, ship_to=ROSE), token=2)
    scene.target.things["1"] = truth
    async with scene.hubs():
        await scene.tell(told(placed, token=1))
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        await scene.tell(truth)
        await scene.tell(told(msgspec.structs.replace(placed, ship_to=SAGE, email="a@example.com"), token=2))
        await scene.within(_REST_SECONDS, lambda: _calls_end(scene))
    held: dict[str, Any] = scene.target.held.get("order:shop:1/erp_address", {})
    if held.get("ship_to") == msgspec.json.decode(msgspec.json.encode(ROSE)):
        return []
    return [f"the ERP ships to {held.get('ship_to')}, and the shop says {ROSE.street}"]


def _calls_end(scene: Scene) -> bool:
    """Nothing has been called for three seconds."""
    return time.monotonic() - scene.target.calls[-1][0] > 3


async def its_source_cannot_find_it(scene: Scene) -> list[str]:
    """The shop says that an order changed, and answers 404 when it is asked; then a parcel leaves."""
    placed = order("1")
    async with scene.hubs():
        await scene.tell(placed)
        assert await scene.within(_REST_SECONDS, lambda: scene.done("sales_order"))
        await scene.tell(message("shop", Told(kind="order", id="1", entity="order:shop:1", token=0), topic="changed"))
        assert await scene.within(_REST_SECONDS, lambda: scene.target.calls_to("/things/1"))
        await scene.within(2, lambda: False)
        await scene.tell(shipment("s1", placed))
        await scene.within(_REST_SECONDS, lambda: scene.done("invoice_posting"))
    nouns = ("goods_issue", "invoice_posting")
    return [f"parcel s1 left, and the ERP has no {noun} of it" for noun in nouns if not scene.done(noun)]
