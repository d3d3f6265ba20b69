"""Pages that move: a stream of server-sent events says when what somebody looks at has changed; polling stands behind it."""

from __future__ import annotations

import asyncio
import contextlib
from hashlib import blake2b

from crossdock.console.asking import NUMBER_NONE, SECURITY, Asked, Denied, number_of, to
from crossdock.console.desk import Desk
from crossdock.gateway.door import Receive, Send
from crossdock.store import desk as store
from crossdock.store.database import Transaction

_WATCHED = ("home", "entity", "case", "job")
# One look a second for each page that is open: 0.3 ms of the database each. Beyond so many pages a process only polls.
_LOOK_SECONDS = 1.0
_WATCHERS_MAX = 100
# Proxies cut connections that say nothing for a minute; a session's end is noticed when the stream is opened again.
_ALIVE_LOOKS = 20
_LOOKS_MAX = 900

_watching: set[int] = set()


async def moving(tx: Transaction, what: str, *which: object) -> str:
    """Where a page that is read now hears of whatever changes from now on, also before it listens."""
    return to("live", what, *which, seen=await _stamp(tx, what, "".join(map(str, which))))


async def watch(desk: Desk, asked: Asked, receive: Receive, send: Send) -> None:
    """Stream `changed` whenever the watched thing does, until the page is left, or for a quarter of an hour."""
    what, which = _watched(asked)
    if len(_watching) >= _WATCHERS_MAX:
        raise Denied(503, "Too many pages are open", "This one asks now and then instead.")
    mark = id(asked)
    _watching.add(mark)
    left = asyncio.create_task(_until_left(receive))
    closing = asyncio.create_task(desk.closing.wait())
    try:
        await _start(send)
        await _stream(desk, what, which, _seen(asked), send, {left, closing})
        await send({"type": "http.response.body", "body": b""})
    finally:
        _watching.discard(mark)
        for task in (left, closing):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(left, closing, return_exceptions=True)


def _watched(asked: Asked) -> tuple[str, str]:
    what, which = (*asked.path[1:], "", "")[:2]
    needs_number = what in ("case", "job")
    if what not in _WATCHED or (needs_number and number_of(which) == NUMBER_NONE):
        raise Denied(404, "There is nothing to watch there", "Look in the navigation above.")
    return what, which


def _seen(asked: Asked) -> str:
    """What the page shows: as it was read, or as this stream's like said last before it was cut."""
    return asked.headers.get("last-event-id") or asked.of_query("seen")


async def _start(send: Send) -> None:
    kind = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": [*kind, *SECURITY]})
    await send({"type": "http.response.body", "body": b"retry: 3000\n\n", "more_body": True})


async def _stream(desk: Desk, what: str, which: str, seen: str, send: Send, ends: set[asyncio.Task[object]]) -> None:
    for nth in range(_LOOKS_MAX):
        async with desk.looking() as tx:
            stamp = await _stamp(tx, what, which)
        if stamp != (seen or stamp):
            changed = f"id: {stamp}\nevent: changed\ndata: .\n\n".encode()
            await send({"type": "http.response.body", "body": changed, "more_body": True})
        elif nth % _ALIVE_LOOKS == 0:
            await send({"type": "http.response.body", "body": b": alive\n\n", "more_body": True})
        seen = stamp
        done, _ = await asyncio.wait(ends, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return


async def _stamp(tx: Transaction, what: str, which: str) -> str:
    return blake2b((await store.stamp(tx, what, which)).encode(), digest_size=8).hexdigest()


async def _until_left(receive: Receive) -> object:
    while (await receive())["type"] != "http.disconnect":
        pass
    return None
