"""A retailer whose systems tell nothing: everything the hub knows of them it has read. The ERP is a stand-in that lists.

What a test does here is what people and systems do behind the hub's back; what the hub does about it is judged on their ledgers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from crossdock.cli.sweeping import sweep_now
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, open_hub
from crossdock.simulators import payments as providers
from crossdock.simulators import pos as tills
from crossdock.simulators import shop as shops
from crossdock.simulators import warehouse as warehouses
from crossdock.simulators.payments import Payments
from crossdock.simulators.pos import Till
from crossdock.simulators.shop import Shop
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address, Order
from crossdock.simulators.tryton import Tryton
from crossdock.simulators.warehouse import Warehouse
from crossdock.store import drift, settling
from crossdock.store.documents import bind_waiting, mark_dirty
from crossdock.store.drift import Found
from crossdock.store.sweeps import Ended
from tests.stage import PLACED_AT, Stage
from tests.standin.lists import Lists

SAGE = Address(first_name="Ada", last_name="Example", address1="1 Sage Street", city="Springfield", country_code="US")
ROSE = Address(first_name="Ada", last_name="Example", address1="2 Rose Street", city="Springfield", country_code="US")
SKU = "MUG-01"
_SWEPT = ("shop", "psp", "wms", "till", "erp")


@dataclass
class Silence(Stage):
    """The hub and the systems that don't tell it anything."""

    shop: Shop = None  # pyright: ignore[reportAssignmentType]  # always given, as all below
    psp: Payments = None  # pyright: ignore[reportAssignmentType]
    wms: Warehouse = None  # pyright: ignore[reportAssignmentType]
    till: Till = None  # pyright: ignore[reportAssignmentType]
    erp: Lists = None  # pyright: ignore[reportAssignmentType]
    http: aiohttp.ClientSession = None  # pyright: ignore[reportAssignmentType]
    urls: dict[str, str] = None  # pyright: ignore[reportAssignmentType]

    async def sweep(self, *, full: bool = True) -> list[Ended]:
        """One pass of every list of every connection; then everything that follows, to its end, without another sweep."""
        ended: list[Ended] = []
        for sweeper in self.hub.sweepers:
            for kind in sweeper.source.kinds if sweeper.source.connection in _SWEPT else ():
                ended += await sweep_now(sweeper, kind, full=full)
                await self.settle()
            await self.rest()  # what waits for longer than some seconds goes before a sweep
        return ended

    async def rest(self) -> None:
        async with self.database.transaction() as tx:
            await mark_dirty(tx, await settling.wake(tx))
            await bind_waiting(tx)
        await self.run()

    async def drift(self) -> list[Found]:
        async with self.database.transaction() as tx:
            return await drift.listed(tx, PLACED_AT - timedelta(days=3650), None, 10_000)

    async def do(self, system: str, deed: str, **given: Any) -> Any:
        async with self.http.post(f"{self.urls[system]}/_do/{deed}", json=given) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    def order(self, units: int = 2, **rest: Any) -> Order:
        """An order of mugs at ten dollars, paid by an outside provider; nobody hears of it."""
        told = {"shipping_address": SAGE, "email": "ada@example.com", **rest}
        return self.shop.place_order([Bought(SKU, units)], authorised=True, manual_gateway=True, **told)

    async def paid(self, units: int = 2, **rest: Any) -> Order:
        placed = self.order(units, **rest)
        await self.do("psp", "pay", order=str(placed.id), amount=units * 1000)
        return placed

    def known(self, kind: str, id_: str) -> int:
        return self.count("select count(*) from document where kind = %s and id = %s and not gone", kind, id_)

    def refunded(self) -> list[tuple[str, int]]:
        """(order, cents) of every refund the hub itself has made at the provider."""
        made = [entry for entry in self.psp.ledger.select("refunded") if entry.details["metadata"].get("crossdock_key")]
        return sorted((e.details["metadata"]["crossdock_key"].split("/")[0], e.details["amount"]) for e in made)


def _settings(
    urls: dict[str, str], folder: Path, location: str, policy: dict[str, Any], real: Tryton | None
) -> Settings:
    def secret(name: str, text: str) -> str:
        (folder / name).write_text(text)
        return f"file:{folder / name}"

    each: dict[str, Any] = {"calls_per_second": 10_000.0, "burst": 10_000, "sweep": {"grace_seconds": 0.0}}
    shop = {"connector": "shopify", "access_token": secret("shop-token", shops.TOKEN), "payments": "psp"}
    till = {"connector": "square", "access_token": secret("till-token", tills.ACCESS_TOKEN), "locations": ["STORE-1"]}
    told: dict[str, dict[str, Any]] = {
        "shop": {**shop, "locations": {"MAIN": location}},
        "psp": {"connector": "stripe", "api_key": secret("psp-key", providers.API_KEY), "orders_of": "shop"},
        "wms": {"connector": "wms", "api_key": secret("wms-key", warehouses.API_KEY)},
        "till": till,
        "erp": {"connector": "tests.standin.lists"} if real is None else _tryton(real, secret("erp", real.password)),
    }
    return settings_from(
        {
            "hub": {"probe_seconds": 0.1},
            "roles": {"erp": "erp", "warehouse": "wms", "payments": "psp"},
            "policy": {"tell_shop_erp_number": False, **policy},
            "connections": {name: {**given, **each, "url": urls[name]} for name, given in told.items()},
        },
        Path("/tmp/crossdock-test.toml"),
    )


def _tryton(at: Tryton, password: str) -> dict[str, Any]:
    told = {"connector": "tryton", "database": at.db, "user": at.user, "password": password}
    return {**told, "shop": at.facts["shop_name"], "warehouse": at.facts["warehouse_code"]}


@asynccontextmanager
async def silence(database_url: str, folder: Path, real: Tryton | None = None, **policy: Any) -> AsyncIterator[Silence]:
    """`real`: a Tryton in the place of the stand-in for an ERP."""
    async with AsyncExitStack() as stack:
        shop, psp, wms, till = Shop(points_max=100_000), Payments(), Warehouse(), Till()
        shop.add_product(SKU, "Mug", "10.00")
        erp = await stack.enter_async_context(Lists().serve())
        urls = {"erp": erp.url if real is None else real.url}
        for name, system in (("shop", shop), ("psp", psp), ("wms", wms), ("till", till)):
            urls[name] = (await stack.enter_async_context(system.serve())).url
        location = str(next(iter(shop.world.locations)))
        hub = await stack.enter_async_context(
            open_hub(_settings(urls, folder, location, policy, real), database_url, ROLES)
        )
        http = await stack.enter_async_context(aiohttp.ClientSession())
        await hub.leases.beat()
        yield Silence(database_url, hub, None, shop, psp, wms, till, erp, http, urls)
        await hub.leases.leave()
