"""What befalls the hub's database as a whole: it is set back to a backup, and the sources tell again what it forgot."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from crossdock.kernel.moments import system_clock
from crossdock.simulators.webhooks import Attempt, Message, WebhookSender
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World
from tests.chaos.plants.scenes.remembering import copy_of, restore

_FORGOTTEN_SECONDS = (1.5, 4.0)


@fault("hub", sets_back=True)
class SetBack:
    name = "hub's database set back to a backup"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        async with world.unwatched():
            await _stop(world)
            backup = await asyncio.to_thread(copy_of, world.database_url)
            since = system_clock().isoformat()
            # What the API is told in the forgotten time nobody tells again, as with any backup: so nobody asks meanwhile.
            world.desk.open.clear()
            with _heard(world.senders) as heard:
                await world.start_hubs()
                await asyncio.sleep(random.uniform(*_FORGOTTEN_SECONDS))
                await _stop(world)
            await asyncio.to_thread(restore, world.database_url, backup)
            world.forgotten.append((since, system_clock().isoformat()))
            await world.start_hubs()
            world.desk.open.set()
        for sender, told in heard:
            sender.send(told.topic, told.body, message_id=told.id)
        for sender in world.senders.values():
            await world.told_all(sender)
        code, said = await world.ask("recovery", "go-on", "--unswept")
        if code:
            world.wrong.append(
                {"invariant": "S1", "kind": "unexplained", "what": f"set back, and it can't go on: {said[-300:]}"}
            )
        world.struck[self.name] += 1


async def _stop(world: World) -> None:
    """As when the machine goes down."""
    for hub in world.hubs:
        world.trade.send(hub, signal.SIGKILL)
        world.retailer.lifeline.untie(hub.pid)
    world.hubs.clear()


@contextmanager
def _heard(senders: dict[str, WebhookSender]) -> Iterator[list[tuple[WebhookSender, Message]]]:
    """Everything that the hub says meanwhile it has taken, in that order."""
    heard: list[tuple[WebhookSender, Message]] = []
    for sender in senders.values():
        sender._attempt = _noting(sender, heard)  # an attribute of its own goes before the method
    try:
        yield heard
    finally:
        for sender in senders.values():
            del sender._attempt


def _noting(sender: WebhookSender, heard: list[tuple[WebhookSender, Message]]) -> Any:
    async def attempt(tried: Attempt, *, altered: bool) -> bool:
        taken = await WebhookSender._attempt(sender, tried, altered=altered)
        if taken:
            heard.append((sender, tried.message))
        return taken

    return attempt
