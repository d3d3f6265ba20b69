"""Webhook headers as Shopify sends them, the signature among them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

API_VERSION = "2026-07"


def signature(body: bytes, secret: bytes) -> str:
    return base64.b64encode(hmac.digest(secret, body, hashlib.sha256)).decode()


def webhook_headers(
    *, topic: str, body: bytes, secret: bytes, webhook_id: str, event_id: str | None, triggered_at: datetime
) -> dict[str, str]:
    """All headers of a delivery; Shopify's documentation calls the event id optional."""
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": signature(body, secret),
        "X-Shopify-Shop-Domain": "simulated.myshopify.com",
        "X-Shopify-API-Version": API_VERSION,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Triggered-At": triggered_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    return headers if event_id is None else headers | {"X-Shopify-Event-Id": event_id}
