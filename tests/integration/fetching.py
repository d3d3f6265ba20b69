"""A shop, its tills, a payment provider and a mail server, told to a hub that is stepped by hand; no ERP, no warehouse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from crossdock.connect.connector import Connector
from crossdock.connectors import shopify, square, stripe
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, open_hub
from crossdock.simulators import payments as providers
from crossdock.simulators import pos as tills
from crossdock.simulators import shop as shops
from crossdock.simulators.mail import MailRunning, MailSink
from crossdock.simulators.payments import Payments
from crossdock.simulators.pos import Till
from crossdock.simulators.running import serving
from crossdock.simulators.shop import Shop
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address, Order
from crossdock.store import documents, settling
from crossdock.store.inbox import Message
from tests.stage import Stage

HELD = timedelta(days=7, hours=2)
"""As the policy has it unless said otherwise: two hours to pick, then seven days."""
ADA = Address(first_name="Ada", last_name="Example", address1="1 Sage Street", city="Springfield", country_code="US")
_CONNECTORS: Mapping[str, Connector[Any]] = {
    "shop": shopify.connector,
    "till": square.connector,
    "psp": stripe.connector,
}


class Watch:
    """The shop's clock; a test sets it back so that an order's time in the store is over when the test wants that."""

    back = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.back


@dataclass
class Town(Stage):
    """A hub stepped by hand between the systems of a shop whose buyers come for their orders."""

    shop: Shop = field(default_factory=Shop)
    till: Till = field(default_factory=Till)
    psp: Payments = field(default_factory=Payments)
    mail: MailSink = field(default_factory=MailSink)
    watch: Watch = field(default_factory=Watch)
    http: aiohttp.ClientSession | None = None
    heard_at: list[Message] = field(default_factory=list[Message])
    deaf: bool = False
    """What is told is kept and not received, until the test has it received as it likes."""

    async def told(self, connection: str, request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        door = _CONNECTORS[connection].door
        assert door is not None
        assert door.genuine(headers, body, self.hub.settings.connections[connection].webhook_secrets)
        delivery = door.describe(headers, body)
        message = Message(connection, delivery.topic, body, delivery.message_id)
        self.heard_at.append(message)
        if not self.deaf:
            await self.receive(message)
        return web.Response()

    async def heard(self) -> None:
        """Everything that was told has come in, and all that follows is done; what is told of that, too."""
        known = -1
        while known != len(self.heard_at):
            known = len(self.heard_at)
            for each in (self.shop, self.till, self.psp):
                await each.sender.idle()
            async with self.database.transaction() as tx:
                await documents.mark_dirty(tx, await settling.wake(tx))
                await documents.bind_waiting(tx)
            await self.run()

    async def order(self, units: Mapping[str, int], *, ends_in: float = 3600.0, **rest: Any) -> Order:
        """Placed so long ago that its time in the store is over in so many seconds."""
        self.watch.back = HELD - timedelta(seconds=ends_in)
        placed = self.shop.place_order(
            [Bought(sku, count) for sku, count in units.items()],
            pickup="East hall",
            email="ada@example.com",
            billing_address=ADA,
            tax_rate="0.1",
            authorised=True,
            manual_gateway=True,
            **rest,
        )
        await self.heard()
        return placed

    async def pay(self, order: Order, minor: int, **rest: Any) -> None:
        await self.provider("pay", order=str(order.id), amount=minor, **{"capture_method": "manual", **rest})

    async def provider(self, deed: str, **given: Any) -> None:
        assert self.http is not None
        async with self.http.post(f"/_do/{deed}", json=given) as answer:
            assert answer.status == 200, await answer.text()

    async def ready(self, units: Mapping[str, int], minor: int, **rest: Any) -> tuple[Order, str]:
        """An order that was authorised and asked for at the store: the order, and the till's id of it."""
        order = await self.order(units, **rest)
        await self.pay(order, minor)
        await self.heard()
        return order, self.asked_for()

    def asked_for(self) -> str:
        """The till's id of the only pickup order there."""
        (placed,) = self.till.ledger.select("pickup_placed")
        return placed.details["id"]

    def line(self, order: Order, sku: str) -> str:
        return next(str(line.id) for line in order.lines if line.product.sku == sku)

    def money(self) -> list[tuple[str, int]]:
        """What was done with what is held, in its order, on the provider's own ledger."""
        done = ("captured", "released", "canceled", "expired", "refunded")
        return [(e.what, e.details["amount"]) for e in self.psp.ledger.entries if e.what in done]

    def mails(self) -> list[str]:
        return [entry.details["subject"] for entry in self.mail.ledger.select("mail_received")]

    def fulfilled(self) -> list[dict[str, int]]:
        return [entry.details["lines"] for entry in self.shop.ledger.select("fulfilment_created")]

    def waits(self) -> dict[str, str]:
        return dict(self.rows("select name, on_whom from waiting"))

    def details(self) -> str:
        """What the open cases say."""
        found = "select i.detail from case_item i join cases c on c.id = i.case_id where c.closed_at is null"
        return "\n".join(row[0] for row in self.rows(found))

    async def over(self) -> None:
        """The order's time in the store is over."""
        (placed,) = self.shop.world.orders.values()
        await self.at_last(placed.created_at + HELD)

    async def at_last(self, moment: datetime) -> None:
        await asyncio.sleep(max((moment - datetime.now(UTC)).total_seconds(), 0) + 0.2)
        await self.heard()


@contextlib.asynccontextmanager
async def town(database_url: str, folder: Path, **pickup: Any) -> AsyncGenerator[Town]:
    at: Town
    app = web.Application()

    def door(connection: str) -> Any:
        async def take(request: web.Request) -> web.Response:
            return await at.told(connection, request)

        return take

    for name in _CONNECTORS:
        app.router.add_post(f"/in/{name}", door(name))
    async with contextlib.AsyncExitStack() as stack:
        hub_at = (await stack.enter_async_context(serving(app))).url
        watch = Watch()
        shop = Shop(f"{hub_at}/in/shop", points_max=100_000, clock=watch)
        till, psp, mail = Till(f"{hub_at}/in/till"), Payments(f"{hub_at}/in/psp"), MailSink()
        store = shop.add_location("East hall")
        for sku in ("MUG", "TEA"):
            shop.add_product(sku, sku.title(), "10.00")
        urls = {
            "shop": (await stack.enter_async_context(shop.serve())).url,
            "till": (await stack.enter_async_context(till.serve())).url,
            "psp": (await stack.enter_async_context(psp.serve())).url,
        }
        post = await stack.enter_async_context(mail.serve())
        settings = _settings(urls, post, till.webhook_secret, str(store.id), folder, pickup)
        hub = await stack.enter_async_context(open_hub(settings, database_url, ROLES))
        await hub.leases.beat()
        http = await stack.enter_async_context(aiohttp.ClientSession(urls["psp"]))
        at = Town(database_url, hub, None, shop, till, psp, mail, watch, http)
        yield at
        await hub.leases.leave()


def _settings(
    urls: Mapping[str, str], mail: MailRunning, till_secret: str, store: str, folder: Path, pickup: Mapping[str, Any]
) -> Settings:
    def secret(name: str, text: str) -> str:
        (folder / name).write_text(text)
        return f"file:{folder / name}"

    connections: dict[str, Any] = {
        "shop": {
            "connector": "shopify",
            "access_token": secret("shop-token", shops.TOKEN),
            "webhook_secrets": [secret("shop-hooks", shops.SECRET)],
            "locations": {"EAST": store},
            "payments": "psp",
            "calls_per_second": 10_000,
            "burst": 10_000,
        },
        "till": {
            "connector": "square",
            "access_token": secret("till-token", tills.ACCESS_TOKEN),
            "webhook_secrets": [secret("till-hooks", till_secret)],
            "locations": ["STORE-1"],
            "stores": {"EAST": "STORE-1"},
            "calls_per_second": 10_000,
            "burst": 10_000,
        },
        "psp": {
            "connector": "stripe",
            "api_key": secret("psp-key", providers.API_KEY),
            "webhook_secrets": [secret("psp-hooks", providers.WEBHOOK_SECRET)],
            "orders_of": "shop",
            "calls_per_second": 10_000,
            "burst": 10_000,
        },
    }
    told = {
        "hub": {"probe_seconds": 0.1},
        "roles": {"stores": "till", "mail": "mail", "payments": "psp"},
        "policy": {"pickup": {"places": {"EAST": "East hall, 1 Quay Street"}, **pickup}},
        "connections": {name: {**each, "url": urls[name]} for name, each in connections.items()}
        | {
            "mail": {
                "connector": "smtp",
                "host": mail.smtp_host,
                "port": mail.smtp_port,
                "starttls": False,
                "from_address": "orders@outfitters.example",
                "calls_per_second": 1_000,
            }
        },
    }
    return settings_from(told, folder / "crossdock.toml")
