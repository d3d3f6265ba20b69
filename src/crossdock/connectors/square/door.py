"""How Square's webhooks prove themselves: an HMAC over the address they were sent to and the raw body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

import msgspec

from crossdock.connect.connector import Delivery, Door


class _Event(msgspec.Struct):
    type: str
    event_id: str


def genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether any secret, a signature key and the notification URL it signs with, made the signature."""
    given = headers.get("x-square-hmacsha256-signature", "").encode(errors="replace")
    return any(hmac.compare_digest(given, _signature(secret, body)) for secret in secrets)


def describe(_headers: Mapping[str, str], body: bytes) -> Delivery:
    """Topic and id are in the signed body; no header has them."""
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Delivery("", None)
    return Delivery(event.type, event.event_id)


def _signature(secret: bytes, body: bytes) -> bytes:
    key, _, url = secret.partition(b" ")
    return base64.b64encode(hmac.digest(key, url + body, hashlib.sha256))


door = Door(genuine, describe)
