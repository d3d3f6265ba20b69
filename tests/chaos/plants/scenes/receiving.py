"""The door, killed and told everything twice."""

from __future__ import annotations

from collections.abc import Iterable

from crossdock.canonical.order import Order
from tests.chaos.plants.scene import Scene
from tests.stage import order

_SOLD_SECONDS = 12.0


async def dies_at_the_door(scene: Scene) -> list[str]:
    """A process is killed just before what it took in is durable; its senders repeat what was not answered."""
    orders = [order(str(number)) for number in range(1, 7)]
    async with scene.hubs(kill_at="door:before_commit", count=2) as hub:
        for each in orders:
            await scene.tell(each)
        await scene.within(_SOLD_SECONDS, lambda: not _unsold(scene, orders))
        assert hub.struck
    return [f"{entity} was answered with 200 and never sold" for entity in _unsold(scene, orders)]


async def hears_everything_twice(scene: Scene) -> list[str]:
    """Every webhook comes twice, the second time through the other process."""
    orders = [order(str(number)) for number in range(1, 5)]
    async with scene.hubs() as hub:
        await scene.tell(*orders)
        hub.processes.reverse()
        await scene.tell(*list(scene.sent))
        assert await scene.within(_SOLD_SECONDS, lambda: not _unsold(scene, orders))
        counted = (await scene.ask("check"))["inbox"]["total"]
    distinct = len({(each.connection, each.message_id) for each in scene.sent})
    return [] if counted == distinct else [f"the inbox counts {counted} messages where {distinct} were sent"]


def _unsold(scene: Scene, orders: Iterable[Order]) -> list[str]:
    sold = scene.done("sales_order")
    return [entity for entity in (f"order:shop:{each.id}" for each in orders) if not sold[entity]]
