"""What befalls systems as a whole: one is restored from a backup, as a source that tells less, or as a target that forgot what
it confirmed; and the operator does what docs/howto/restore.md says.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import datetime
from random import Random
from typing import Any

import aiohttp

from crossdock.kernel.moments import system_clock
from crossdock.simulators.ledger import Entry, Ledger
from crossdock.simulators.mischief import Restorable
from crossdock.simulators.shop import Shop
from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.soon import soon
from tests.chaos.campaign.world import World
from tests.chaos.trading import API_KEY, Sale

_FORGOTTEN_SECONDS = (1.5, 4.0)
# Longer than a call travels, and than a target takes to show what it did.
_ANSWERED_SECONDS = 3.0
# An older version counts as a source set back when it was read so long after the newer one was heard of.
_NOTICED_SECONDS = 11.0
# For all that an operator does after one restore.
_PATIENCE_SECONDS, _LOOK_SECONDS = 90.0, 0.5
_ROUNDS_MAX = 5
_REFUSED = 1
_EDITS = ("order_edited", "order_cancelled", "address_edited")


@fault("messages", sets_back=True)
class ShopRestored:
    """The shop forgets orders, edits and what was shown there; its numbers go on, for none is given twice."""

    name = "source restored from backup: the shop"
    count = 10

    async def inject(self, world: World, random: Random) -> None:
        shop = world.retailer.shop
        since = await _forget(shop, shop.ledger, random)
        for sale in world.trade.sales:
            _look_again(shop, sale)
        ends = time.monotonic() + _PATIENCE_SECONDS
        await world.told_all(shop.sender)
        if not await _heard_by(world, ends):
            _wrong(world, "what the shop told is not heard in time")
        await asyncio.sleep(_NOTICED_SECONDS)
        older = _told_newer(shop)
        opened = await _accept(world, "shop", ends)
        if older and not opened and not shop.sender.lost:
            _wrong(world, f"the shop was set back over changes of {older}, and nobody noticed")
        await _recheck(world, "shop", since, ends)
        world.struck[self.name] += bool(_undone(shop.ledger))


@fault("messages", sets_back=True)
class ErpRestored:
    """Whatever it was asked for since is not there any more, and it says so to nobody."""

    name = "target restored from backup: the ERP"
    count = 5

    async def inject(self, world: World, random: Random) -> None:
        erp = world.trade.erp
        if erp is None:
            return
        since = await _forget(erp, erp.ledger, random)
        ends = time.monotonic() + _PATIENCE_SECONDS
        await asyncio.sleep(_ANSWERED_SECONDS)
        await _recheck(world, "erp", since, ends)
        world.struck[self.name] += bool(_undone(erp.ledger))


@fault("messages", sets_back=True)
class ProviderRestored:
    """Payments and refunds are gone from its books, keys included; the money has moved all the same."""

    name = "target restored from backup: the payment provider"
    count = 5

    async def inject(self, world: World, random: Random) -> None:
        payments = world.retailer.payments
        since = await _forget(payments.books, payments.ledger, random)
        _stop_banks(world)
        ends = time.monotonic() + _PATIENCE_SECONDS
        await world.told_all(payments.sender)
        await asyncio.sleep(_ANSWERED_SECONDS)
        await _accept(world, "psp", ends)
        await _recheck(world, "psp", since, ends)
        world.struck[self.name] += bool(_undone(payments.ledger))


async def _forget(state: Restorable, ledger: Ledger, random: Random) -> datetime:
    """A backup, some trade, and the system is as it was then; answers when that was.

    Nobody does anything between the restore and the answer, so that none of the retailer's people takes what is gone for
    what is there.
    """
    since, saved = system_clock(), state.snapshot()
    ledger.append("snapshot")
    await asyncio.sleep(random.uniform(*_FORGOTTEN_SECONDS))
    state.restore(saved)
    ledger.append("restored")
    return since


def _look_again(shop: Shop, sale: Sale) -> None:
    """What the retailer's people see of it in the shop now."""
    sale.vanished |= sale.order.id not in shop.world.orders
    sale.order = shop.world.orders.get(sale.order.id, sale.order)


def _stop_banks(world: World) -> None:
    """Nobody disputes what the provider knows nothing of."""
    held = {payment["id"] for payment in world.retailer.payments.books.all("payment_intent")}
    for sale in world.trade.sales:
        sale.meddled |= len(sale.payments) < 2 or not held.issuperset(sale.payments)


def _undone(ledger: Ledger) -> list[Entry]:
    """What happened there between the last backup and when it was restored."""
    saved = max(entry.seq for entry in ledger.select("snapshot"))
    restored = max(entry.seq for entry in ledger.select("restored"))
    return [entry for entry in ledger.select(after=saved) if entry.seq < restored]


def _told_newer(shop: Shop) -> list[str]:
    """Orders that were told in a newer version than the shop has now, as its clock of seconds tells them."""
    edits = [entry for entry in _undone(shop.ledger) if entry.what in _EDITS]
    held = {str(id_): order.updated_at for id_, order in shop.world.orders.items()}
    return [e.key for e in edits if e.key in held and int(held[e.key].timestamp()) < int(e.at.timestamp())]


async def _accept(world: World, name: str, ends: float) -> bool:
    """Read all of it, and accept what it was set back to, until nothing is older than it was; whether anything had to be."""
    opened, said, trying = 0, "", True
    while trying and opened < _ROUNDS_MAX:
        unswept, said = await world.ask("sweep", name, "--full", "--gone-max", "10000")
        await _heard_by(world, ends)
        unaccepted, _ = await world.ask("epoch", name)
        if unaccepted == _REFUSED and unswept == 0:
            return opened > 0
        opened += unaccepted == 0
        trying = time.monotonic() < ends
    _wrong(world, f"{name} does not come to rest, accepted {opened} times: {said[-300:]}")
    return opened > 0


async def _recheck(world: World, name: str, since: datetime, ends: float) -> None:
    """It finds something missing, or that nothing can be looked for: an exit code of 1 says so, too."""
    await _told(world, "recheck", name, "--since", since.isoformat(), fine=(0, 1), ends=ends)


async def _told(world: World, *words: str, ends: float, fine: tuple[int, ...] = (0,)) -> None:
    """An operator's command; while something else is down they ask again."""
    while True:
        code, said = await world.ask(*words)
        if code in fine and "can't be asked" not in said:
            return
        if time.monotonic() > ends:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    _wrong(world, f"crossdock {' '.join(words)}: {said[-300:]}")


def _wrong(world: World, what: str) -> None:
    world.wrong.append({"invariant": "S4", "kind": "unexplained", "what": what})


async def _heard_by(world: World, ends: float) -> bool:
    return await soon(lambda: _all_heard(world), ends - time.monotonic())


async def _all_heard(world: World) -> bool:
    """Nothing that was received waits to be read."""
    url, headers = f"{world.retailer.addresses['hub']}/v1/check", {"Authorization": f"Bearer {API_KEY}"}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        timeout = aiohttp.ClientTimeout(total=5)
        async with world.trade.http.get(url, headers=headers, timeout=timeout) as answer:
            told: Any = await answer.json()
            return answer.status == 200 and not told["inbox"]["pending"]
    return False
