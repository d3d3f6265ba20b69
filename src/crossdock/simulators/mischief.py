"""What a hostile network and a failing vendor do, on order: fault rules, their middleware and the control door.

A rule says which calls it strikes (a substring of "METHOD /path operation"), what it does to them and how often.
Everything random is drawn from one seed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
from aiohttp import web

from crossdock.simulators.ledger import Entry, Ledger, ledger_routes
from crossdock.simulators.listing import HONEST, ListMischief
from crossdock.simulators.webhooks import Attempt, Message, Sign, WebhookMischief, WebhookSender

__all__ = [
    "Attempt",
    "BulkPlan",
    "Entry",
    "FaultKind",
    "FaultRule",
    "Ledger",
    "ListMischief",
    "Message",
    "Mischief",
    "Restorable",
    "Sign",
    "WebhookMischief",
    "WebhookSender",
    "bulk_plan",
    "control_routes",
    "mischief_middleware",
]

FaultKind = Literal[
    "refuse",
    "commit_then_drop",
    "commit_then_status",
    "commit_then_timeout",
    "slow",
    "late",
    "partial",
    "silent",
    "garbage",
]
CUT = 0
"""As a rule's `status`: cut the connection instead of answering."""


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. `times` None strikes for ever; `status` 0 cuts the connection; `seconds` and `retry_after` are seconds.

    refuse: answer `status`, do nothing · commit_then_drop: do it, cut the connection · commit_then_status: do it, answer
    `status` · commit_then_timeout: do it, answer `seconds` later · slow: do it `seconds` later, then answer · late: answer
    `status` now, do it `seconds` later · partial: do some items of a bulk call, leave the others out of the answer ·
    silent: do all items, leave some out of the answer · garbage: do it, answer broken JSON.
    """

    match: str
    kind: FaultKind
    times: int | None = None
    probability: float = 1.0
    seconds: float = 1.0
    status: int = 503
    retry_after: float | None = None


_BULK_RULE = web.RequestKey("bulk_rule", FaultRule)


class Struck(msgspec.Struct, frozen=True):
    """One call that a rule struck."""

    kind: str
    subject: str


# Enough for hours of a test; a benchmark of days must not grow.
_CALLS_KEPT = 100_000


class Call(msgspec.Struct, frozen=True):
    """One call that reached the system, struck or not; `at` is in seconds since 1970."""

    at: float
    subject: str


@dataclass
class _Armed:
    rule: FaultRule
    left: float


@dataclass(frozen=True)
class BulkPlan:
    """Which items of a bulk call, by position, the simulator does and which it names in its answer."""

    done: frozenset[int]
    answered: frozenset[int]


class Mischief:
    """The rules in force, the calls they struck, and the seed everything random is drawn from."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)  # noqa: S311  (repeatable on purpose)
        self.webhooks = WebhookMischief()
        self.lists = HONEST
        self.struck: list[Struck] = []
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        """The latest calls by anybody, for whoever judges how many there were in any while."""
        self._armed: list[_Armed] = []
        self._later: set[asyncio.Task[None]] = set()

    def arm(self, *rules: FaultRule) -> None:
        """Add rules; of those that match a call, the first that fires wins."""
        self._armed += [_Armed(rule, float("inf") if rule.times is None else rule.times) for rule in rules]

    def disarm(self, *rules: FaultRule) -> None:
        """These rules strike no more; without any named, none does."""
        self._armed = [armed for armed in self._armed if rules and not any(armed.rule is rule for rule in rules)]

    @property
    def rules(self) -> list[FaultRule]:
        """The rules that can still strike."""
        return [armed.rule for armed in self._armed if armed.left > 0]

    def strike(self, subject: str) -> FaultRule | None:
        """The rule that strikes this call, used up by one; None lets the call through."""
        self.calls.append(Call(time.time(), subject))
        for armed in self._armed:
            if armed.left > 0 and armed.rule.match in subject and self.random.random() < armed.rule.probability:
                armed.left -= 1
                self.struck.append(Struck(armed.rule.kind, subject))
                return armed.rule
        return None

    def plan(self, rule: FaultRule | None, count: int) -> BulkPlan:
        """How a bulk call of `count` items goes under the rule: `partial` and `silent` spare half of them, rounded down."""
        everything = frozenset(range(count))
        if rule is None or rule.kind not in ("partial", "silent"):
            return BulkPlan(everything, everything)
        spared = frozenset(self.random.sample(range(count), count // 2))
        return BulkPlan(spared if rule.kind == "partial" else everything, spared)

    def later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Do the work after a while, if the simulator still runs then."""

        async def wait_and_do() -> None:
            await asyncio.sleep(seconds)
            await work()

        task = asyncio.create_task(wait_and_do())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def settled(self) -> None:
        """Waits until everything that was to happen late has happened."""
        while self._later:
            await asyncio.wait(set(self._later))

    async def close(self) -> None:
        """Forget what was to happen later: the simulated system is gone."""
        for task in set(self._later):
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Operation = Callable[[web.Request, bytes], str]


def _no_operation(_request: web.Request, _body: bytes) -> str:
    return ""


def mischief_middleware(mischief: Mischief, operation: Operation = _no_operation) -> Callable[..., Any]:
    """The middleware that lets rules strike every call but those to `/_…`.

    `operation` names what the path doesn't tell, such as a GraphQL operation, from the request and its body.
    """

    @web.middleware
    async def struck(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_"):
            return await handler(request)
        body = await request.read()  # aiohttp keeps it: a handler that runs late can still read it
        rule = mischief.strike(f"{request.method} {request.path} {operation(request, body)}".rstrip())
        return await (handler(request) if rule is None else _strike(mischief, rule, request, handler))

    return struck


def bulk_plan(request: web.Request, mischief: Mischief, count: int) -> BulkPlan:
    """What a handler of a bulk call must do and answer: everything, unless a `partial` or `silent` rule struck it."""
    return mischief.plan(request.get(_BULK_RULE), count)


async def _strike(mischief: Mischief, rule: FaultRule, request: web.Request, handler: Handler) -> web.StreamResponse:
    match rule.kind:
        case "refuse":
            return _answer(rule, request)
        case "late":
            mischief.later(rule.seconds, lambda: _committed(request, handler))
            return _answer(rule, request)
        case "slow":
            await asyncio.sleep(rule.seconds)
            return await handler(request)
        case "partial" | "silent":
            request[_BULK_RULE] = rule
            return await handler(request)
        case "commit_then_drop" | "commit_then_status" | "commit_then_timeout" | "garbage":
            done = await _committed(request, handler)
            return await _spoiled(rule, request, done)


async def _committed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, with its refusals (aiohttp raises those) as answers too."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return web.Response(status=refusal.status, text=refusal.text, content_type=refusal.content_type)


async def _spoiled(rule: FaultRule, request: web.Request, done: web.StreamResponse) -> web.StreamResponse:
    match rule.kind:
        case "commit_then_drop":
            return _cut(request)
        case "commit_then_status":
            return _answer(rule, request)
        case "garbage":
            return web.Response(status=done.status, body=b'{"broken": ', content_type="application/json")
        case _:
            await asyncio.sleep(rule.seconds)
            return done


def _answer(rule: FaultRule, request: web.Request) -> web.Response:
    if rule.status == CUT:
        return _cut(request)
    headers = {} if rule.retry_after is None else {"Retry-After": str(rule.retry_after)}
    return web.json_response({"error": "mischief", "status": rule.status}, status=rule.status, headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Reset the connection under the caller; what is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


class Restorable(Protocol):
    """A simulated system's state that can be put back: `snapshot` must share nothing with the live state."""

    def snapshot(self) -> object: ...

    def restore(self, saved: Any) -> None: ...


def control_routes(
    app: web.Application,
    mischief: Mischief,
    ledger: Ledger,
    *,
    sender: WebhookSender | None = None,
    state: Restorable | None = None,
) -> None:
    """The door tests use: `/_control/…`, `/_ledger`, and `GET /_health`; it also ends late work when the app ends."""
    ledger_routes(app, ledger)
    _fault_routes(app, mischief)

    async def calls(request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(list(mischief.calls)), content_type="application/json")

    app.router.add_get("/_ledger/calls", calls)
    if sender is not None:
        _webhook_routes(app, mischief, sender)
    if state is not None:
        _snapshot_routes(app, ledger, state)

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def end(app: web.Application) -> None:
        await mischief.close()
        if sender is not None:
            await sender.close()

    app.router.add_get("/_health", health)
    app.on_cleanup.append(end)


def _fault_routes(app: web.Application, mischief: Mischief) -> None:
    async def arm(request: web.Request) -> web.Response:
        mischief.arm(*_asked(await request.read(), list[FaultRule]))
        return web.Response(status=204)

    async def disarm(request: web.Request) -> web.Response:
        mischief.disarm()
        return web.Response(status=204)

    async def show(request: web.Request) -> web.Response:
        shown = {"rules": mischief.rules, "struck": mischief.struck}
        return web.Response(body=msgspec.json.encode(shown), content_type="application/json")

    async def lie(request: web.Request) -> web.Response:
        mischief.lists = _asked(await request.read(), ListMischief)
        return web.Response(status=204)

    app.router.add_post("/_control/lists", lie)
    app.router.add_post("/_control/faults", arm)
    app.router.add_delete("/_control/faults", disarm)
    app.router.add_get("/_control/faults", show)


class _Target(msgspec.Struct, forbid_unknown_fields=True):
    url: str | None


def _webhook_routes(app: web.Application, mischief: Mischief, sender: WebhookSender) -> None:
    async def spoil(request: web.Request) -> web.Response:
        mischief.webhooks = _asked(await request.read(), WebhookMischief)
        return web.Response(status=204)

    async def show(request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(sender.counts), content_type="application/json")

    async def lost(request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(sender.lost), content_type="application/json")

    async def aim(request: web.Request) -> web.Response:
        sender.target_url = _asked(await request.read(), _Target).url
        return web.Response(status=204)

    app.router.add_post("/_control/webhooks", spoil)
    app.router.add_get("/_control/webhooks", show)
    app.router.add_post("/_control/target", aim)
    app.router.add_get("/_ledger/lost", lost)


def _snapshot_routes(app: web.Application, ledger: Ledger, state: Restorable) -> None:
    saved: list[object] = []

    async def snapshot(request: web.Request) -> web.Response:
        saved[:] = [state.snapshot()]
        ledger.append("snapshot")
        return web.Response(status=204)

    async def restore(request: web.Request) -> web.Response:
        if not saved:
            return web.json_response({"error": "no snapshot was taken"}, status=409)
        state.restore(saved[0])
        ledger.append("restored")
        return web.Response(status=204)

    app.router.add_post("/_control/snapshot", snapshot)
    app.router.add_post("/_control/restore", restore)


def _asked(body: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
