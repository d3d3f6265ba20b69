"""How Stripe's webhooks prove themselves: `Stripe-Signature: t=…,v1=…`, and nothing older than five minutes."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

import msgspec

from crossdock.connect.connector import Delivery, Door

TOLERANCE_SECONDS = 300
"""Stripe's own libraries accept this much; retries are signed anew. A time ahead of ours is let in, as they do."""
OTHER = "other"
"""The topic of every event we make nothing of."""
_DIGITS_MAX = 12


class _Head(msgspec.Struct, frozen=True):
    id: str
    type: str


def door_for(topics: Mapping[str, object]) -> Door:
    """A door that knows an event's type when there is a topic for it."""

    def describe(_headers: Mapping[str, str], body: bytes) -> Delivery:
        """The type and id as the body has them, for no header does."""
        try:
            head = msgspec.json.decode(body, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Delivery(OTHER, None)
        return Delivery(head.type if head.type in topics else OTHER, head.id.strip() or None)

    return Door(genuine, describe)


def genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether any secret made any of the v1 signatures over the time and the raw body, not too long ago."""
    parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value.encode(errors="replace") for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _is_time(times[0]) or int(times[0]) < time.time() - TOLERANCE_SECONDS:
        return False
    signed = times[0].encode() + b"." + body
    expected = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    return any(hmac.compare_digest(one, other) for one in given for other in expected)


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
