"""What is delivered to subscribers is signed as Standard Webhooks has it, by every live secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from secrets import token_bytes

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    return _PREFIX + base64.b64encode(token_bytes(_SECRET_BYTES)).decode()


def signed_headers(secrets: Sequence[str], id_: str, at_seconds: int, body: bytes) -> Mapping[str, str]:
    """The headers of one attempt: the same id on every repeat, this attempt's time, and a signature by each secret."""
    told = f"{id_}.{at_seconds}.".encode() + body
    signatures = (hmac.digest(_key(secret), told, hashlib.sha256) for secret in secrets)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(_PREFIX))
