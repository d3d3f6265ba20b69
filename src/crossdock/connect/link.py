"""A connector's line to its system: one pooled HTTP client whose failures are already classified."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection

from crossdock.connect.outward import refusal_in
from crossdock.kernel.faults import Fault, Refused, Rejected, Throttled, Transient, Unknown

S_co = TypeVar("S_co", covariant=True)
T = TypeVar("T")

Guard = Callable[[], None]
"""Raises when this process may no longer call: its lease on the work has run out."""
Spend = Callable[[int], Awaitable[None]]
"""Waits until the connection's call budget, shared by all processes, allows this many points."""

_BODY_BYTES_MAX = 64 * 1024 * 1024
_RETRY_AFTER_SECONDS_DEFAULT = 2.0


class Answer(msgspec.Struct, frozen=True):
    """What the target answered: a status below 400, or a 4xx that only the connector can read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    safe: bool = False
    """The request only read, so an answer that can't be read leaves no doubt about what happened: nothing."""

    @property
    def ok(self) -> bool:
        return self.status < 300

    def json(self) -> Any:
        """The body as plain JSON; `Unknown` (after a read: `Transient`) when it is none."""
        return self.decode(object)

    def decode(self, shape: type[T]) -> T:
        """The body as a wire type; `Unknown` (after a read: `Transient`) when it doesn't fit."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # msgspec lets Python's own two out
            raise _unreadable(self, error) from error

    def rejected(self, field: str | None = None) -> Rejected:
        """The fault for a refusal the connector has nothing special to say about."""
        return Rejected(f"HTTP {self.status}: {self.body[:500].decode(errors='replace')}", field=field)


class _Guarded(aiohttp.ClientRequest):
    """A request that asks its guard once more as its bytes go out: connecting takes time, and a process may stand still in it."""

    guard: Guard | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        self._ask()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """The headers go out with the body's first bytes, so that nothing has gone out yet."""
        try:
            self._ask()
        except Exception as over:  # noqa: BLE001  # whatever the guard says, whoever waits for the answer is to hear
            if conn.protocol is not None:
                conn.protocol.set_exception(over)
        else:
            await super().write_bytes(writer, conn, content_length)

    def _ask(self) -> None:
        if self.guard is not None:
            self.guard()


def session_within(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session for `Http`, whose requests are guarded until their bytes go out."""
    return aiohttp.ClientSession(connector=connector, request_class=_Guarded)


class Http:
    """Requests to one connection. 401, 403, 429, 5xx, time-outs and cut connections become faults here, once for all."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        spend: Spend,
        guard: Guard,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self.spend = spend
        self._guard = guard
        self.has_changed = False
        """A request that doesn't just read has gone out, or was about to."""
        self.trace = ""
        """W3C `traceparent` that requests take along, where somebody traces."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(5.0, timeout_seconds))

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.send("GET", path, headers=headers, safe=True)

    async def post(
        self,
        path: str,
        body: object,
        *,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        not_done: Collection[int] = (),
        points: int = 1,
    ) -> Answer:
        """POST a JSON body. `safe`: it only reads. `not_done`: statuses with which this vendor promises nothing happened."""
        return await self.send("POST", path, body, headers=headers, safe=safe, not_done=not_done, points=points)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        not_done: Collection[int] = (),
        kept_mark: str = "",
        points: int = 1,
    ) -> Answer:
        """One request, one answer; raises a `Fault` for whatever isn't the connector's own to read.

        A body of bytes is sent as it is (a form, say, with a Content-Type of its own), any other as JSON. `kept_mark`: the
        header that says `true` when the answer is the one kept under our key since an earlier request.
        """
        await self.spend(points)
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        sent_headers = {"Content-Type": "application/json", **(headers or {})}
        if self.trace:
            sent_headers["traceparent"] = self.trace
        answer = await self._exchange(method, self._base_url + path, data, sent_headers, safe=safe)
        kept = bool(kept_mark) and answer.headers.get(kept_mark, "").lower() == "true"
        fault = fault_of(answer, safe=safe, not_done=not_done, kept=kept)
        if fault is not None:
            raise fault
        return answer

    async def _exchange(
        self, method: str, url: str, data: bytes | None, headers: Mapping[str, str], *, safe: bool
    ) -> Answer:
        if not url.startswith(f"{self._base_url}/"):  # or else `path` would be part of another host's name
            raise Rejected(f"{method} {url[:200]}: a path begins with /")
        self._guard()

        async def guarded(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            if isinstance(request, _Guarded):  # any other session's requests are on their way from here on
                request.guard = partial(self._let_out, safe=safe)
            else:
                self._let_out(safe=safe)
            return await handler(request)

        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                middlewares=(guarded, _sent_once),
            ) as reply:
                return Answer(reply.status, reply.headers, await _read_bounded(reply), safe)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if refused := refusal_in(error):
                raise Refused(f"{method} {url}: {refused}; allow it with outside.allow, if it is right") from error
            raise Transient(f"{method} {url}: can't connect ({type(error).__name__})", outage=True) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _lost(f"{method} {url}: {type(error).__name__} before a whole answer", safe=safe) from error

    def _let_out(self, *, safe: bool) -> None:
        self._guard()
        self.has_changed |= not safe


class AnswerLost(aiohttp.ClientError):
    """The connection ended before an answer came."""


async def _sent_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from repeating GET, PUT and DELETE by itself on a lost connection, past the lease and the budget."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise AnswerLost(type(error).__name__) from error


async def _read_bounded(reply: aiohttp.ClientResponse) -> bytes:
    body = await reply.content.read(_BODY_BYTES_MAX)
    parts = [body]
    while part := await reply.content.read(_BODY_BYTES_MAX):
        parts.append(part)
        if sum(map(len, parts)) > _BODY_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"an answer of more than {_BODY_BYTES_MAX} bytes")
    return b"".join(parts)


def _unreadable(answer: Answer, error: Exception) -> Fault:
    detail = f"HTTP {answer.status} with a body that can't be read: {error}"
    return Transient(detail) if answer.safe else Unknown(detail)


def _lost(detail: str, *, safe: bool, outage: bool = True, kept: bool = False) -> Fault:
    return Transient(detail, outage=outage) if safe else Unknown(detail, outage=outage, kept=kept)


def fault_of(answer: Answer, *, safe: bool, not_done: Collection[int] = (), kept: bool = False) -> Fault | None:
    """The fault a status stands for, the same for every connector; None when the connector reads the answer itself."""
    detail = f"HTTP {answer.status}"
    match answer.status:
        case status if status in not_done:
            return Transient(f"{detail}: the target promises that nothing happened")
        case 401 | 403:
            return Refused(f"{detail}: credentials or rights refused")
        case 429:
            return Throttled(detail, retry_after_seconds=_retry_after(answer.headers))
        case status if status >= 500 or status == 408:
            # 500 is mostly one message the target chokes on; the others mean that it is down, unless they are kept answers.
            return _lost(detail, safe=safe, outage=status != 500 and not kept, kept=kept)
        case status if 300 <= status < 400:
            return Refused(
                f"{detail}: a redirect to {answer.headers.get('Location', 'nowhere')}; set the final address"
            )
        case _:
            return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait; the default for an HTTP date (a clock we don't share) and for what is no finite number."""
    with contextlib.suppress(ValueError):
        seconds = float(headers.get("Retry-After", _RETRY_AFTER_SECONDS_DEFAULT))
        return min(max(seconds, 0.05), 3600.0) if math.isfinite(seconds) else _RETRY_AFTER_SECONDS_DEFAULT
    return _RETRY_AFTER_SECONDS_DEFAULT


class Link(Generic[S_co]):
    """What a connector's function is given: its settings, its HTTP line, and a memory shared by its calls in this process."""

    def __init__(self, settings: S_co, http: Http, memory: dict[str, Any], guard: Guard) -> None:
        self.settings = settings
        self.http = http
        self.memory = memory
        """For what is costly to get and safe to lose: a session token, ids of reference data."""
        self.guard = guard
        """Call before any effect that doesn't go through `http` (a mail, a file): it raises when the lease is gone."""
        self.spend = http.spend
        """Await before such an effect: the connection's call budget counts it as it counts requests."""
