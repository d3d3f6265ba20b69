"""What the hub relies on in every connector, asked of Stripe's against the simulated provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from crossdock.canonical.payment import PaymentCapture, PaymentRefund, PaymentVoid
from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.connectors.stripe import Settings
from crossdock.connectors.stripe.system import connector
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.payments import API_KEY, Payments
from tests.contract.stripe_site import capturing, refunding, voiding

_CALLS: dict[type[msgspec.Struct], str] = {
    PaymentRefund: "POST /v1/refunds",
    PaymentCapture: "/capture",
    PaymentVoid: "/cancel",
}
_WHAT: dict[type[msgspec.Struct], str] = {
    PaymentRefund: "refunded",
    PaymentCapture: "captured",
    PaymentVoid: "canceled",
}


@asynccontextmanager
async def provider() -> AsyncGenerator[StandIn]:
    """A provider with one payment captured, and others held."""
    simulated = Payments()
    rules = simulated.provider

    def pay(order: str, *, manual: bool) -> str:
        made = rules.create(10_000, "usd", {"order": order}, manual=manual)
        return str(rules.confirm(made, multicapture=True)["id"])

    async def effects(command: Command[Any]) -> int:
        return len(simulated.ledger.select(_WHAT[type(command.body)], command.key))

    async def misbehave(noun: type[msgspec.Struct], how: Misbehaviour) -> None:
        simulated.mischief.arm(FaultRule(match=_CALLS[noun], kind=how, status=502, times=1))

    async def fill(kind: str) -> Collection[str]:
        """Events of each kind; a listing names them by their own ids."""
        intent = rules.create(1_000_000, "usd", {"order": "1001"}, manual=True)
        rules.confirm(intent, multicapture=True)
        for _ in range(130):
            rules.create(100, "usd", {"order": "1001"}, manual=False)
            rules.capture(intent, 100, {}, final=False)
            charge = simulated.books.get("charge", intent["latest_charge"])
            rules.refund(charge, 10, {}, None)
        for _ in range(60):
            dispute = rules.open_dispute(charge, 10, "general")
            rules.close_dispute(dispute, won=True)
        told = [event for event in simulated.books.all("event") if event["type"] in connector.topics]
        families = {"payment": "payment_intent", "capture": "charge", "refund": "refund", "dispute": "dispute"}
        return [event["id"] for event in told if event["data"]["object"]["object"] == families[kind]]

    captured, held = pay("1001", manual=False), pay("1002", manual=True)
    async with simulated.serve() as running:
        yield StandIn(
            settings=Settings(url=running.url, api_key=Secret(API_KEY), orders_of="shop"),
            effects=effects,
            misbehave=misbehave,
            commands={
                PaymentRefund: [refunding(captured, 1_500), refunding(captured, 700, ordinal=2)],
                PaymentCapture: [capturing(held, 7_000, final=False), capturing(held, 2_000, final=True, ordinal=2)],
                PaymentVoid: [voiding(held)],
            },
            fill=fill,
        )


TestStripe = conformance_of("stripe", stand_in=provider)
