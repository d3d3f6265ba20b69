"""The door for what systems send by themselves: webhooks, proven genuine and stored before the answer. Bare ASGI for speed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from crossdock.connect.connector import Door
from crossdock.gateway.inlet import Inlet
from crossdock.gateway.seeing import Arrival, arrived
from crossdock.govern.connections import Connection
from crossdock.store.inbox import Message

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PREFIX = "/in/"
# Past this the sender is cut off unread: a signature over it would cost more than any real message is worth.
_READ_BYTES_MAX = 16 * 1024 * 1024
_KEPT_BYTES_OF_OVERSIZED = 64 * 1024
_PROBLEM = b"application/problem+json"


class Oversized(Exception):
    """More bytes than anybody reads."""


class WebhookDoor:
    """`POST /in/<connection>`: 200 once stored, 401 for a forgery, 503 when it can't be stored, so that it comes again."""

    def __init__(self, connections: Mapping[str, Connection], inlet: Inlet, message_bytes_max: int) -> None:
        self._doors = {n: (c.connector.door, c.webhook_secrets) for n, c in connections.items() if c.connector.door}
        self._inlet = inlet
        self._message_bytes_max = message_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        connection = path.removeprefix(_PREFIX)
        found = self._doors.get(connection) if path.startswith(_PREFIX) else None
        if found is None:
            await _problem(send, 404, "no-such-door", f"{path}: webhooks come in at {_PREFIX}<connection>")
        elif scope["method"] != "POST":
            await _problem(send, 405, "post-only", f"{scope['method']} {path}: webhooks are sent with POST")
        else:
            await self._take(connection, *found, scope, receive, send)

    async def _take(
        self, connection: str, door: Door, secrets: list[bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            body = await read_body(receive, _READ_BYTES_MAX)
        except Oversized:
            await _problem(send, 413, "too-large", f"more than {_READ_BYTES_MAX} bytes")
            return _told(arrived(connection), "too_large")
        arrival = arrived(connection)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not door.genuine(headers, body, secrets):
            await _problem(
                send, 401, "bad-signature", "the signature does not prove this message; check the shared secret"
            )
            return _told(arrival, "forged")
        message = self._message(connection, door, headers, body)
        try:
            await self._inlet.store(arrival.followed(message, headers) if arrival else message)
        except Exception:  # noqa: BLE001  # whatever kept it from being durable, the sender must send it again
            await _problem(send, 503, "not-stored", "the message could not be stored; send it again")
            return _told(arrival, "not_stored")
        await answer(send, 200, b"", b"text/plain")
        return _told(arrival, "stored")

    def _message(self, connection: str, door: Door, headers: Mapping[str, str], body: bytes) -> Message:
        delivery = door.describe(headers, body)
        if len(body) <= self._message_bytes_max:
            return Message(connection, delivery.topic, body, delivery.message_id)
        reason = f"{len(body)} bytes are more than hub.message_bytes_max = {self._message_bytes_max}; its start is kept"
        return Message(
            connection, delivery.topic, body[:_KEPT_BYTES_OF_OVERSIZED], delivery.message_id, quarantined=reason
        )


def _told(arrival: Arrival | None, word: str) -> None:
    if arrival is not None:
        arrival.answered(word)


async def read_body(receive: Receive, bytes_max: int) -> bytes:
    """The whole body; `Oversized` as soon as it is more."""
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body", False):
        if len(body) > bytes_max:
            raise Oversized
        return body
    parts, size = [body], len(body)
    while event.get("more_body", False):
        event = await receive()
        part: bytes = event.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise Oversized
        parts.append(part)
    return b"".join(parts)


async def _problem(send: Send, status: int, kind: str, detail: str) -> None:
    """RFC 9457."""
    body = msgspec.json.encode({"type": f"urn:crossdock:problem:{kind}", "status": status, "detail": detail})
    await answer(send, status, body, _PROBLEM)


async def answer(send: Send, status: int, body: bytes, content_type: bytes, *more: tuple[bytes, bytes]) -> None:
    """One whole answer."""
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
