"""How Shopify's webhooks prove themselves, and what tells one message from another."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from crossdock.connect.connector import Delivery, Door
from crossdock.kernel.ids import digest

_CHARACTERS_MAX = 80


def _genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """base64(HMAC-SHA256(secret, raw body)) in `X-Shopify-Hmac-Sha256`, with any of the secrets."""
    given = headers.get("x-shopify-hmac-sha256", "").encode(errors="replace")
    return any(hmac.compare_digest(given, _signature(secret, body)) for secret in secrets)


def _signature(secret: bytes, body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret, body, hashlib.sha256))


def _describe(headers: Mapping[str, str], body: bytes) -> Delivery:
    """The topic, and an id that a repeat keeps and no other message shares.

    `X-Shopify-Event-Id` names what happened in the shop, and so is the same on the webhooks of every topic (and perhaps
    every order) it touched: alone it would drop messages. A repeat carries the original payload byte for byte, so topic,
    event and the body's digest together name one message. Where the event id is missing, `X-Shopify-Webhook-Id` stands in:
    if it is stable the repeat is recognised; if it isn't, the repeat is kept twice and merged by its version.
    """
    topic = _plain(headers.get("x-shopify-topic", ""))
    event = _plain(headers.get("x-shopify-event-id") or headers.get("x-shopify-webhook-id") or "")
    return Delivery(topic, f"{topic}/{event}/{digest(body).hex()}")


def _plain(text: str) -> str:
    """The header's value as a database can hold and index it; the signature doesn't cover headers."""
    if text.isascii() and text.isprintable() and len(text) <= _CHARACTERS_MAX:
        return text
    return digest(text.encode(errors="backslashreplace")).hex()


door = Door(genuine=_genuine, describe=_describe)
