"""Cursors that only we can make: opaque, signed, and good for the caller and the filter they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import msgspec

from crossdock.gateway.problems import unfit
from crossdock.store.events import Position

_MAC_BYTES = 16


class _Held(msgspec.Struct, array_like=True):
    past: int
    xid: str
    id: int
    at: datetime | None
    bound: str


def cursor(position: Position, bound: str, secrets: Sequence[bytes]) -> str:
    """A position as it travels; `bound` is everything it is good for."""
    held = msgspec.msgpack.encode(_Held(position.past, position.xid, position.id, position.at, _digest(bound)))
    return base64.urlsafe_b64encode(held + _mac(held, secrets[0])).rstrip(b"=").decode()


def position_of(text: str, bound: str, secrets: Sequence[bytes], field: str) -> Position:
    """The position a cursor names; `Problem` when we didn't make it, or not for this."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        told, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(told, secret)) for secret in secrets):
            raise unfit(field, "this is no cursor of ours; begin without one, or with the last `next` you were given")
        held = msgspec.msgpack.decode(told, type=_Held)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise unfit(field, "this is no cursor of ours; begin without one, or with the last `next`") from error
    if held.bound != _digest(bound):
        raise unfit(field, "this cursor was made for another caller or another filter")
    return Position(held.past, held.xid, held.id, held.at)


def _mac(told: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"cursor\0" + told, "sha256")[:_MAC_BYTES]


def _digest(bound: str) -> str:
    return hashlib.sha256(bound.encode()).hexdigest()[:16]
