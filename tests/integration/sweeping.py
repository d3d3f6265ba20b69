"""A hub stepped by hand beside a source that lists: what a test needs to sweep it and to see what came of that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from crossdock.canonical.order import Order, PartyAccount
from crossdock.canonical.party import Customer
from crossdock.canonical.payment import Refund
from crossdock.cli.sweeping import Limits, sweep_now
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, open_hub
from crossdock.kernel.money import usd
from crossdock.store import drift
from crossdock.store.drift import Found
from crossdock.store.sweeps import Ended
from crossdock.sweep.sweeper import Sweeper
from tests.stage import PLACED_AT, Stage, message, order
from tests.standin import Told
from tests.standin.lists import Lists

SWEEP: dict[str, Any] = {"grace_seconds": 0.0}


@dataclass
class Swept(Stage):
    """The hub, and the source behind its connections `shop` and `erp`."""

    source: Lists = None  # pyright: ignore[reportAssignmentType]  # always given

    def sweeper(self, connection: str = "shop") -> Sweeper:
        [found] = [each for each in self.hub.sweepers if each.source.connection == connection]
        return found

    async def sweep(
        self, kind: str | None = None, *, connection: str = "shop", full: bool = True, limits: Limits | None = None
    ) -> list[Ended]:
        """One pass of each list, and all that follows settled."""
        ended = await sweep_now(self.sweeper(connection), kind, full=full, limits=limits)
        await self.settle()
        return ended

    async def swept(self, kind: str, **how: Any) -> Ended:
        [ended] = await self.sweep(kind, **how)
        return ended

    async def drift(self) -> list[Found]:
        async with self.database.transaction() as tx:
            return await drift.listed(tx, PLACED_AT - timedelta(days=3650), None, 1000)

    async def causes(self) -> list[tuple[str, str, str]]:
        return [(each.kind, each.thing, each.cause) for each in await self.drift()]

    async def hear(self, said: Told) -> None:
        """The source's message of it arrives."""
        await self.tell(message("shop", said))

    def held(self, kind: str, id_: str) -> Any:
        """What is held of it; None when it is gone, or was never heard of."""
        found = self.rows("select body from document where kind = %s and id = %s and not gone", kind, id_)
        return msgspec.json.decode(found[0][0]) if found else None


def an_order(id_: str, token: int = 1, **rest: Any) -> Told:
    return said(order(id_, **rest), token)


def many(at: Swept, count: int, first: int = 1) -> None:
    for n in range(first, first + count):
        at.source.put(an_order(str(n)))


def a_refund(id_: str, of: str = "1", minor: int = 500) -> Told:
    noun = Refund(
        id=id_, payment="p1", tender="card", amount=usd(minor), status="succeeded", refunded_at=PLACED_AT, reference=""
    )
    return Told(kind="refund", id=id_, entity=f"order:shop:{of}", token=1, body=msgspec.to_builtins(noun))


def a_customer(id_: str, name: str = "Ada Example", token: int = 1, **rest: Any) -> Told:
    return said(Customer(id=id_, name=name, **rest), token)


def said(noun: Order | Customer | PartyAccount, token: int) -> Told:
    match noun:
        case Order():
            kind, id_, entity = "order", noun.id, f"order:shop:{noun.id}"
        case Customer():
            kind, id_, entity = "customer", noun.id, f"customer:shop:{noun.id}"
        case PartyAccount():
            kind, id_, entity = "party_account", noun.code, noun.code
    return Told(kind=kind, id=id_, entity=entity, token=token, body=msgspec.to_builtins(noun))


def _settings(url: str, sweep: dict[str, Any], each: dict[str, Any], erp: bool, policy: dict[str, Any]) -> Settings:
    shop = {"connector": "tests.standin.lists", "url": url, "sweep": {**SWEEP, **sweep}, **each}
    told = {
        "hub": {"probe_seconds": 0.1},
        "roles": {"erp": "erp"} if erp else {},
        "policy": {"tell_shop_erp_number": False, **policy},
        "connections": {"shop": shop} | ({"erp": dict(shop)} if erp else {}),
    }
    return settings_from(told, Path("/tmp/crossdock-test.toml"))


@asynccontextmanager
async def swept(
    database_url: str,
    *,
    sweep: dict[str, Any] | None = None,
    each: dict[str, Any] | None = None,
    erp: bool = False,
    policy: dict[str, Any] | None = None,
) -> AsyncIterator[Swept]:
    async with (
        Lists().serve() as source,
        open_hub(_settings(source.url, sweep or {}, each or {}, erp, policy or {}), database_url, ROLES) as hub,
    ):
        await hub.leases.beat()
        yield Swept(database_url, hub, source=source)
        await hub.leases.leave()
