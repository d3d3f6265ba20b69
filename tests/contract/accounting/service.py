"""The accounting service itself: real HTTP on loopback, a true ledger, and faults on order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from crossdock.connect.conformance import Misbehaviour, StandIn
from crossdock.connect.connector import Command
from crossdock.connect.secrets import Secret
from crossdock.simulators.mischief import FaultRule, Ledger, Mischief, bulk_plan, control_routes, mischief_middleware
from crossdock.simulators.running import Running, serving
from tests.contract.accounting import Settings

API_KEY = "an-accounting-api-key"
PAGE_ITEMS = 3
INVOICES = [f"INV-{number}" for number in range(1, 8)]


class Service:
    """Bookings and invoices are kept by reference; accounts by code."""

    def __init__(self) -> None:
        self.ledger, self.mischief = Ledger(), Mischief()
        self._kept: dict[str, str] = {}
        self._accounts: dict[str, dict[str, str]] = {}

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[Running]:
        app = web.Application(middlewares=[mischief_middleware(self.mischief), self._only_with_a_session])
        app.router.add_post("/v1/sessions", self._log_in)
        app.router.add_post("/v1/invoices/bulk", self._post_invoices)
        app.router.add_get("/v1/invoices", self._list_invoices)
        app.router.add_post("/v1/bookings", self._book)
        app.router.add_get("/v1/bookings", self._find_booking)
        app.router.add_put("/v1/accounts/{code}", self._keep_account)
        control_routes(app, self.mischief, self.ledger)
        async with serving(app) as running:
            yield running

    @web.middleware
    async def _only_with_a_session(self, request: web.Request, handler: Any) -> web.StreamResponse:
        open_to_all = request.path.startswith("/_") or request.path == "/v1/sessions"
        if not open_to_all and request.headers.get("Authorization") != "Bearer session-token-1234":
            return web.Response(status=401)
        return await handler(request)

    async def _log_in(self, request: web.Request) -> web.Response:
        if (await request.json())["key"] != API_KEY:
            return web.Response(status=401)
        return web.json_response({"token": "session-token-1234"})

    def _make(self, what: str, reference: str) -> str:
        if reference not in self._kept:
            self._kept[reference] = f"{what}-{len(self._kept) + 1}"
            self.ledger.append(what, reference)
        return self._kept[reference]

    async def _post_invoices(self, request: web.Request) -> web.Response:
        items = (await request.json())["items"]
        plan = bulk_plan(request, self.mischief, len(items))
        made = {n: self._make("invoice", items[n]["reference"]) for n in sorted(plan.done)}
        answered = [{"reference": items[n]["reference"], "id": made[n]} for n in sorted(plan.answered & plan.done)]
        return web.json_response({"items": answered})

    async def _book(self, request: web.Request) -> web.Response:
        """Without a key, so that each request is a booking of its own."""
        reference = (await request.json())["reference"]
        self._kept[reference] = f"booking-{self.ledger.append('booking', reference).seq}"
        return web.json_response({"reference": reference, "id": self._kept[reference]}, status=201)

    async def _find_booking(self, request: web.Request) -> web.Response:
        reference = request.query["reference"]
        items = [{"reference": reference, "id": self._kept[reference]}] if reference in self._kept else []
        return web.json_response({"items": items})

    async def _keep_account(self, request: web.Request) -> web.Response:
        wanted, code = await request.json(), request.match_info["code"]
        self._accounts[code] = {"code": code, "name": wanted["name"].strip(), "email": wanted["email"].lower()}
        self.ledger.append("account", code)
        return web.json_response(self._accounts[code])

    async def _list_invoices(self, request: web.Request) -> web.Response:
        after = int(request.query["after"] or 0)
        numbers = INVOICES[after : after + PAGE_ITEMS]
        items = [_invoice(number) for number in numbers]
        upto = after + len(numbers)
        return web.json_response({"items": items, "next": str(upto), "more": upto < len(INVOICES)})


def _invoice(number: str) -> dict[str, str]:
    amounts = {"net": "10.00", "tax": "1.00", "total": "11.00", "currency": "EUR"}
    return {"number": number, "order": "order:shop:1001", "changed_at": "2026-03-01T12:00:00Z", **amounts}


_PATHS = {"SalesOrder": "POST /v1/bookings", "InvoicePosting": "POST /v1/invoices/bulk"}


@asynccontextmanager
async def stand_in() -> AsyncGenerator[StandIn]:
    """The service as the conformance kit wants it."""
    service = Service()
    async with service.serve() as running:

        async def effects(command: Command[Any]) -> int:
            return len(service.ledger.select(key=command.key))

        async def misbehave(noun: type[msgspec.Struct], way: Misbehaviour) -> None:
            service.mischief.arm(FaultRule(match=_PATHS[noun.__name__], kind=way, times=1, status=502))

        async def fill(kind: str) -> list[str]:
            return INVOICES if kind == "invoice" else []

        yield StandIn(
            settings=Settings(url=running.url, api_key=Secret(API_KEY)),
            effects=effects,
            misbehave=misbehave,
            misbehaviours=("commit_then_drop", "commit_then_status", "garbage", "partial"),
            fill=fill,
        )
