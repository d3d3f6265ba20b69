"""The stand-in target: real HTTP, faults on order, and a true ledger of what really happened to it."""

from __future__ import annotations

import asyncio
import copy
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from crossdock.simulators.ledger import Ledger
from crossdock.simulators.mischief import FaultKind, FaultRule, Mischief, bulk_plan, control_routes, mischief_middleware
from crossdock.simulators.running import serving
from tests.standin import Done, Told

# Nouns whose target keeps our key for good; the others are done as often as they are sent.
_KEYED = ("sales_order", "shipment_order")
_STATES = ("party_account", "order_reference", "erp_address", "ship_to", "open_units", "shipment_lines")


@dataclass
class Target:
    """What the system holds, and what it does to which orders.

    An order with a line of SKU `BAD` is refused, `NONE-…` is a product it doesn't know, `POISON` breaks the whole call
    with a 500, `REFUSED` makes it answer 400 for the whole call, and `NUL` has an id that no database can store.
    """

    ledger: Ledger = field(default_factory=Ledger)
    mischief: Mischief = field(default_factory=Mischief)
    stock: dict[str, int] = field(default_factory=lambda: {"MUG": 5})
    """Units by SKU; each costs 10.00 USD."""
    things: dict[str, Told] = field(default_factory=dict[str, Told])
    """What can be read, by id."""
    accepts: bool = False
    """Shipment orders are accepted first, and done when asked about for the second time."""
    bare_ids: bool = False
    """Its ids are numbers, as an ERP counts them: 1, 2, 3."""
    cured: bool = False
    """`POISON` breaks nothing any more."""
    url: str = ""
    calls: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """(monotonic seconds, path) of every call, refused ones included."""
    held: dict[str, Any] = field(default_factory=dict[str, Any])
    """State by (entity/noun): the body last written."""
    traces: list[str] = field(default_factory=list[str])
    """The `traceparent` of every call, empty where it had none."""
    most_at_once: int = 0
    _now: int = 0
    _ids: Any = field(default_factory=lambda: itertools.count(1))
    _by_key: dict[str, Done] = field(default_factory=dict[str, Done])
    _jobs: dict[str, tuple[int, Done]] = field(default_factory=dict[str, tuple[int, Done]])

    def fault(self, match: str, kind: FaultKind, times: int | None = 1, **rest: Any) -> None:
        self.mischief.arm(FaultRule(match=match, kind=kind, times=times, **rest))

    def effects(self, noun: str) -> list[str]:
        """The keys under which a noun was really done, once for each time it was."""
        return [entry.key for entry in self.ledger.select(noun)]

    def slots(self, noun: str) -> list[str]:
        """The same without what differs between sends: entity and promise."""
        return ["/".join(key.split("/")[:2]) for key in self.effects(noun)]

    def calls_to(self, part: str) -> list[float]:
        return [at for at, path in self.calls if part in path]

    def _do(self, noun: str, item: dict[str, Any]) -> Done:
        key = item["key"]
        skus = _skus(item["body"])
        if "BAD" in skus:
            return Done(key=key, refused="a line can't be sold")
        unknown = [sku for sku in skus if sku.startswith("NONE-") and f"product/{sku}" not in item["refs"]]
        if unknown:
            return Done(key=key, missing=unknown[0])
        if noun in _KEYED and key in self._by_key:
            return self._by_key[key]
        prefix = "" if self.bare_ids else noun[0].upper()
        done = Done(key=key, id=f"{prefix}{next(self._ids)}" + ("\0" if "NUL" in skus else ""))
        if noun in _STATES:
            self.held[f"{item['entity']}/{noun}"] = item["body"]
        self._by_key[key] = done
        self.ledger.append(noun, key, entity=item["entity"], id=done.id, body=item["body"], refs=item["refs"])
        return done

    def snapshot(self) -> object:
        return copy.deepcopy((self.held, self._by_key, self._jobs))

    def restore(self, saved: Any) -> None:
        """Back to a snapshot; its ids go on, so that none is given twice."""
        self.held, self._by_key, self._jobs = copy.deepcopy(saved)

    async def _one(self, request: web.Request) -> web.Response:
        noun, item = request.match_info["noun"], await request.json()
        return _json(self._do(noun, item))

    async def _many(self, request: web.Request) -> web.Response:
        noun, items = request.match_info["noun"], await request.json()
        skus = {sku for item in items for sku in _skus(item["body"])}
        if "POISON" in skus and not self.cured:
            return web.Response(status=500, text="boom")
        if "REFUSED" in skus:
            return web.Response(status=400, text="one of these is not acceptable")
        plan = bulk_plan(request, self.mischief, len(items))
        done = {at: self._do(noun, item) for at, item in enumerate(items) if at in plan.done}
        if self.accepts and noun == "shipment_order":
            return _json([self._job(each) for each in done.values()])
        return _json([each for at, each in done.items() if at in plan.answered])

    def _job(self, done: Done) -> Done:
        job = f"job-{next(self._ids)}"
        self._jobs[job] = (2, done)
        return Done(key=done.key, job=job)

    async def _ask(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        left, done = self._jobs[job]
        self._jobs[job] = (left - 1, done)
        return _json(Done(key=done.key, job=job) if left > 1 else done)

    async def _find(self, request: web.Request) -> web.Response:
        """What is there by these keys, and as it was asked for."""
        bodies = {entry.key: entry.details["body"] for entry in self.ledger.entries if entry.details.get("body")}
        found = [self._by_key[key] for key in await request.json() if key in self._by_key]
        return _json([msgspec.structs.replace(done, body=bodies.get(done.key)) for done in found])

    async def _thing(self, request: web.Request) -> web.Response:
        found = self.things.get(request.match_info["id"])
        return web.Response(status=404) if found is None else _json(found)

    async def _stock(self, request: web.Request) -> web.Response:
        units = self.stock.get(request.match_info["sku"])
        return web.Response(status=404) if units is None else _json(units)

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[Target]:
        @web.middleware
        async def counted(request: web.Request, handler: Any) -> web.StreamResponse:
            self.calls.append((time.monotonic(), request.path))
            self.traces.append(request.headers.get("traceparent", ""))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            try:
                return await handler(request)
            finally:
                self._now -= 1

        app = web.Application(middlewares=[counted, mischief_middleware(self.mischief)])
        app.router.add_post("/one/{noun}", self._one)
        app.router.add_post("/many/{noun}", self._many)
        app.router.add_post("/find", self._find)
        app.router.add_get("/jobs/{job}", self._ask)
        app.router.add_get("/things/{id}", self._thing)
        app.router.add_get("/stock/{sku}", self._stock)
        control_routes(app, self.mischief, self.ledger, state=self)
        async with serving(app, port) as running:
            self.url = running.url
            yield self


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _skus(body: dict[str, Any]) -> list[str]:
    lines = body.get("order", body).get("lines", []) if isinstance(body.get("order", body), dict) else []
    return [line["sku"] for line in lines if isinstance(line, dict) and "sku" in line]


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for something to become true, looked at every 20 ms; fails when it doesn't in time."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.02)
