"""A shop's tills behind Square's published API: real HTTP, seeded, hostile on order.

Its clerks work through `POST /_do/<deed>`: `sell`, `take_return`, `inspect`, `payout`, and for what buyers come for `reserve`,
`prepare`, `hand_over`, `cancel`; or through the methods of these names. Written from
Square's reference and not from the connector, so that one mistake can't hide in both.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from crossdock.kernel.ids import new_id
from crossdock.kernel.moments import Clock, system_clock
from crossdock.simulators.mischief import (
    Attempt,
    Ledger,
    ListMischief,
    Mischief,
    WebhookSender,
    control_routes,
    mischief_middleware,
)
from crossdock.simulators.pos_counter import Counter, Disposition, Handed, Json, Sold, Tender, Turned
from crossdock.simulators.pos_pickups import Changed, Pickups, Placed
from crossdock.simulators.running import Running, program_arguments, run_program, serving

T = TypeVar("T")

ACCESS_TOKEN = "EAAA-till-token"  # noqa: S105  (of a simulator)
SIGNATURE_KEY = "till-signature-key"
_PAGE_MAX = 100
_SORTED_BY = {"UPDATED_AT": "updated_at", "CREATED_AT": "created_at"}


class _Sell(msgspec.Struct, kw_only=True):
    lines: list[Sold]
    tender: Tender = "CARD"
    tax_percent: str = "0"
    reference: str | None = None


class _TakeReturn(msgspec.Struct, kw_only=True):
    lines: list[Handed]
    receipt: str | None = None
    source_order: str | None = None
    payout: int | None = None
    tender: Tender = "CASH"


class _Inspect(msgspec.Struct, kw_only=True):
    id: str
    dispositions: dict[str, Disposition]


class _Payout(msgspec.Struct, kw_only=True):
    id: str
    amount: int
    tender: Tender = "CASH"


class _Pickup(msgspec.Struct, kw_only=True):
    id: str
    units: dict[str, int] | None = None


class _Search(msgspec.Struct, kw_only=True):
    location_ids: list[str]
    limit: int = 500
    cursor: str = ""
    query: dict[str, Any] = {}


class _Retrieve(msgspec.Struct, kw_only=True):
    object_ids: list[str]


class Till:
    """The simulated shop. `hub` is the door its webhooks go to, and what they are signed with unless Square knows it as
    `notification_url`; amounts are in cents."""

    def __init__(
        self,
        hub: str | None = None,
        *,
        notification_url: str | None = None,
        access_token: str = ACCESS_TOKEN,
        signature_key: str = SIGNATURE_KEY,
        location: str = "STORE-1",
        currency: str = "USD",
        seed: int = 0,
        clock: Clock = system_clock,
    ) -> None:
        self.mischief = Mischief(seed)
        self.ledger = Ledger(clock)
        self.counter = Counter(self.ledger, clock, location=location, currency=currency, seed=seed)
        self.pickups = Pickups(self.counter, frozenset({location}))
        self.webhook_secret = f"{signature_key} {notification_url or hub or ''}"
        """As a connection's `webhook_secrets` has it."""
        self.sender = WebhookSender(hub, _sign, self.mischief, secret=self.webhook_secret.encode(), clock=clock)
        self._access_token = access_token

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[Running]:
        async with serving(self._app(), port) as running:
            yield running

    # ---- deeds

    def sell(self, lines: Sequence[Sold], tender: Tender = "CARD", **rest: Any) -> Json:
        """Sell over the counter; answers Square's order."""
        order = self.counter.sell(lines, tender, **rest)
        self._tell_order("order.created", order)
        payment = next(p for p in self.counter.payments.values() if p["order_id"] == order["id"])
        self._tell("payment.created", "payment", payment)
        self._tell("payment.updated", "payment", payment)
        return order

    def take_return(
        self,
        lines: Sequence[Handed],
        receipt: str | None = None,
        *,
        source_order: str | None = None,
        payout: int | None = None,
        tender: Tender = "CASH",
    ) -> Json:
        """Take goods back, by what was scanned, of a sale of its own or with neither; pays out at once where told to."""
        order = self.counter.take_return(lines, receipt, source_order)
        self._tell_order("order.created", order)
        if payout is not None:
            self.payout(order["id"], payout, tender)
        return order

    def inspect(self, return_id: str, dispositions: Mapping[str, Disposition]) -> Json:
        """Say what became of the goods, by line uid: "0", "1" and so on, as they were handed in."""
        order = self.counter.inspect(return_id, dispositions)
        self._tell_order("order.updated", order)
        return order

    def payout(self, return_id: str, amount: int, tender: Tender = "CASH") -> Json:
        """Pay out at the till; answers Square's refund."""
        refund = self.counter.payout(return_id, amount, tender)
        self._tell("refund.created", "refund", refund)
        self._tell_order("order.updated", self.counter.orders[return_id])
        return refund

    def reserve(self, order_id: str) -> Json:
        """Accept a pickup order."""
        return self._told(self.pickups.reserve(order_id))

    def prepare(self, order_id: str, picked: Mapping[str, int] | None = None) -> Json:
        """Lay a pickup order ready; `picked` has the units by line uid where not all of them were found."""
        return self._told(self.pickups.prepare(order_id, picked))

    def hand_over(self, order_id: str, units: Mapping[str, int] | None = None) -> Json:
        """Give what lies ready to the buyer; `units` by line uid where not all of it was taken."""
        return self._told(self.pickups.hand_over(order_id, units))

    def hand_over_anyway(self, order_id: str) -> Json:
        """Give out what had been put back to the shelf."""
        return self._told(self.pickups.hand_over_anyway(order_id))

    def cancel(self, order_id: str) -> Json:
        """Put a pickup order back to the shelf."""
        return self._told(self.pickups.cancel(order_id))

    def _told(self, order: Json) -> Json:
        self._tell_order("order.fulfillment.updated", order)
        self._tell_order("order.updated", order)
        return order

    # ---- HTTP

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[mischief_middleware(self.mischief), self._answer_problems])
        app.router.add_routes(
            [
                web.get("/v2/orders/{id}", self._show_order),
                web.put("/v2/orders/{id}", self._change_order),
                web.post("/v2/orders", self._place_order),
                web.post("/v2/orders/search", self._search_orders),
                web.get("/v2/payments", self._list_payments),
                web.get("/v2/payments/{id}", self._show_payment),
                web.get("/v2/refunds", self._list_refunds),
                web.get("/v2/refunds/{id}", self._show_refund),
                web.post("/v2/catalog/batch-retrieve", self._retrieve_catalog),
                web.post("/_do/{deed}", self._do),
            ]
        )
        control_routes(app, self.mischief, self.ledger, sender=self.sender, state=self.counter)
        return app

    @web.middleware
    async def _answer_problems(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        try:
            wanted = f"Bearer {self._access_token}"
            if request.path.startswith("/v2/") and not hmac.compare_digest(given.encode(), wanted.encode()):
                raise Turned(401, "UNAUTHORIZED", "This request could not be authorized.")
            return await handler(request)
        except Turned as turned:
            return _json({"errors": [{"code": turned.code, "detail": str(turned)}]}, turned.status)

    async def _show_order(self, request: web.Request) -> web.Response:
        return _json({"order": _known(self.counter.orders, request)})

    async def _place_order(self, request: web.Request) -> web.Response:
        order, is_new = self.pickups.place(_decoded(await request.read(), Placed))
        if is_new:
            self._tell_order("order.created", order)
        return _json({"order": order})

    async def _change_order(self, request: web.Request) -> web.Response:
        asked = _decoded(await request.read(), Changed)
        return _json({"order": self._told(self.pickups.change(request.match_info["id"], asked))})

    async def _show_payment(self, request: web.Request) -> web.Response:
        return _json({"payment": _known(self.counter.payments, request)})

    async def _show_refund(self, request: web.Request) -> web.Response:
        return _json({"refund": _known(self.counter.refunds, request)})

    async def _search_orders(self, request: web.Request) -> web.Response:
        asked = _decoded(await request.read(), _Search)
        if not 1 <= len(asked.location_ids) <= 10:
            raise Turned(400, "INVALID_VALUE", "Field must have between 1 and 10 location_ids.")
        wanted, field = asked.query.get("filter", {}), _SORTED_BY[asked.query["sort"]["sort_field"]]
        since = wanted.get("date_time_filter", {}).get(field, {}).get("start_at", "")
        types = wanted.get("fulfillment_filter", {}).get("fulfillment_types")
        there = [o for o in self.counter.orders.values() if o["location_id"] in asked.location_ids]
        there = [o for o in there if types is None or {f["type"] for f in o.get("fulfillments", ())} & set(types)]
        return _json(_page("orders", there, since, asked.cursor, asked.limit, self.mischief.lists, field))

    async def _list_payments(self, request: web.Request) -> web.Response:
        return _json(_asked_page("payments", list(self.counter.payments.values()), request, self.mischief.lists))

    async def _list_refunds(self, request: web.Request) -> web.Response:
        return _json(_asked_page("refunds", list(self.counter.refunds.values()), request, self.mischief.lists))

    async def _retrieve_catalog(self, request: web.Request) -> web.Response:
        asked = _decoded(await request.read(), _Retrieve).object_ids
        found = [(each, self.counter.skus[each]) for each in asked if each in self.counter.skus]
        return _json(
            {"objects": [{"type": "ITEM_VARIATION", "id": id_, "item_variation_data": {"sku": s}} for id_, s in found]}
        )

    async def _do(self, request: web.Request) -> web.Response:
        body = await request.read()
        match request.match_info["deed"]:
            case "sell":
                done = self.sell(**_given(body, _Sell))
            case "take_return":
                done = self.take_return(**_given(body, _TakeReturn))
            case "inspect":
                task = _decoded(body, _Inspect)
                done = self.inspect(task.id, task.dispositions)
            case "payout":
                paid = _decoded(body, _Payout)
                done = self.payout(paid.id, paid.amount, paid.tender)
            case "reserve" | "prepare" | "hand_over" | "cancel" as deed:
                done = self._do_pickup(deed, _decoded(body, _Pickup))
            case other:
                raise Turned(404, "NOT_FOUND", f"nobody at the counter does {other}")
        return _json(done)

    def _do_pickup(self, deed: str, task: _Pickup) -> Json:
        match deed:
            case "prepare":
                return self.prepare(task.id, task.units)
            case "hand_over":
                return self.hand_over(task.id, task.units)
            case "reserve":
                return self.reserve(task.id)
            case _:
                return self.cancel(task.id)

    # ---- webhooks

    def _tell_order(self, topic: str, order: Json) -> None:
        """Square tells which order changed, and not how."""
        told = {key: order[key] for key in ("version", "location_id", "state", "created_at", "updated_at")}
        name = topic.replace(".", "_")
        self._send(topic, "order", order["id"], {name: {"order_id": order["id"], **told}})

    def _tell(self, topic: str, kind: str, thing: Json) -> None:
        self._send(topic, kind, thing["id"], {kind: thing})

    def _send(self, topic: str, kind: str, id_: str, held: Json) -> None:
        event_id = new_id()
        event: Json = {
            "merchant_id": "MERCHANT",
            "type": topic,
            "event_id": event_id,
            "data": {"type": kind, "id": id_},
        }
        event["data"]["object"] = held
        self.sender.send(topic, msgspec.json.encode(event), message_id=event_id)


def _given(body: bytes, shape: type[msgspec.Struct]) -> dict[str, Any]:
    return msgspec.structs.asdict(_decoded(body, shape))


def _known(things: Mapping[str, Json], request: web.Request) -> Json:
    found = things.get(request.match_info["id"])
    if found is None:
        raise Turned(404, "NOT_FOUND", f"could not find {request.match_info['id']}")
    return found


def _asked_page(name: str, things: list[Json], request: web.Request, lists: ListMischief) -> Json:
    query = request.query
    limit = int(query.get("limit", "100"))
    return _page(name, things, query.get("updated_at_begin_time", ""), query.get("cursor", ""), limit, lists)


def _page(
    name: str,
    things: list[Json],
    since: str,
    cursor: str,
    limit: int,
    lists: ListMischief,
    field: str = "updated_at",
) -> Json:
    """By the last change; a cursor is the place of the last item shown."""
    since = since.replace("+00:00", "Z")
    after: list[str] = json.loads(base64.urlsafe_b64decode(cursor)) if cursor else ["", ""]
    there = sorted((t[field], t["id"]) for t in things if t[field] >= since)
    there = lists.shown(name, there, limit, lambda place: place[1])
    left = [place for place in there if list(place) > after]
    by_id = {thing["id"]: thing for thing in things}
    shown = left[: min(limit, _PAGE_MAX)]
    more = len(left) > len(shown) and not lists.ends(name, len(there) - len(left) + len(shown))
    next_ = {"cursor": base64.urlsafe_b64encode(json.dumps(shown[-1]).encode()).decode()} if more else {}
    return {name: [by_id[id_] for _, id_ in shown]} | next_


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Turned(400, "BAD_REQUEST", str(error)) from error


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _sign(attempt: Attempt, secret: bytes) -> Mapping[str, str]:
    """Base64 of the HMAC-SHA256 of the notification URL and the body; the secret holds the key and that URL."""
    key, _, url = secret.partition(b" ")
    signature = base64.b64encode(hmac.digest(key, url + attempt.message.body, hashlib.sha256)).decode()
    retried = {"square-retry-number": str(attempt.number)} if attempt.number else {}
    return {"Content-Type": "application/json", "x-square-hmacsha256-signature": signature} | retried


def main() -> None:
    """Run the till as a program."""
    parser = program_arguments("A simulated shop's tills behind Square's API.")
    parser.add_argument("--access-token", default=ACCESS_TOKEN)
    parser.add_argument("--signature-key", default=SIGNATURE_KEY, help="signs its webhooks, with their address")
    parser.add_argument("--location", default="STORE-1")
    given = parser.parse_args()
    till = Till(
        given.hub,
        access_token=given.access_token,
        signature_key=given.signature_key,
        location=given.location,
        seed=given.seed,
    )
    run_program(lambda: till.serve(given.port), stop_with_stdin=given.stop_with_stdin)


if __name__ == "__main__":
    main()
