"""A running payment provider with the connector's link to it, and the commands tests send there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from crossdock.canonical.payment import PaymentCapture, PaymentRefund, PaymentVoid
from crossdock.connect.connector import Command
from crossdock.connect.documents import Origin
from crossdock.connect.link import Http, Link
from crossdock.connect.secrets import Secret
from crossdock.connectors.stripe import Settings
from crossdock.kernel.money import usd
from crossdock.simulators.payments import API_KEY, Payments

ORIGIN = Origin(connection="psp", received_at=datetime(2026, 11, 20, 15, tzinfo=UTC), orders_of="shop")
SEALED_AT = datetime(2026, 11, 20, 15, tzinfo=UTC)


@dataclass
class Site:
    """A running provider, the connector's link to it, and plain HTTP."""

    provider: Payments
    link: Link[Settings]
    http: aiohttp.ClientSession

    def happened(self, what: str, key: str | None = None) -> list[dict[str, Any]]:
        return [entry.details for entry in self.provider.ledger.select(what, key)]

    async def do(self, deed: str, **given: Any) -> Any:
        async with self.http.post(f"/_do/{deed}", json=given) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def pay(self, order: str = "1001", amount: int = 10_000, **given: Any) -> Any:
        return await self.do("pay", order=order, amount=amount, **given)

    async def control(self, what: str, **given: Any) -> None:
        async with self.http.post(f"/_control/{what}", json=given) as answer:
            assert answer.status == 204, await answer.text()

    async def call(self, method: str, path: str, form: dict[str, str] | None = None, key: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {API_KEY}"} | ({"Idempotency-Key": key} if key else {})
        async with self.http.request(method, path, data=form, headers=headers) as answer:
            return answer.status, await answer.json()


async def spend(points: int) -> None: ...


def guard() -> None: ...


@asynccontextmanager
async def site(*, timeout_seconds: float = 5.0, key: str = API_KEY, **options: Any) -> AsyncIterator[Site]:
    provider = Payments(**options)
    async with (
        provider.serve() as running,
        aiohttp.ClientSession() as session,
        aiohttp.ClientSession(running.url) as raw,
    ):
        settings = Settings(url=running.url, api_key=Secret(key), orders_of="shop")
        http = Http(session, running.url, spend=spend, guard=guard, timeout_seconds=timeout_seconds)
        yield Site(provider, Link(settings, http, {}, guard), raw)


def refunding(payment: str, amount: int = 2_500, *, order: str = "1001", ordinal: int = 1) -> Command[PaymentRefund]:
    body = PaymentRefund(payment=payment, tender="card", amount=usd(amount), reason="return RMA-7")
    entity = f"order:shop:{order}"
    key = f"{entity}/refund:return-7:{payment}/received/{ordinal}"
    return Command(key=key, entity=entity, body=body, sealed_at=SEALED_AT)


def capturing(payment: str, amount: int, *, final: bool, ordinal: int = 1) -> Command[PaymentCapture]:
    body = PaymentCapture(payment=payment, amount=usd(amount), final=final)
    key = f"order:shop:1001/capture:{ordinal}/shipped/1"
    return Command(key=key, entity="order:shop:1001", body=body, sealed_at=SEALED_AT)


def voiding(payment: str) -> Command[PaymentVoid]:
    body = PaymentVoid(payment=payment)
    key = f"order:shop:1001/void:{payment}/cancelled/1"
    return Command(key=key, entity="order:shop:1001", body=body, sealed_at=SEALED_AT)
