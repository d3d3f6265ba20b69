"""A warehouse that speaks the neutral API (`connectors/wms/api.md`): real HTTP, seeded, hostile on order.

Its floor is worked through `POST /_do/pick`, `/_do/ship` and `/_do/deliver`, or by itself in auto mode. Written from the API's
document and not from the connector, so that one mistake can't hide in both.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web

from crossdock.kernel.moments import Clock, system_clock
from crossdock.simulators.mischief import (
    Attempt,
    Ledger,
    Mischief,
    WebhookSender,
    bulk_plan,
    control_routes,
    mischief_middleware,
)
from crossdock.simulators.running import Running, program_arguments, run_program, serving
from crossdock.simulators.warehouse_floor import Address, Floor, LineUnits, Order, OrderRequest, Text, Turned

T = TypeVar("T")

_BULK_ITEMS_MAX = 100
_PAGE_ITEMS_MAX = 500
_BODY_BYTES_MAX = 16 * 1024 * 1024
API_KEY = "warehouse-key"
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"the warehouse's own secret").decode()


class _Bulk(msgspec.Struct):
    items: list[msgspec.Raw]


class _Lines(msgspec.Struct):
    lines: list[LineUnits]


class _Units(msgspec.Struct):
    line: str
    units: Annotated[int, msgspec.Meta(ge=1)]


class _Task(msgspec.Struct, kw_only=True):
    """Work for the floor; without lines all that is left of the order."""

    reference: str
    location: str = "MAIN"
    lines: list[_Units] | None = None
    carrier: str = "Parcel Post"
    force: bool = False


class _Counted(msgspec.Struct):
    """So many are there."""

    sku: Text
    units: Annotated[int, msgspec.Meta(ge=0)]
    location: str = "MAIN"


class _Named(msgspec.Struct):
    reference: Text


class _Unknown(msgspec.Struct):
    unknown: frozenset[str]


class Warehouse:
    """The simulated warehouse. `hub` is the door its webhooks go to; times to act by itself are in milliseconds.

    `accept_after_ms` None decides on an order in the answer itself; otherwise it is received first and decided on later.
    `auto_ship_after_ms` ships all of an order that long after accepting it.
    """

    def __init__(
        self,
        hub: str | None = None,
        *,
        api_key: str = API_KEY,
        secret: str = WEBHOOK_SECRET,
        seed: int = 0,
        locations: Sequence[str] = ("MAIN", "EAST"),
        unknown_skus: Collection[str] = (),
        accept_after_ms: int | None = None,
        auto_ship_after_ms: int | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.mischief = Mischief(seed)
        self.ledger = Ledger(clock)
        self.floor = Floor(self.ledger, clock, locations=locations, seed=seed)
        self.floor.unknown_skus = frozenset(unknown_skus)
        self.sender = WebhookSender(hub, _sign, self.mischief, secret=secret.encode(), clock=clock)
        self._api_key = api_key
        self._accept_after_ms = accept_after_ms
        self._auto_ship_after_ms = auto_ship_after_ms
        self._first_location = locations[0]

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[Running]:
        async with serving(self._app(), port) as running:
            yield running

    def _app(self) -> web.Application:
        app = web.Application(
            middlewares=[mischief_middleware(self.mischief), self._answer_problems], client_max_size=_BODY_BYTES_MAX
        )
        app.router.add_routes(
            [
                web.post("/v1/shipment-orders", self._order),
                web.post("/v1/shipment-orders/bulk", self._order_many),
                web.get("/v1/shipment-orders", self._search_orders),
                web.get("/v1/shipment-orders/{id}", self._show_order),
                web.put("/v1/shipment-orders/{id}/ship-to", self._redirect),
                web.put("/v1/shipment-orders/{id}/lines", self._set_lines),
                web.get("/v1/shipments", self._list_shipments),
                web.get("/v1/shipments/{id}", self._show_shipment),
                web.get("/v1/stock", self._show_stock),
                web.post("/_do/count", self._do_count),
                web.post("/_do/pick", self._do_pick),
                web.post("/_do/ship", self._do_ship),
                web.post("/_do/deliver", self._do_deliver),
                web.post("/_do/decide", self._do_decide),
                web.post("/_do/skus", self._do_skus),
            ]
        )
        control_routes(app, self.mischief, self.ledger, sender=self.sender, state=self.floor)
        return app

    @web.middleware
    async def _answer_problems(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("X-Api-Key", "")
        try:
            if request.path.startswith("/v1/") and not hmac.compare_digest(given.encode(), self._api_key.encode()):
                raise Turned(401, "unauthorised", "no such API key")
            return await handler(request)
        except Turned as turned:
            return _json(turned.problem, turned.status)

    # ---- shipment orders

    async def _order(self, request: web.Request) -> web.Response:
        status, order = self._take_in(_decoded(await request.read(), OrderRequest))
        return _json(order.shown(), status)

    async def _order_many(self, request: web.Request) -> web.Response:
        items = _decoded(await request.read(), _Bulk).items
        if len(items) > _BULK_ITEMS_MAX:
            raise Turned(422, "too_many", f"at most {_BULK_ITEMS_MAX} items, not {len(items)}")
        plan = bulk_plan(request, self.mischief, len(items))
        answers = {at: self._item(at, items[at]) for at in sorted(plan.done)}
        return _json({"items": [answers[at] for at in sorted(plan.answered)]}, 207)

    def _item(self, index: int, raw: msgspec.Raw) -> dict[str, Any]:
        """One item of a bulk request, answered by itself."""
        named = {"index": index, "reference": _reference(raw)}
        try:
            status, order = self._take_in(_decoded(raw, OrderRequest))
        except Turned as turned:
            return {**named, "status": turned.status, "problem": turned.problem}
        return {**named, "status": status, "shipment_order": order.shown()}

    def _take_in(self, asked: OrderRequest) -> tuple[int, Order]:
        at_once = self._accept_after_ms is None
        order, new = self.floor.take_in(asked, check=at_once)
        if not new:
            return 200, order
        if self._accept_after_ms is None:
            self._decided(order)
            return 201, order
        self.mischief.later(self._accept_after_ms / 1000, functools.partial(self._decide, order.id))
        return 202, order

    async def _decide(self, order_id: str) -> None:
        order = self.floor.orders.get(order_id)
        if order is not None and order.status == "received":
            self.floor.decide(order)
            self._decided(order)

    def _decided(self, order: Order) -> None:
        self._tell(f"shipment_order.{order.status}", order.shown())
        if order.status == "accepted" and self._auto_ship_after_ms is not None:
            self.mischief.later(self._auto_ship_after_ms / 1000, functools.partial(self._auto_ship, order.id))

    async def _auto_ship(self, order_id: str) -> None:
        order = self.floor.orders.get(order_id)
        if order is not None and order.status == "accepted" and not order.all_picked():
            self._ship(_Task(reference=order.asked.reference, location=self._first_location))

    async def _search_orders(self, request: web.Request) -> web.Response:
        found = [self.floor.by_reference(reference) for reference in request.query.getall("reference", [])]
        return _json({"items": [order.shown() for order in found if order is not None]})

    async def _show_stock(self, request: web.Request) -> web.Response:
        return _json({"items": self.floor.stock(request.query.get("sku", ""))})

    async def _do_count(self, request: web.Request) -> web.Response:
        counted = _decoded(await request.read(), _Counted)
        self.floor.count(counted.sku, counted.location, counted.units)
        return _json({"items": self.floor.stock(counted.sku)})

    async def _show_order(self, request: web.Request) -> web.Response:
        return _json(self._known(request).shown())

    async def _redirect(self, request: web.Request) -> web.Response:
        order = self._known(request)
        if self.floor.redirect(order, _decoded(await request.read(), Address)):
            self._tell("shipment_order.ship_to_changed", order.shown())
        return _json(order.shown())

    async def _set_lines(self, request: web.Request) -> web.Response:
        order = self._known(request)
        before = order.lines
        held = self.floor.set_lines(order, _decoded(await request.read(), _Lines).lines)
        if order.lines != before:
            self._tell("shipment_order.lines_changed", order.shown())
        return _json({**order.shown(), "held": [{"line": line, "units": units} for line, units in held.items()]})

    def _known(self, request: web.Request) -> Order:
        order = self.floor.orders.get(request.match_info["id"])
        if order is None:
            raise Turned(404, "not_found", "no such shipment order")
        return order

    # ---- shipments

    async def _list_shipments(self, request: web.Request) -> web.Response:
        since, limit = _number(request, "since", 0), _number(request, "limit", 100)
        limit = max(1, min(limit, _PAGE_ITEMS_MAX))
        left = list(self.floor.shipments.values())  # in the order of their changes, so by sequence
        parcels = self.mischief.lists.shown("shipment", left, limit, lambda parcel: parcel["id"])
        start = bisect_right(parcels, since, key=lambda parcel: parcel["sequence"])
        page = parcels[start : start + limit]
        cursor = page[-1]["sequence"] if page else since
        more = start + limit < len(parcels) and not self.mischief.lists.ends("shipment", start + len(page))
        return _json({"items": page, "cursor": str(cursor), "more": more})

    async def _show_shipment(self, request: web.Request) -> web.Response:
        parcel = self.floor.shipments.get(request.match_info["id"])
        if parcel is None:
            raise Turned(404, "not_found", "no such shipment")
        return _json(parcel)

    # ---- the floor

    async def _do_pick(self, request: web.Request) -> web.Response:
        task = _decoded(await request.read(), _Task)
        order = self._ordered(task.reference)
        self.floor.pick(order, task.location, _units(task, order), force=task.force)
        return _json(order.shown())

    async def _do_ship(self, request: web.Request) -> web.Response:
        return _json(self._ship(_decoded(await request.read(), _Task)), 201)

    async def _do_deliver(self, request: web.Request) -> web.Response:
        arrived = self.floor.deliver(_decoded(await request.read(), _Named).reference)
        for parcel in arrived:
            self._tell("shipment.delivered", parcel)
        return _json({"items": arrived})

    async def _do_decide(self, request: web.Request) -> web.Response:
        order = self._ordered(_decoded(await request.read(), _Named).reference)
        await self._decide(order.id)
        return _json(order.shown())

    async def _do_skus(self, request: web.Request) -> web.Response:
        self.floor.unknown_skus = _decoded(await request.read(), _Unknown).unknown
        return web.Response(status=204)

    def _ship(self, task: _Task) -> dict[str, Any]:
        order = self._ordered(task.reference)
        parcel = self.floor.ship(order, task.location, _units(task, order), task.carrier, force=task.force)
        self._tell("shipment.shipped", parcel)
        return parcel

    def _ordered(self, reference: str) -> Order:
        order = self.floor.by_reference(reference)
        if order is None:
            raise Turned(404, "not_found", f"no shipment order {reference}")
        return order

    def _tell(self, topic: str, data: Mapping[str, Any]) -> None:
        told = {"type": topic, "sequence": data["sequence"], "occurred_at": self.floor.now(), "data": data}
        self.sender.send(topic, msgspec.json.encode(told))


def _units(task: _Task, order: Order) -> dict[str, int]:
    """What to work on: the task's lines, or everything that has not left."""
    if task.lines is not None:
        wanted = Counter[str]()
        for line in task.lines:
            wanted[line.line] += line.units
        return dict(wanted)
    left = {line.line: line.units - order.shipped[line.line] for line in order.lines}
    return {line: units for line, units in left.items() if units > 0}


def _decoded(body: bytes | msgspec.Raw, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _, _, path = str(error).partition(" - at `$.")
        where = {"field": path.rstrip("`")} if path else {}
        raise Turned(422, "invalid", str(error), **where) from error


def _reference(raw: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=_Named).reference
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _number(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, "")
    if given and not given.isdecimal():
        raise Turned(422, "invalid", f"{name} is no number", field=name)
    return int(given or default)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _sign(attempt: Attempt, secret: bytes) -> Mapping[str, str]:
    """Standard Webhooks: HMAC-SHA256 over id, this attempt's time and the body."""
    key = base64.b64decode(secret.removeprefix(b"whsec_")) if secret.startswith(b"whsec_") else secret
    timestamp = str(int(attempt.at.timestamp()))
    signed = f"{attempt.message.id}.{timestamp}.".encode() + attempt.message.body
    return {
        "Content-Type": "application/json",
        "webhook-id": attempt.message.id,
        "webhook-timestamp": timestamp,
        "webhook-topic": attempt.message.topic,
        "webhook-signature": "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode(),
    }


def main() -> None:
    """Run the warehouse as a program."""
    parser = program_arguments("A simulated warehouse that speaks the neutral WMS API.")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--secret", default=WEBHOOK_SECRET, help="signs its webhooks")
    parser.add_argument("--accept-after-ms", type=int, help="decide on orders that much later")
    parser.add_argument("--auto-ship-after-ms", type=int, help="ship every order by itself")
    given = parser.parse_args()
    warehouse = Warehouse(
        given.hub,
        api_key=given.api_key,
        secret=given.secret,
        seed=given.seed,
        accept_after_ms=given.accept_after_ms,
        auto_ship_after_ms=given.auto_ship_after_ms,
    )
    run_program(lambda: warehouse.serve(given.port), stop_with_stdin=given.stop_with_stdin)


if __name__ == "__main__":
    main()
