"""What befalls webhooks: doubled, late, out of order, lost, forged, altered, and poisoned; and an inbox taken once more."""

from __future__ import annotations

import asyncio
from random import Random

from crossdock.simulators.webhooks import WebhookMischief
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World

_TROUBLE_SECONDS = 2.5
_POISONS = (
    ("shop", "orders/updated", b'{"id": 1, "broken": '),
    ("shop", "orders/create", b'{"id": "no number", "line_items": 7}'),
    ("shop", "orders/updated", b"[" * 20_000),
    ("psp", "charge.refunded", b'{"id": "evt_1", "type": "charge.refunded", "data": {"object": {"amount": -1}}}'),
    ("wms", "shipment.created", b"\xff\xfe not JSON at all"),
    ("till", "refund.created", b'{"data": {"object": {"refund": {"amount_money": {"amount": 1e99}}}}}'),
)


@fault("messages")
class Spoiled:
    """Counted by what the senders say they did: see `running.struck`."""

    name = "webhooks doubled, late, out of order, forged and altered"
    count = 2000

    async def inject(self, world: World, random: Random) -> None:
        spoils = WebhookMischief(
            duplicate=0.4, delay_seconds=random.uniform(0.2, 1.5), reorder=True, forge=0.2, alter=0.2
        )
        await _spoil(world, spoils)


@fault("messages")
class Lost:
    """What a source said and nobody heard: its order's next message heals it, or a sweep of the source, after the day."""

    name = "webhooks lost"
    count = 400

    async def inject(self, world: World, random: Random) -> None:
        await _spoil(world, WebhookMischief(drop=0.3), random.choice(sorted(world.senders)))


async def _spoil(world: World, spoils: WebhookMischief, only: str = "") -> None:
    mischiefs = [world.mischiefs[name] for name in world.senders if only in name]
    for each in mischiefs:
        each.webhooks = spoils
    await asyncio.sleep(_TROUBLE_SECONDS)
    for each in mischiefs:
        each.webhooks = WebhookMischief()


@fault("messages")
class Poisoned:
    name = "poison message, genuinely signed"
    count = 200

    async def inject(self, world: World, random: Random) -> None:
        for connection, topic, body in random.sample(_POISONS, 3):
            world.senders[connection].send(topic, body)
            world.struck[self.name] += 1


@fault("messages")
class Replayed:
    """Nothing that was settled may be done again (S5)."""

    name = "whole inbox taken once more"
    count = 50

    async def inject(self, world: World, random: Random) -> None:
        code, _ = await world.ask("replay")
        world.struck[self.name] += code == 0
