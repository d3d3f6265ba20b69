"""The REST API under /v1, served from its catalogue: who asks, whether they may, how often, and each change once."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog
from psycopg_pool import PoolTimeout

from crossdock.deliver.asking import Asker
from crossdock.deliver.lines import Line
from crossdock.gateway import asyncapi, problems
from crossdock.gateway.audits import Audits
from crossdock.gateway.callers import Caller, identified
from crossdock.gateway.catalogue import ROUTES
from crossdock.gateway.deprecating import check_deprecated, described, headers_of
from crossdock.gateway.door import Receive, Scope, Send, answer
from crossdock.gateway.incoming import Incoming, body_of, decoded, idempotency_key, incoming, queried, trace_of
from crossdock.gateway.problems import Problem, unknown
from crossdock.gateway.route import Call, House, Reply, Route, Told
from crossdock.gateway.seeing import Request
from crossdock.gateway.signing_in import OPEN
from crossdock.govern.settings import Settings
from crossdock.govern.traffic import Refusals
from crossdock.kernel.ids import digest, new_id
from crossdock.observe.logs import told as told_of
from crossdock.store import callers, deprecated, operations
from crossdock.store.database import LOST, Database

PREFIX = "/v1"
_JSON = b"application/json"
# Data, and never a page: not kept by anybody, not taken for something else, not framed.
_SAFE = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
)

DESCRIBED: Mapping[tuple[str, ...], Callable[[Settings], bytes]] = {
    ("v1", "openapi.json"): lambda settings: described(settings.api.deprecated),
    ("v1", "asyncapi.json"): lambda _: asyncapi.document(),
}
"""What can be asked, and what is told, for anybody who wants to know."""

log = structlog.get_logger("crossdock")

Headers = dict[str, str]
App = Callable[[Scope, Receive, Send], Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What is answered, as bytes."""

    status: int
    body: bytes
    headers: Headers


class Api:
    """`told` reads what is on record about entities; `stored` is set when something waits for translation; `secrets` sign.

    `lines` lead to the systems that can be asked.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        told: Told,
        stored: asyncio.Event,
        secrets: tuple[bytes, ...],
        lines: Mapping[str, Line] | None = None,
    ) -> None:
        check_deprecated(settings)
        self._database = database
        asker = Asker(database, lines or {})
        self._house = House(settings, told, secrets, Audits(settings, database), stored, asker)
        self._refusals = Refusals()

    async def close(self) -> None:
        """Nobody is asked any more."""
        await self._house.asker.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = {}
        seen = Request()
        try:
            asked = incoming(scope)
            headers["traceparent"] = asked.trace
            asked = replace(asked, trace=seen.followed(asked.trace, asked.headers.get("traceparent", "")))
            done = await self._serve(asked, receive, headers, seen)
            await _send(send, done.status, done.body, _JSON, _both(headers, done.headers))
            seen.answered(done.status, done.headers.get("Correlation-Id", ""))
        except Problem as problem:
            headers.setdefault("traceparent", trace_of({}))
            seen.answered(problem.status)
            await _send(send, problem.status, problem.body(), problems.CONTENT_TYPE, headers | problem.headers)
        except (*LOST, PoolTimeout, TimeoutError) as error:
            log.error("api: no database", **told_of(error), traceparent=headers.get("traceparent"))
            problem = Problem("no-database", "nothing can be stored now; ask again, with the same key")
            headers["Retry-After"] = "2"
            seen.answered(problem.status)
            await _send(send, problem.status, problem.body(), problems.CONTENT_TYPE, headers)
        except Exception as error:  # noqa: BLE001  # one request's failure is told to who asked, and ends nothing else
            log.error("api: failed", error=_where(error), traceparent=headers.get("traceparent"))
            problem = Problem("broken", "this is a fault of the hub, and in its log")
            seen.answered(problem.status)
            await _send(send, problem.status, problem.body(), problems.CONTENT_TYPE, headers)

    async def _serve(self, asked: Incoming, receive: Receive, headers: Headers, seen: Request) -> Done:
        if asked.parts in OPEN:
            seen.operation = asked.parts[-1]
            _check_method(asked.method, "POST")
            opened = OPEN[asked.parts]
            return Done(*await opened(self._database, self._house, asked.headers, await body_of(receive)))
        if asked.parts in DESCRIBED:
            _check_method(asked.method, "GET")
            return Done(200, DESCRIBED[asked.parts](self._house.settings), {})
        caller = await self._let_in(asked, headers)
        route, parts = _found(asked)
        seen.operation = route.name
        caller.check(route.right)
        await self._say_deprecated(route, caller, headers)
        if route.whole_house:
            caller.check_sees_all(self._house.settings)
        if route.asks:
            assert route.asked is not None
            asks = decoded(await body_of(receive), route.asked)
            reply = await route.perform(Call(None, self._house, caller, "", parts, asks, asked.trace))
            return Done(route.status, msgspec.json.encode(reply.body), _about(reply))
        if not route.once:
            query = queried(asked.query, route.query) if route.query else None
            async with self._database.transaction() as tx:
                reply = await route.perform(Call(tx, self._house, caller, "", parts, None, asked.trace, query=query))
            return Done(route.status, msgspec.json.encode(reply.body), _about(reply))
        key = idempotency_key(asked.headers)
        body = await body_of(receive)
        given = await self._decoded(caller, route, body) if route.asked else None
        if route.replaces and not asked.headers.get("if-match"):
            raise Problem("no-if-match", "say with If-Match which version you replace: the ETag it had", "If-Match")
        done = await self._once(route, caller, key, asked, parts, given)
        self._house.stored.set()
        return done

    async def _say_deprecated(self, route: Route, caller: Caller, headers: Headers) -> None:
        """Where it is to go, each answer says so, and it is known who asks all the same."""
        deprecation = self._house.settings.api.deprecated.get(route.name)
        if deprecation is None:
            return
        headers |= headers_of(deprecation)
        async with self._database.transaction() as tx:
            await deprecated.note(tx, route.name, caller.id)

    async def _let_in(self, asked: Incoming, headers: Headers) -> Caller:
        """Who asks, counted; in a transaction of its own, so that what is refused counts too."""
        async with self._database.transaction() as tx:
            per_minute = self._house.settings.api.person_per_minute
            caller = await identified(tx, asked.headers, self._house.secrets, per_minute)
            count, seconds = await callers.count_request(tx, caller.id)
        left = caller.per_minute - count
        headers["RateLimit-Policy"] = f'"minute";q={caller.per_minute};w=60'
        headers["RateLimit"] = f'"minute";r={max(0, left)};t={seconds}'
        if left < 0:
            detail = f"{caller.id} may send {caller.per_minute} requests a minute; the next begins in {seconds} s"
            raise Problem("too-many", detail, Retry_After=str(seconds))
        return caller

    async def _decoded(self, caller: Caller, route: Route, body: bytes) -> Any:
        """The body as the route's type; what doesn't fit is noted by the names of its fields."""
        assert route.asked is not None
        try:
            return decoded(body, route.asked)
        except Problem:
            async with self._database.transaction() as tx:
                await self._refusals.note(tx, caller.id, route.name, body, route.asked)
            raise

    async def _once(
        self, route: Route, caller: Caller, key: str, asked: Incoming, parts: Mapping[str, str], given: Any
    ) -> Done:
        """Do it, or answer what the same key was answered before; key, effect and answer are one transaction."""
        wanted = digest(asked.path + b"\0" + msgspec.json.encode(given))
        operation = operations.Claim(new_id(), caller.id, route.name, key, wanted, asked.trace)
        async with self._database.transaction() as tx:
            if not await operations.hold_key(tx, operation):
                raise Problem(
                    "in-flight", "a request with this Idempotency-Key is being done just now", Retry_After="1"
                )
            earlier = await operations.claim(tx, operation)
            if earlier is not None:
                return _again(earlier, wanted)
            version = asked.headers.get("if-match", "")
            reply = await route.perform(Call(tx, self._house, caller, operation.id, parts, given, asked.trace, version))
            encoded = msgspec.json.encode(reply.body)
            answered = operations.Earlier(operation.id, wanted, route.status, encoded, reply.tag, reply.about)
            await operations.keep_answer(tx, answered)
        return Done(route.status, encoded, _about(reply) | _location(route.status, operation.id))


def _where(error: Exception) -> str:
    """The error's type and line; its text may quote what a buyer is called."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def _found(asked: Incoming) -> tuple[Route, Mapping[str, str]]:
    """The route, and what stands in its path."""
    here = [(route, parts) for route in ROUTES if (parts := route.match(asked.parts)) is not None]
    for route, parts in here:
        if route.method == asked.method:
            return route, parts
    if not here:
        raise unknown("no such thing; GET /v1/openapi.json says what there is")
    _check_method(asked.method, *sorted({route.method for route, _ in here}))
    raise AssertionError("a route of this method was found above")


def _check_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        methods = ", ".join(allowed)
        raise Problem("wrong-method", f"{method} is not for this; {methods} is", Allow=methods)


def _again(earlier: operations.Earlier, wanted: bytes) -> Done:
    if earlier.request != wanted:
        detail = "this Idempotency-Key asked for something else; take a new one"
        raise Problem("key-reused", detail, "Idempotency-Key")
    had = _about(Reply(None, earlier.about, earlier.tag)) | _location(earlier.status, earlier.id)
    return Done(earlier.status, earlier.answer, had | {"Idempotent-Replayed": "true"})


def _location(status: int, operation: str) -> Headers:
    return {"Location": f"{PREFIX}/operations/{operation}"} if status == 202 else {}


def _about(reply: Reply) -> Headers:
    told = {"Correlation-Id": reply.about, "ETag": reply.tag, "Link": reply.link}
    return {name: value for name, value in told.items() if value}


def _both(headers: Headers, more: Headers) -> Headers:
    """A list that is to go links to its next page, and to what explains that it goes."""
    links = [each["Link"] for each in (headers, more) if "Link" in each]
    return headers | more | ({"Link": ", ".join(links)} if links else {})


async def _send(send: Send, status: int, body: bytes, kind: bytes, headers: Headers) -> None:
    more: Sequence[tuple[bytes, bytes]] = [
        (name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
    ]
    await answer(send, status, body, kind, *more, *_SAFE)


def with_api(api: App, otherwise: App) -> App:
    """One app: the API under its prefix, everything else as before."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        await (api if path.startswith(f"{PREFIX}/") else otherwise)(scope, receive, send)

    return serve
