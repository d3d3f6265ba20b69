"""What the hub relies on in every connector, asked of Square's against the simulated tills."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.connectors.square import Settings
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.pos import ACCESS_TOKEN, Till
from crossdock.simulators.pos_counter import Handed, Sold

_MANY = 130


@asynccontextmanager
async def tills() -> AsyncGenerator[StandIn]:
    """Tills that have sold nothing yet."""
    till = Till()

    async def effects(_command: Command[Any]) -> int:
        return 0

    async def misbehave(_noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        till.mischief.arm(FaultRule(match="POST /v2/orders", kind=how, times=1))

    async def fill(kind: str) -> Collection[str]:
        orders = [till.sell([Sold(sku="MUG")])["id"] for _ in range(_MANY)]
        returns = [till.take_return([Handed(sku="MUG")], "#1", payout=1000)["id"] for _ in range(_MANY)]
        return {"order": orders + returns, "refund": till.counter.refunds, "payment": till.counter.payments}[kind]

    async with till.serve() as running:
        settings = Settings(url=running.url, access_token=Secret(ACCESS_TOKEN), locations=("STORE-1",))
        yield StandIn(settings=settings, effects=effects, misbehave=misbehave, fill=fill)


TestSquare = conformance_of("square", stand_in=tills)
