"""A payment provider on Stripe's wire format: real HTTP, seeded, hostile on order, with a ledger that tells the truth.

What people do goes through `POST /_do/<deed>`; how keys, refunds and rates of exchange behave is set at `/_control/keys`,
`/_control/refunds` and `/_control/exchange`.
Written from the provider's documentation and not from the connector, so that one mistake can't hide in both.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web

from crossdock.kernel.moments import Clock, system_clock
from crossdock.simulators.mischief import (
    Attempt,
    Ledger,
    Mischief,
    WebhookSender,
    control_routes,
    mischief_middleware,
)
from crossdock.simulators.payments_api import Api
from crossdock.simulators.payments_books import Books, Exchange
from crossdock.simulators.payments_form import Turned
from crossdock.simulators.payments_keys import KeySettings
from crossdock.simulators.payments_provider import HOLD_SECONDS, Provider, RefundSettings
from crossdock.simulators.payments_shapes import Shown
from crossdock.simulators.running import Running, program_arguments, run_program, serving
from crossdock.simulators.webhooks import RETRY_SECONDS

T = TypeVar("T")
Cents = Annotated[int, msgspec.Meta(ge=1)]

API_KEY = "sk_test_simulated_provider"
WEBHOOK_SECRET = "whsec_simulated_provider"  # noqa: S105  (signs what a simulator says)


class _Deed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which payment: by the order in its metadata (the newest of several), or by its id."""

    order: str = ""
    payment_intent: str = ""


class Pay(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a customer pays for an order at the checkout; minor units."""

    order: str
    amount: Cents
    currency: str = "usd"
    capture_method: Literal["automatic", "manual"] = "automatic"
    multicapture: bool = True
    expires_after_seconds: float | None = None
    declined: bool = False


class _Capture(_Deed, kw_only=True):
    amount: Cents | None = None
    final: bool = True


class _Refund(_Deed, kw_only=True):
    amount: Cents | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None


class _SettleRefund(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    refund: str
    outcome: Literal["succeeded", "failed"] = "succeeded"
    reason: str = "declined"


class _OpenDispute(_Deed, kw_only=True):
    amount: Cents | None = None
    reason: str = "fraudulent"
    inquiry: bool = False


class _CloseDispute(_Deed, kw_only=True):
    won: bool
    dispute: str = ""


class _Payout(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    currency: str = "usd"
    fee: Annotated[int, msgspec.Meta(ge=0)] = 0


class Payments:
    """The simulated provider. `hub` is the door its webhooks go to."""

    def __init__(
        self,
        hub: str | None = None,
        *,
        api_key: str = API_KEY,
        secret: str = WEBHOOK_SECRET,
        seed: int = 0,
        clock: Clock = system_clock,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self.mischief = Mischief(seed)
        self.ledger = Ledger(clock)
        self.sender = WebhookSender(
            hub, _sign, self.mischief, secret=secret.encode(), clock=clock, retry_seconds=retry_seconds
        )
        self.books = Books(self.ledger, clock, self._tell, seed=seed)
        self.provider = Provider(self.books)
        self._api = Api(self.provider, key=api_key, made=self._settle_later, lists=lambda: self.mischief.lists)

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncGenerator[Running]:
        async with serving(self.app(), port) as running:
            yield running

    def app(self) -> web.Application:
        app = web.Application(middlewares=[mischief_middleware(self.mischief), self._api.answer_errors])
        app.router.add_routes(self._api.routes())
        deeds: dict[str, web.RouteDef] = {
            "pay": _door("pay", Pay, self.pay),
            "capture": _door("capture", _Capture, self.clerk_capture),
            "cancel": _door("cancel", _Deed, self.clerk_cancel),
            "expire": _door("expire", _Deed, self.expire),
            "clerk_refund": _door("clerk_refund", _Refund, self.clerk_refund),
            "settle_refund": _door("settle_refund", _SettleRefund, self.settle_refund),
            "open_dispute": _door("open_dispute", _OpenDispute, self.open_dispute),
            "close_dispute": _door("close_dispute", _CloseDispute, self.close_dispute),
            "payout": _door("payout", _Payout, self.payout),
        }
        app.router.add_routes(deeds.values())
        app.router.add_post("/_control/keys", self._set_keys)
        app.router.add_post("/_control/refunds", self._set_refunds)
        app.router.add_post("/_control/exchange", self._set_exchange)
        control_routes(app, self.mischief, self.ledger, sender=self.sender, state=self.books)
        return app

    def _tell(self, event: Shown) -> None:
        self.sender.send(event["type"], msgspec.json.encode(event), message_id=event["id"])

    # ---- what people do

    def pay(self, deed: Pay) -> Shown:
        """A customer pays for an order at the checkout."""
        manual = deed.capture_method == "manual"
        made = self.provider.create(deed.amount, deed.currency, {"order": deed.order}, manual=manual)
        if deed.declined:
            self.provider.decline(made)
            return made
        seconds = deed.expires_after_seconds
        hold = HOLD_SECONDS if seconds is None else int(seconds)
        self.provider.confirm(made, multicapture=deed.multicapture, hold_seconds=hold)
        if manual and seconds is not None:
            self.mischief.later(seconds, functools.partial(self._expire_later, made["id"]))
        return made

    def clerk_capture(self, deed: _Capture) -> Shown:
        return self.provider.capture(self._intent(deed), deed.amount, {}, final=deed.final)

    def clerk_cancel(self, deed: _Deed) -> Shown:
        return self.provider.cancel(self._intent(deed), "requested_by_customer")

    def expire(self, deed: _Deed) -> Shown:
        """The hold on the card runs out now."""
        return self.provider.expire(self._intent(deed))

    def clerk_refund(self, deed: _Refund) -> Shown:
        """By hand in the dashboard: with no reference of anybody's."""
        made = self.provider.refund(self._charge(deed), deed.amount, {}, deed.reason)
        self._settle_later(made)
        return made

    def settle_refund(self, deed: _SettleRefund) -> Shown:
        return self.provider.settle_refund(self.books.get("refund", deed.refund), deed.outcome, deed.reason)

    def open_dispute(self, deed: _OpenDispute) -> Shown:
        return self.provider.open_dispute(self._charge(deed), deed.amount, deed.reason, inquiry=deed.inquiry)

    def close_dispute(self, deed: _CloseDispute) -> Shown:
        if deed.dispute:
            return self.provider.close_dispute(self.books.get("dispute", deed.dispute), won=deed.won)
        charge = self._charge(deed)
        of_it = [dispute for dispute in self.books.all("dispute") if dispute["charge"] == charge["id"]]
        if not of_it:
            raise Turned("No dispute of this charge.", status=404, code="resource_missing")
        return self.provider.close_dispute(of_it[-1], won=deed.won)

    def payout(self, deed: _Payout) -> Shown:
        return self.provider.pay_out(deed.currency, deed.fee)

    def _intent(self, deed: _Deed) -> Shown:
        if deed.payment_intent:
            return self.books.get("payment_intent", deed.payment_intent)
        paid = [each for each in self.books.all("payment_intent") if each["metadata"].get("order") == deed.order]
        if not paid:
            raise Turned(f"No payment for order {deed.order!r}.", status=404, code="resource_missing", param="order")
        return paid[-1]

    def _charge(self, deed: _Deed) -> Shown:
        return self.books.get("charge", str(self._intent(deed)["latest_charge"]))

    # ---- what happens later

    def _settle_later(self, refund: Shown) -> None:
        seconds = self.provider.refunding.settle_after_seconds
        if refund["status"] == "pending" and (seconds is None or seconds >= 0):
            self.mischief.later(seconds or 0.0, functools.partial(self._settle, refund["id"]))

    async def _settle(self, refund_id: str) -> None:
        self.provider.settle_refund(self.books.get("refund", refund_id), self.provider.refunding.outcome)

    async def _expire_later(self, intent_id: str) -> None:
        self.provider.expire(self.books.get("payment_intent", intent_id))

    # ---- how it behaves

    async def _set_keys(self, request: web.Request) -> web.Response:
        self.books.keys.settings = _decoded(await request.read(), KeySettings)
        return web.Response(status=204)

    async def _set_exchange(self, request: web.Request) -> web.Response:
        self.books.exchange = _decoded(await request.read(), Exchange)
        return web.Response(status=204)

    async def _set_refunds(self, request: web.Request) -> web.Response:
        self.provider.refunding = _decoded(await request.read(), RefundSettings)
        return web.Response(status=204)


def _door(name: str, shape: type[T], deed: Callable[[T], Shown]) -> web.RouteDef:
    """A deed over HTTP: its fields are the JSON body, the object it changed is the answer."""

    async def done(request: web.Request) -> web.Response:
        changed = deed(_decoded(await request.read(), shape))
        return web.Response(body=msgspec.json.encode(changed), content_type="application/json")

    handler: Callable[[web.Request], Awaitable[web.Response]] = done
    return web.post(f"/_do/{name}", handler)


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.DecodeError as error:
        raise Turned(str(error), status=422, began=False) from error


def _sign(attempt: Attempt, secret: bytes) -> Mapping[str, str]:
    """`t` is this attempt's time: retries are signed anew."""
    timestamp = str(int(attempt.at.timestamp()))
    signed = timestamp.encode() + b"." + attempt.message.body
    signature = hmac.new(secret, signed, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={timestamp},v1={signature}"}


def main() -> None:
    """Run the provider as a program."""
    parser = program_arguments("A simulated payment provider on Stripe's wire format.")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--secret", default=WEBHOOK_SECRET, help="signs its webhooks")
    given: Any = parser.parse_args()
    provider = Payments(given.hub, api_key=given.api_key, secret=given.secret, seed=given.seed)
    run_program(lambda: provider.serve(given.port), stop_with_stdin=given.stop_with_stdin)


if __name__ == "__main__":
    main()
