"""What people do by hand behind the hub's back: refunds at the provider, and banks that take money back."""

from __future__ import annotations

import asyncio
from random import Random

from tests.chaos.campaign.fault import fault
from tests.chaos.campaign.world import World

_RUSH = 30


@fault("messages")
class ClerkRefunds:
    name = "a clerk refunds by hand"
    count = 60

    async def inject(self, world: World, random: Random) -> None:
        paid = [sale for sale in world.trade.sales if sale.payments]
        if paid:
            done = await world.trade.refund_by_hand(random.choice(paid), random.randint(1, 600))
            world.struck[self.name] += done


@fault("messages")
class ClerkEdits:
    name = "a clerk edits an order by hand"
    count = 40

    async def inject(self, world: World, random: Random) -> None:
        """A new address, after which nothing may be shown or sent to the old one but what left already."""
        standing = [sale for sale in world.trade.sales if not sale.vanished]
        open_ = [sale for sale in standing if not sale.order.fulfilments and not sale.order.cancelled_at]
        if open_:
            sale = random.choice(open_)
            moved = type(sale.order.shipping_address)(first_name="Ada", last_name="Byron", country_code="US",
                                                      address1=f"{random.randint(1, 99)} Elm Street", city="Salem",
                                                      province_code="MA", zip="01970")  # fmt: skip
            world.retailer.shop.edit_address(sale.order.id, moved)
            world.struck[self.name] += 1


@fault("messages")
class Dispute:
    name = "a bank takes money back"
    count = 30

    async def inject(self, world: World, random: Random) -> None:
        paid = [sale for sale in world.trade.sales if sale.payments and not sale.meddled]
        if paid:
            await world.trade.dispute(random.choice(paid), random.randint(1, 300))
            world.struck[self.name] += 1


@fault("messages")
class DisputeDecided:
    name = "a bank decides a dispute"
    count = 15

    async def inject(self, world: World, random: Random) -> None:
        """One that is opened for it, for a buyer who complained at once."""
        paid = [sale for sale in world.trade.sales if sale.payments and not sale.meddled]
        if paid:
            sale = random.choice(paid)
            await world.trade.dispute(sale, random.randint(1, 300))
            await asyncio.sleep(random.uniform(0.2, 1.0))
            await world.trade.decide(sale, won=random.random() < 0.5)
            world.struck[self.name] += 1


@fault("messages")
class RefundSentBack:
    name = "a buyer's bank sends a refund back"
    count = 15

    async def inject(self, world: World, random: Random) -> None:
        refunded = [sale for sale in world.trade.sales if any(each.key for each in world.trade.refunds_of(sale))]
        if refunded:
            world.struck[self.name] += await world.trade.come_back(random.choice(refunded))


@fault("messages")
class Rush:
    """More than the ERP's limit lets out at once, whoever calls: what is allowed is shared by all processes (S11)."""

    name = "a rush of thirty orders at once"
    count = 20

    async def inject(self, world: World, random: Random) -> None:
        baskets = ({"MUG-01": random.randint(1, 4)} for _ in range(_RUSH))
        await asyncio.gather(*(world.trade.place(basket, mail=False) for basket in baskets))
        world.struck[self.name] += 1
