"""What the hub relies on in every connector, asked of Square's against the simulated tills."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from crossdock.canonical.pickup import PickupOrder, PickupRelease
from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.connectors.square import Settings
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.pos import ACCESS_TOKEN, Till
from crossdock.simulators.pos_counter import Handed, Sold
from crossdock.simulators.pos_pickups import Placed

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/square/examples/commands"
_MANY = 130
_CALLS: dict[type[msgspec.Struct], str] = {PickupOrder: "POST /v2/orders", PickupRelease: "PUT /v2/orders"}


@asynccontextmanager
async def tills() -> AsyncGenerator[StandIn]:
    """Tills that have sold nothing yet, and keep one order ready for its buyer, which can be released."""
    till = Till()
    kept, _ = till.pickups.place(_placed())

    async def effects(command: Command[Any]) -> int:
        if isinstance(command.body, PickupOrder):
            return len(till.ledger.select("pickup_placed", command.key))
        return len(till.ledger.select("pickup_canceled", command.body.reference))

    async def misbehave(noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        till.mischief.arm(FaultRule(match=_CALLS[noun], kind=how, status=502, times=1))

    async def fill(kind: str) -> Collection[str]:
        orders = [till.sell([Sold(sku="MUG")])["id"] for _ in range(_MANY)]
        returns = [till.take_return([Handed(sku="MUG")], "#1", payout=1000)["id"] for _ in range(_MANY)]
        return {"order": orders + returns, "refund": till.counter.refunds, "payment": till.counter.payments}[kind]

    async with till.serve() as running:
        settings = Settings(url=running.url, access_token=Secret(ACCESS_TOKEN), locations=("STORE-1",))
        commands: dict[type[msgspec.Struct], list[Command[Any]]] = {
            PickupOrder: [_order()],
            PickupRelease: [_release(kept["id"])],
        }
        yield StandIn(settings=settings, effects=effects, misbehave=misbehave, fill=fill, commands=commands)


def _placed() -> Placed:
    """A pickup order that somebody placed before."""
    line = {"uid": "11", "quantity": "1", "name": "Mug", "base_price_money": {"amount": 0, "currency": "USD"}}
    details = {"recipient": {"display_name": "Ada Example"}, "pickup_at": "2026-11-20T17:00:00Z"}
    fulfilment = {"uid": "pickup", "type": "PICKUP", "pickup_details": details}
    order = {
        "location_id": "STORE-1",
        "reference_id": "order:shop:9",
        "line_items": [line],
        "fulfillments": [fulfilment],
    }
    return msgspec.convert({"idempotency_key": "another", "order": order}, Placed)


def _order() -> Command[PickupOrder]:
    held = msgspec.json.decode((EXAMPLES / "pickup_order.json").read_bytes())[0]
    body = msgspec.convert(held["body"], PickupOrder)
    refs = {"location/EAST": "STORE-1"}
    return Command(key=held["key"], entity=body.reference, body=body, refs=refs, sealed_at=datetime.now(UTC))


def _release(id_: str) -> Command[PickupRelease]:
    body = PickupRelease(reference="order:shop:9", reason="nobody came")
    return Command(
        key="order:shop:9/pickup_release/late/1",
        entity=body.reference,
        body=body,
        refs={"pickup_order": id_},
        sealed_at=datetime.now(UTC),
    )


TestSquare = conformance_of("square", stand_in=tills)
