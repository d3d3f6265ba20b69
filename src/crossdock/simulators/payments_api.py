"""The provider's `/v1/` over HTTP: forms in, JSON out, keys kept, errors as objects.

A POST is parsed first and executed after, because only what began to execute is kept under its idempotency key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from crossdock.simulators.listing import ListMischief
from crossdock.simulators.payments_books import Books
from crossdock.simulators.payments_form import Form, Turned, invalid
from crossdock.simulators.payments_keys import Answer
from crossdock.simulators.payments_listing import expanded, listed, searched
from crossdock.simulators.payments_provider import Provider, charge_of
from crossdock.simulators.payments_shapes import Shown

Execute = Callable[[], Shown]
Parse = Callable[[Form, str, str], Execute]
"""(form, id in the path, idempotency key) -> what to execute."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DECLINED_CARD = "pm_card_visa_chargeDeclined"
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CANCEL_REASONS = (*_REASONS, "abandoned")
_RESOURCES = ("payment_intent", "charge", "refund", "dispute", "balance_transaction", "payout", "event")


class Api:
    """The endpoints. `made` hears of every refund, so that it can be settled later; `lists` says how lists lie now."""

    def __init__(
        self, provider: Provider, *, key: str, made: Callable[[Shown], None], lists: Callable[[], ListMischief]
    ) -> None:
        self._lists = lists
        self._provider = provider
        self._key = key
        self._made = made

    @property
    def _books(self) -> Books:
        return self._provider.books

    def routes(self) -> list[web.RouteDef]:
        posts: dict[str, Parse] = {
            "/v1/payment_intents": self._create,
            "/v1/payment_intents/{id}/confirm": self._confirm,
            "/v1/payment_intents/{id}/capture": self._capture,
            "/v1/payment_intents/{id}/cancel": self._cancel,
            "/v1/refunds": self._refund,
        }
        routes = [web.post(path, self._posting(parse)) for path, parse in posts.items()]
        routes.append(web.get("/v1/payment_intents/search", self._search))
        for kind in _RESOURCES:
            routes += [
                web.get(f"/v1/{kind}s", self._listing(kind)),
                web.get(f"/v1/{kind}s/{{id}}", self._showing(kind)),
            ]
        return routes

    @web.middleware
    async def answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path.startswith("/v1/"):
                self._let_in(request.headers.get("Authorization", ""))
            return await handler(request)
        except Turned as turned:
            return _json({"error": turned.error}, turned.status)
        except web.HTTPNotFound:
            told = f"Unrecognized request URL ({request.method}: {request.path})."
            return _json({"error": {"type": "invalid_request_error", "message": told}}, 404)

    def _let_in(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        if scheme == "Basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise Turned("Invalid API Key provided.", status=401)

    # ---- reading

    def _showing(self, kind: str) -> Handler:
        async def show(request: web.Request) -> web.Response:
            form = Form(request.query_string)
            return _json(expanded(self._books, self._books.get(kind, request.match_info["id"]), form.expand))

        return show

    def _listing(self, kind: str) -> Handler:
        async def show(request: web.Request) -> web.Response:
            lag = self._provider.refunding.list_lag_seconds if kind == "refund" else 0.0
            return _json(listed(self._books, kind, Form(request.query_string), self._lists(), lag_seconds=lag))

        return show

    async def _search(self, request: web.Request) -> web.Response:
        return _json(searched(self._books, Form(request.query_string)))

    # ---- writing

    def _posting(self, parse: Parse) -> Handler:
        async def post(request: web.Request) -> web.Response:
            text = (await request.read()).decode()
            form, key = Form(text), request.headers.get("Idempotency-Key", "")
            execute = parse(form, request.match_info.get("id", ""), key)
            answer = await self._books.keys.once(key, f"{request.path}?{text}", self._shown(execute, form))
            return _answered(answer)

        return post

    def _shown(self, execute: Execute, form: Form) -> Execute:
        """Executed and shown as it is then: what a key keeps doesn't change later."""
        return lambda: msgspec.json.decode(msgspec.json.encode(expanded(self._books, execute(), form.expand)))

    def _create(self, form: Form, _id: str, key: str) -> Execute:
        form.only(
            ("amount", "currency", "metadata", "capture_method", "confirm", "payment_method", "payment_method_options")
        )
        form.must("amount")
        amount, currency = form.whole("amount") or 0, form.must("currency").lower()
        if len(currency) != 3 or not currency.isalpha():
            raise invalid(f"Invalid currency: {currency}", "currency")
        manual = form.text("capture_method", among=("automatic", "automatic_async", "manual")) == "manual"
        confirm, metadata, method = form.truth("confirm", False), form.metadata, form.text("payment_method")

        def execute() -> Shown:
            made = self._provider.create(amount, currency, metadata, manual=manual)
            return self._confirmed(made, method, key) if confirm else made

        return execute

    def _confirm(self, form: Form, id_: str, key: str) -> Execute:
        form.only(("payment_method",))
        method = form.text("payment_method")
        return lambda: self._confirmed(self._intent(id_), method, key)

    def _confirmed(self, intent: Shown, method: str | None, key: str) -> Shown:
        if method == DECLINED_CARD:
            raise self._provider.decline(intent)
        return self._provider.confirm(intent, multicapture=True, key=key)

    def _capture(self, form: Form, id_: str, key: str) -> Execute:
        form.only(("amount_to_capture", "final_capture", "metadata"))
        amount, final = form.whole("amount_to_capture", least=0), form.truth("final_capture", True)
        metadata = form.metadata
        return lambda: self._provider.capture(self._intent(id_), amount, metadata, final=final, key=key)

    def _cancel(self, form: Form, id_: str, key: str) -> Execute:
        form.only(("cancellation_reason",))
        reason = form.text("cancellation_reason", among=_CANCEL_REASONS)
        return lambda: self._provider.cancel(self._intent(id_), reason, key=key)

    def _refund(self, form: Form, _id: str, key: str) -> Execute:
        form.only(("payment_intent", "charge", "amount", "metadata", "reason"))
        amount, metadata, reason = form.whole("amount"), form.metadata, form.text("reason", among=_REASONS)
        intent, charge = form.text("payment_intent"), form.text("charge")
        if not (intent or charge):
            raise invalid("One of the following params should be provided: charge, payment_intent.", "payment_intent")

        def execute() -> Shown:
            made = self._provider.refund(charge_of(self._books, intent, charge), amount, metadata, reason, key=key)
            self._made(made)
            return made

        return execute

    def _intent(self, id_: str) -> Shown:
        return self._books.get("payment_intent", id_, "intent")


def _answered(answer: Answer) -> web.Response:
    return _json(answer.body, answer.status, {"Idempotent-Replayed": "true"} if answer.replayed else {})


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers or {}
    )
