"""A Shopify-shaped shop over real HTTP: trades, sends signed webhooks, answers Admin GraphQL, and keeps a true ledger.

Run it with `python -m crossdock.simulators.shop --hub http://127.0.0.1:8080/in/shop`.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_type_hints
from uuid import NAMESPACE_URL, uuid4, uuid5

import msgspec
from aiohttp import web

from crossdock.kernel.moments import Clock, system_clock
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.mischief import Mischief, control_routes, mischief_middleware
from crossdock.simulators.running import Running, program_arguments, run_program, serving
from crossdock.simulators.shop_endpoint import Bucket, Endpoint, operation_name
from crossdock.simulators.shop_prices import Json
from crossdock.simulators.shop_returns import Returns
from crossdock.simulators.shop_signing import webhook_headers
from crossdock.simulators.shop_state import NotPossible, World
from crossdock.simulators.webhooks import RETRY_SECONDS, Attempt, WebhookSender

TOKEN = "shpat_simulated"  # noqa: S105  (the simulator's own, worth nothing)
SECRET = "simulated-client-secret"  # noqa: S105
ACTIONS = (
    "add_location add_product create_customer update_customer delete_customer place_order pay_order edit_address "
    "edit_order add_line remove_line set_quantity change_price add_discount cancel_units cancel_order delete_order "
    "fulfil_by_hand cancel_fulfilment refund_by_hand request_return approve_return decline_return cancel_return "
    "receive_return close_return remove_from_return"
).split()


class Shop(Returns):
    """One shop. What people do in it are methods, and `POST /_do/<method>` with the arguments as JSON."""

    def __init__(
        self,
        hub: str | None = None,
        *,
        token: str = TOKEN,
        secret: str = SECRET,
        seed: int = 0,
        clock: Clock = system_clock,
        currency: str = "USD",
        points_max: float = 2000,
        points_per_second: float = 100,
        throttled_status: int = 200,
        event_ids: bool = True,
        stable_webhook_ids: bool = False,
        tells_transactions: bool = False,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.tells_transactions = tells_transactions
        self.mischief = Mischief(seed)
        self._event_ids = event_ids
        self._stable_webhook_ids = stable_webhook_ids
        self.sender = WebhookSender(
            hub, self._sign, self.mischief, secret=secret.encode(), clock=clock, retry_seconds=retry_seconds
        )
        super().__init__(World(currency=currency), Ledger(clock), self._send, clock, seed)
        bucket = Bucket(points_max, points_per_second)
        self.endpoint = Endpoint(self, self.mischief, bucket, token=token, throttled_status=throttled_status)
        self.add_location("Main warehouse")

    def snapshot(self) -> World:
        return copy.deepcopy(self.world)

    def restore(self, saved: World) -> None:
        """Back to a snapshot; ids and order numbers go on, so that none is given twice."""
        given = self.world.given_ids
        self.world = copy.deepcopy(saved)
        self.world.given_ids = given

    def app(self) -> web.Application:
        app = web.Application(
            middlewares=[mischief_middleware(self.mischief, operation_name)], client_max_size=10 * 1024 * 1024
        )
        app.router.add_post("/admin/api/{version}/graphql.json", self.endpoint.answer)
        for name in ACTIONS:
            app.router.add_post(f"/_do/{name}", _door_to(getattr(self, name)))
        control_routes(app, self.mischief, self.ledger, sender=self.sender, state=self)
        return app

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[Running]:
        async with serving(self.app(), port) as running:
            yield running

    def _send(self, topic: str, body: Json, event: str) -> None:
        self.sender.send(topic, msgspec.json.encode(body), message_id=event)

    def _sign(self, attempt: Attempt, secret: bytes) -> dict[str, str]:
        """Sources disagree whether the webhook id survives a retry; the event id does, where there is one."""
        message = attempt.message
        stable = uuid5(NAMESPACE_URL, f"{message.id}/{message.topic}/{attempt.copy}")
        return webhook_headers(
            topic=message.topic,
            body=message.body,
            secret=secret,
            webhook_id=str(stable if self._stable_webhook_ids else uuid4()),
            event_id=message.id if self._event_ids else None,
            triggered_at=message.made_at,
        )


def _door_to(action: Callable[..., Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The action over HTTP: its parameters are the fields of the JSON body, its result is the answer."""
    hints = get_type_hints(action)
    fields = [
        (name, hints[name]) if each.default is inspect.Parameter.empty else (name, hints[name], each.default)
        for name, each in inspect.signature(action).parameters.items()
    ]
    arguments = msgspec.defstruct(action.__name__, fields, kw_only=True, forbid_unknown_fields=True)

    async def done(request: web.Request) -> web.Response:
        try:
            given = msgspec.json.decode(await request.read() or b"{}", type=arguments)
            result = action(**{name: getattr(given, name) for name in hints if name != "return"})
        except (msgspec.DecodeError, NotPossible, ValueError) as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        return web.Response(body=msgspec.json.encode(result), content_type="application/json")

    return done


def main() -> None:
    parser = program_arguments("A Shopify-shaped shop.")
    parser.add_argument("--token", default=TOKEN, help="the access token its API demands")
    parser.add_argument("--secret", default=SECRET, help="what its webhooks are signed with")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--points-per-second", type=float, default=100)
    given = parser.parse_args()
    shop = Shop(
        given.hub,
        token=given.token,
        secret=given.secret,
        seed=given.seed,
        currency=given.currency,
        points_per_second=given.points_per_second,
        points_max=20 * given.points_per_second,
    )
    run_program(lambda: shop.serve(given.port), stop_with_stdin=given.stop_with_stdin)


if __name__ == "__main__":
    main()
