"""A running warehouse with the connector's link to it, and the orders tests send there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from crossdock.canonical.party import Address
from crossdock.canonical.shipment import ShipmentLine, ShipmentLines, ShipmentOrder, ShipTo
from crossdock.connect.connector import Command
from crossdock.connect.documents import Origin
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Outcome
from crossdock.connect.secrets import Secret
from crossdock.connectors.wms import Settings
from crossdock.connectors.wms.acts import order_shipments, redirect, set_lines
from crossdock.simulators.warehouse import API_KEY, Warehouse

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/wms/examples"
ORIGIN = Origin(connection="warehouse", received_at=datetime(2026, 11, 20, 15, tzinfo=UTC))
HOME = {"name": "Ada Example", "street": ["1 Example Street"], "city": "Springfield", "country": "US"}
AWAY = {**HOME, "street": ["22 Sample Avenue"]}


@dataclass
class Site:
    """A running warehouse, the connector's link to it, and plain HTTP."""

    warehouse: Warehouse
    link: Link[Settings]
    http: aiohttp.ClientSession

    def happened(self, what: str, key: str | None = None) -> list[dict[str, Any]]:
        return [entry.details for entry in self.warehouse.ledger.select(what, key)]

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self.http.request(method, path, json=body, headers={"X-Api-Key": API_KEY}) as answer:
            return answer.status, await answer.json() if answer.content_length else None


async def spend(points: int) -> None: ...


def guard() -> None: ...


@asynccontextmanager
async def site(*, timeout_seconds: float = 5.0, key: str = API_KEY, **options: Any) -> AsyncIterator[Site]:
    warehouse = Warehouse(**options)
    async with (
        warehouse.serve() as running,
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(running.url) as raw,
    ):
        settings = Settings(url=running.url, api_key=Secret(key))
        http = Http(session, running.url, spend=spend, guard=guard, timeout_seconds=timeout_seconds)
        yield Site(warehouse, Link(settings, http, {}, guard), raw)


def wanted(number: int = 1001, sku: str = "MUG", units: int = 2) -> dict[str, Any]:
    """A shipment order as plain JSON: two lines, the second of one unit."""
    lines = [{"line": "11", "sku": sku, "units": units}, {"line": "12", "sku": "TEA", "units": 1}]
    return {"reference": f"order:shop:{number}", "order_number": str(number), "ship_to": HOME, "lines": lines}


def command(number: int = 1001, sku: str = "MUG", units: int = 2, **refs: str) -> Command[ShipmentOrder]:
    lines = (ShipmentLine(line="11", sku=sku, units=units), ShipmentLine(line="12", sku="TEA", units=1))
    address = msgspec.convert(HOME, Address)
    order = ShipmentOrder(reference=f"order:shop:{number}", number=str(number), ship_to=address, lines=lines)
    key = f"order:shop:{number}/shipment_order/placed/1"
    return Command(key=key, entity=order.reference, body=order, refs=refs, sealed_at=ORIGIN.received_at)


def ship_to(address: Mapping[str, Any] = AWAY, number: int = 1001, **refs: str) -> Command[ShipTo]:
    body = ShipTo(reference=f"order:shop:{number}", address=msgspec.convert(address, Address))
    key = f"{body.reference}/ship_to/address/1"
    return Command(key=key, entity=body.reference, body=body, refs=refs, sealed_at=ORIGIN.received_at)


def lines(units: Mapping[str, int], number: int = 1001, **refs: str) -> Command[ShipmentLines]:
    """The units that are to leave in all; line 11 is of MUG, 12 of TEA, any other of POT."""
    skus = {"11": "MUG", "12": "TEA"}
    named = tuple(ShipmentLine(line=line, sku=skus.get(line, "POT"), units=count) for line, count in units.items())
    body = ShipmentLines(reference=f"order:shop:{number}", lines=named)
    key = f"{body.reference}/shipment_lines/edit/1"
    return Command(key=key, entity=body.reference, body=body, refs=refs, sealed_at=ORIGIN.received_at)


async def order_one(at: Site, asked: Command[ShipmentOrder]) -> Outcome:
    return (await order_shipments([asked], at.link))[asked.key]


async def redirect_one(at: Site, asked: Command[ShipTo]) -> Outcome:
    return (await redirect([asked], at.link))[asked.key]


async def set_lines_of(at: Site, asked: Command[ShipmentLines]) -> Outcome:
    return (await set_lines([asked], at.link))[asked.key]
