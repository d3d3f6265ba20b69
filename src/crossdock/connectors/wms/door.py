"""How the warehouse's webhooks prove themselves: Standard Webhooks signatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from crossdock.connect.connector import Delivery, Door

_PREFIX = b"whsec_"
_VERSION = "v1,"


def genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether any secret made any of the signatures over id, timestamp and raw body."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id.isascii() or not message_id or not (timestamp.isascii() and timestamp.isdigit()):
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = [base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)) for secret in secrets]
    given = [
        part[len(_VERSION) :] for part in headers.get("webhook-signature", "").split() if part.startswith(_VERSION)
    ]
    return any(hmac.compare_digest(one.encode(errors="replace"), other) for one in given for other in expected)


def describe(headers: Mapping[str, str], _body: bytes) -> Delivery:
    """The topic as the header has it; translation checks it against the signed body."""
    return Delivery(headers.get("webhook-topic", ""), headers.get("webhook-id"))


def _key(secret: bytes) -> bytes:
    """The key inside `whsec_…`; a secret of another form is the key itself."""
    if not secret.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(secret[len(_PREFIX) :], validate=True)
    except binascii.Error:
        return secret


door = Door(genuine, describe)
