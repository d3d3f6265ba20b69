"""A hub stepped by hand on a real database: a test decides when something is received, translated, settled and delivered."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.party import Address, Customer
from crossdock.canonical.shipment import Shipment, ShipmentLine, Tracking
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, Hub, open_hub
from crossdock.kernel.money import usd
from crossdock.store import delivery, inbox
from crossdock.store.checking import Check, check
from crossdock.store.database import Database
from crossdock.store.decisions import Decider
from crossdock.store.inbox import Message, Part
from tests.standin import Told
from tests.standin.target import Target

PLACED_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
SAGE = Address(name="Ada Example", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
ROSE = Address(name="Ada Example", street=("2 Rose Street",), city="Springfield", postal_code="62701", country="US")
_ids = itertools.count(1)


def order(id_: str = "1", *, skus: Iterable[str] = ("MUG",), units: int = 3, **rest: Any) -> Order:
    """An order of one line a SKU, of three units each, for customer `c<id>` unless said otherwise."""
    lines = tuple(
        OrderLine(id=f"{id_}-{at}", sku=sku, title=sku.title(), ordered=units, unit_price=usd(1000))
        for at, sku in enumerate(skus)
    )
    given = {
        "number": f"#{id_}",
        "placed_at": PLACED_AT,
        "currency": "USD",
        "total": usd(1000 * units * len(lines)),
        "email": "ada@example.com",
        "ship_to": SAGE,
        "customer": None,
        **rest,
    }
    return Order(id=id_, lines=lines, **given)


def customer(id_: str = "c1", name: str = "Ada Example", **rest: Any) -> Customer:
    return Customer(id=id_, name=name, **rest)


def shipment(id_: str, order_: Order, units: int = 1) -> Shipment:
    """A parcel with that many units of every line."""
    lines = tuple(ShipmentLine(line=line.id, sku=line.sku, units=units) for line in order_.lines)
    return Shipment(
        id=id_,
        reference=f"order:shop:{order_.id}",
        location="EAST",
        lines=lines,
        shipped_at=PLACED_AT,
        tracking=Tracking(carrier="Post", number=f"T-{id_}"),
    )


def told(noun: msgspec.Struct, token: int = 1) -> Told:
    """What a system says of a thing."""
    match noun:
        case Order():
            kind, entity = "order", f"order:shop:{noun.id}"
        case Customer():
            kind, entity = "customer", f"customer:shop:{noun.id}"
        case Shipment():
            kind, entity = "shipment", noun.reference
        case _:
            raise AssertionError(noun)
    return Told(kind=kind, id=str(getattr(noun, "id", "")), entity=entity, token=token, body=msgspec.to_builtins(noun))


def message(connection: str, said: Told, topic: str = "document", id_: str | None = None) -> Message:
    return Message(connection, topic, msgspec.json.encode(said), id_ or f"m{next(_ids)}")


def connection_of(said: Told) -> str:
    return "warehouse" if said.kind == "shipment" else "shop"


def settings_for(
    target: str,
    *,
    mail: bool = True,
    database_url: str | None = None,
    hub: dict[str, Any] | None = None,
    each: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    roles: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> Settings:
    """Four connections to one stand-in: a shop, an ERP, a warehouse and a mail server."""
    roles = {"erp": "erp", "warehouse": "warehouse"} | ({"mail": "mail"} if mail else {}) | (roles or {})
    connection = {"connector": "tests.standin", "url": target, **(each or {})}
    return settings_from(
        {
            "hub": {"probe_seconds": 0.1, "database_url": database_url, **(hub or {})},
            "roles": roles,
            "policy": policy or {},
            **(more or {}),
            "connections": {name: dict(connection) for name in ("shop", "erp", "warehouse", "mail")}
            | (more or {}).get("connections", {}),
        },
        Path("/tmp/crossdock-test.toml"),
    )


@dataclass
class Stage:
    """A hub of all roles whose loops don't run; `url` is its database."""

    url: str
    hub: Hub
    target: Target | None = None

    @property
    def database(self) -> Database:
        return self.hub.database

    async def receive(self, *said: msgspec.Struct | Told | Message) -> None:
        messages = [self._message(each) for each in said]
        async with self.database.transaction() as tx:
            await inbox.store(tx, messages)

    def _message(self, said: msgspec.Struct | Told | Message) -> Message:
        if isinstance(said, Message):
            return said
        stated = said if isinstance(said, Told) else told(said)
        return message(connection_of(stated), stated)

    async def settle(self) -> None:
        """Translate and settle until nothing is pending or dirty."""
        await self.hub.leases.beat()
        while await self.hub.translate() + await self.hub.settle():
            pass

    async def deliver(self, *names: str) -> int:
        """One round of the lanes of these connections, or all; answers how many promises were claimed."""
        return sum([await lane.round() for lane in self.hub.lanes if not names or lane.line.connection in names])

    async def tell(self, *said: msgspec.Struct | Told | Message) -> None:
        """Receive, translate, settle."""
        await self.receive(*said)
        await self.settle()

    async def run(self, seconds: float = 60.0) -> None:
        """Everything to its end, waiting for nothing but what waits for an event; time is skipped.

        Bounded by time and not by rounds: what is searched for shows after a while of its own, which a quick machine's rounds
        would end before; a real ERP takes seconds a round.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.settle()
            done = await self.deliver()
            self.hurry()
            async with self.database.transaction() as tx:
                await delivery.release_met(tx)
            if not done and not self.count("select count(*) from due where due_at < 'infinity'"):
                return
        raise AssertionError(f"not at rest after {seconds} s: {self.stages()}, {self.cases()}")

    def hurry(self) -> None:
        """What is scheduled for later is due now; call leases, too."""
        self.sql("update due set due_at = now() where due_at < 'infinity'")
        self.sql("update brake set probe_at = now()")

    @contextlib.asynccontextmanager
    async def person(self) -> AsyncGenerator[Decider]:
        async with self.database.transaction() as tx:
            yield Decider(tx, "a person")

    def sql(self, statement: str, *parameters: Any) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement, parameters)  # pyright: ignore

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()  # pyright: ignore

    def count(self, statement: str, *parameters: Any) -> int:
        return int(self.rows(statement, *parameters)[0][0])

    def stages(self) -> dict[str, int]:
        """slot -> stage of every open promise."""
        return dict(
            self.rows("select p.entity || '/' || p.name, d.stage from due d join promise p on p.id = d.promise")
        )

    def cases(self) -> list[str]:
        """The causes of the open cases."""
        return [row[0] for row in self.rows("select cause from cases where closed_at is null order by 1")]

    def promises_made(self) -> int:
        return self.count("select count(*) from promise")

    async def replay(self) -> int:
        """Everything that was received is pending again."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            return await inbox.put_back(tx, Part(now - timedelta(days=1), now + timedelta(days=1)))

    async def checked(self) -> Check:
        """The sums and invariants, which must hold."""
        async with Database(self.database.url, connections_max=1) as reports, reports.transaction() as tx:
            found = await check(tx)
        assert found.holds, [each for each in found.invariants if each.breaches] or found
        return found


@contextlib.asynccontextmanager
async def staged(database_url: str, target: Target | str, **settings: Any) -> AsyncGenerator[Stage]:
    """A hub on that database with four connections to the target, leases taken, nothing running."""
    url = target if isinstance(target, str) else target.url
    async with open_hub(settings_for(url, **settings), database_url, ROLES) as hub:
        await hub.leases.beat()
        yield Stage(database_url, hub, None if isinstance(target, str) else target)
        await hub.leases.leave()
