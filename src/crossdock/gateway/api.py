"""The REST API under /v1: returns, allowances, orders, audits, for who holds a key. Bare ASGI, JSON, problems by RFC 9457."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from crossdock.gateway import problems
from crossdock.gateway.audits import Audits
from crossdock.gateway.door import Oversized, Receive, Scope, Send, answer, read_body
from crossdock.gateway.operations import Asked, Operations, Request
from crossdock.gateway.problems import Problem, unknown
from crossdock.gateway.returning import AllowanceAsked, CancellationAsked, ReceiptAsked, ReturnAsked, printable
from crossdock.govern.own import API
from crossdock.govern.settings import ApiKey, Settings
from crossdock.govern.settings import Scope as Right
from crossdock.kernel.ids import digest
from crossdock.store import operations
from crossdock.store.database import Database, Transaction
from crossdock.store.operations import Operation

PREFIX = "/v1"
_JSON = b"application/json"
_KEY_CHARACTERS_MAX = 200
# An order of 10,000 lines fits in; what is longer was not made by anybody who returns goods.
_BODY_BYTES_MAX = 1024 * 1024

log = structlog.get_logger("crossdock")

Told = Callable[[Transaction, Sequence[str]], Awaitable[Sequence[Mapping[str, Any]]]]
App = Callable[[Scope, Receive, Send], Any]


class Api:
    """`told` reads what is answered for an order; `stored` is set when something waits for translation."""

    def __init__(self, settings: Settings, database: Database, told: Told, stored: asyncio.Event) -> None:
        self._keys: Mapping[str, ApiKey] = settings.api.keys
        self._database, self._told, self._stored = database, told, stored
        self._operations = Operations(database, list(settings.translators))
        self._audits = Audits(settings, database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except Problem as problem:
            await _refuse(send, problem)
        except (psycopg.OperationalError, PoolTimeout, TimeoutError) as error:
            log.error("api: no database", error=str(error))
            await _refuse(send, Problem(503, "no-database", "nothing can be stored now; ask again, with the same key"))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        client, key = self._client(headers)
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        parts = [unquote(each, errors="replace") for each in raw.split(b"?")[0].decode("latin-1").split("/")[2:]]
        if any(not part or not part.isprintable() or len(part) > _KEY_CHARACTERS_MAX for part in parts):
            raise unknown("no such thing; see docs/howto/use-the-api.md")
        match scope["method"], parts:
            case "GET", ["operations", id_]:
                await self._tell_operation(send, client, id_)
            case "GET", ["orders", order]:
                _check_right(client, key, "orders:read")
                await self._tell_order(send, order)
            case "GET", ["orders", order, ("intents" | "rebuild") as what]:
                _check_right(client, key, "audit:read")
                await self._tell_audit(send, what, order)
            case "GET", [("check" | "accounts" | "cases") as what]:
                _check_right(client, key, "audit:read")
                await self._tell_audit(send, what)
            case "POST", ["orders", order, *rest]:
                await self._take(send, client, key, order, rest, headers, await _body(receive), raw)
            case _, ["operations", _] | ["orders", _] | ["check" | "accounts" | "cases"]:
                raise Problem(405, "get-only", "this is read with GET")
            case _, ["orders", _, "returns" | "allowances"] | ["orders", _, "returns", _, _]:
                raise Problem(405, "post-only", "this is asked for with POST")
            case _:
                raise unknown("no such thing; see docs/howto/use-the-api.md")

    def _client(self, headers: Mapping[str, str]) -> tuple[str, ApiKey]:
        """Who asks: every key is compared, so that the time it takes says nothing."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        fitting = [
            (name, key) for name, key in self._keys.items() if hmac.compare_digest(given, key.key.reveal().encode())
        ]
        if scheme.lower() != "bearer" or not given or not fitting:
            raise Problem(401, "no-key", "send 'Authorization: Bearer <key>' with a key of [api.keys]", "Authorization")
        return fitting[0]

    async def _take(
        self,
        send: Send,
        client: str,
        key: ApiKey,
        order: str,
        rest: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        path: bytes,
    ) -> None:
        shape, right, rma = _route(rest)
        _check_right(client, key, right)
        asked = _decoded(body, shape)
        request = Request(
            client=client,
            key=_idempotency_key(headers),
            digest=digest(path + b"\0" + msgspec.json.encode(asked)),
            order=order,
            asked=asked,
            rma=rma,
            inspects=rest[-1] == "inspections",
        )
        done = await self._operations.perform(request)
        self._stored.set()
        where = (b"location", f"{PREFIX}/operations/{done.id}".encode())
        await answer(send, 202, _operation(done), _JSON, where)

    async def _tell_operation(self, send: Send, client: str, id_: str) -> None:
        async with self._database.transaction() as tx:
            found = await operations.operation(tx, id_, client, API)
        if found is None:
            raise unknown("no operation of yours has this id")
        await answer(send, 200, _operation(found), _JSON)

    async def _tell_order(self, send: Send, name: str) -> None:
        async with self._database.transaction() as tx:
            entity = await self._operations.entity(tx, name)
            [told] = await self._told(tx, [entity])
        await answer(send, 200, msgspec.json.encode(told), _JSON)

    async def _tell_audit(self, send: Send, what: str, order: str = "") -> None:
        entity = ""
        if order:
            async with self._database.transaction() as tx:
                entity = await self._operations.entity(tx, order)
        match what:
            case "check":
                found: Any = await self._audits.check()
            case "accounts":
                found = await self._audits.accounts()
            case "cases":
                found = await self._audits.cases()
            case "intents":
                found = await self._audits.intents(entity)
            case _:
                found = await self._audits.rebuild(entity)
        await answer(send, 200, msgspec.json.encode(found), _JSON)


def _route(rest: Sequence[str]) -> tuple[type[Asked], Right, str]:
    """What is asked for, which right it takes, and of which return."""
    match rest:
        case ["returns"]:
            return ReturnAsked, "returns:write", ""
        case ["returns", rma, "receipts" | "inspections"]:
            return ReceiptAsked, "returns:write", rma
        case ["returns", rma, "cancellation"]:
            return CancellationAsked, "returns:write", rma
        case ["allowances"]:
            return AllowanceAsked, "allowances:write", ""
        case _:
            raise unknown("no such thing; see docs/howto/use-the-api.md")


def _check_right(client: str, key: ApiKey, right: Right) -> None:
    if right not in key.scopes:
        raise Problem(403, "no-right", f"this takes the scope {right}; add it to api.keys.{client}.scopes")


def _idempotency_key(headers: Mapping[str, str]) -> str:
    key = headers.get("idempotency-key", "").strip()
    if not key or len(key) > _KEY_CHARACTERS_MAX or not key.isprintable():
        raise Problem(
            422,
            "no-idempotency-key",
            "send an Idempotency-Key of your own, the same on every repeat",
            "Idempotency-Key",
        )
    return key


async def _body(receive: Receive) -> bytes:
    try:
        return await read_body(receive, _BODY_BYTES_MAX)
    except Oversized as error:
        raise Problem(413, "too-large", f"more than {_BODY_BYTES_MAX} bytes") from error


def _decoded(body: bytes, shape: type[Asked]) -> Asked:
    try:
        asked: Asked = msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$")
        field = at.rstrip("`").lstrip(".") or "body"
        raise Problem(422, "unfit", f"{field}: {text}", field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(422, "no-json", f"body: this is not JSON: {error}", "body") from error
    for problem in printable(asked):
        raise problem
    return asked


def _operation(done: Operation) -> bytes:
    return msgspec.json.encode(
        {
            "id": done.id,
            "href": f"{PREFIX}/operations/{done.id}",
            "state": done.state,
            "reason": done.reason,
            "order": done.entity,
            "kind": done.kind,
            done.kind: done.thing,
            "asked_at": done.at,
        }
    )


async def _refuse(send: Send, problem: Problem) -> None:
    more = [(b"www-authenticate", b"Bearer")] if problem.status == 401 else []
    await answer(send, problem.status, problem.body(), problems.CONTENT_TYPE, *more)


def with_api(api: App, otherwise: App) -> App:
    """One app: the API under its prefix, everything else as before."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        await (api if path.startswith(f"{PREFIX}/") else otherwise)(scope, receive, send)

    return serve
