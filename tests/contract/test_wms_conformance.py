"""What the hub relies on in every connector, asked of the warehouse's against the simulated warehouse."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from crossdock.canonical.shipment import ShipmentLines, ShipmentOrder, ShipTo
from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.connectors.wms import Settings
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.warehouse import API_KEY, Warehouse
from tests.contract.wms_site import lines, ship_to, wanted

_CALLS: dict[type[msgspec.Struct], str] = {
    ShipmentOrder: "POST /v1/shipment-orders/bulk",
    ShipTo: "/ship-to",
    ShipmentLines: "/lines",
}
_HAPPENS: dict[type[msgspec.Struct], str] = {
    ShipmentOrder: "order_received",
    ShipTo: "ship_to_changed",
    ShipmentLines: "lines_changed",
}
_SHIPPED = 250


@asynccontextmanager
async def warehouse() -> AsyncGenerator[StandIn]:
    """A warehouse that already holds one order, which can be changed."""
    site = Warehouse()

    async def effects(command: Command[Any]) -> int:
        return len(site.ledger.select(_HAPPENS[type(command.body)], command.body.reference))

    async def misbehave(noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        site.mischief.arm(FaultRule(match=_CALLS[noun], kind=how, status=502, times=1))

    async with site.serve() as running, aiohttp.ClientSession(running.url, headers={"X-Api-Key": API_KEY}) as http:
        await http.post("/v1/shipment-orders", json=wanted(3000))
        yield StandIn(
            settings=Settings(url=running.url, api_key=Secret(API_KEY)),
            effects=effects,
            misbehave=misbehave,
            misbehaviours=("commit_then_drop", "commit_then_status", "garbage", "partial"),
            commands={ShipTo: [ship_to(number=3000)], ShipmentLines: [lines({"11": 1}, number=3000)]},
            fill=lambda _kind: _ship_many(http),
        )


async def _ship_many(http: aiohttp.ClientSession) -> list[str]:
    """Let more parcels leave than go on one page; their ids."""
    shipped = list[str]()
    for number in range(_SHIPPED):
        await http.post("/v1/shipment-orders", json=wanted(number))
        async with http.post("/_do/ship", json={"reference": f"order:shop:{number}"}) as answer:
            shipped.append((await answer.json())["id"])
    return shipped


TestWms = conformance_of("wms", stand_in=warehouse)
