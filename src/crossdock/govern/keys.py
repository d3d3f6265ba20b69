"""API keys: made at random, shown once, kept as a hash, recognised in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

_SCHEME = "cdk"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what people mix up: l and 1, o and 0
_PREFIX_CHARACTERS = 10
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the only moment at which anybody sees it whole."""

    prefix: str
    whole: str

    @property
    def hash(self) -> bytes:
        return hash_of(self.whole)


def new_key() -> NewKey:
    """A key of 256 random bits, told from others by its prefix: `cdk_<prefix>_<secret>`."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_CHARACTERS))
    return NewKey(prefix, f"{_SCHEME}_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}")


def prefix_of(key: str) -> str | None:
    """Which key this claims to be; None when it has not even the form of one."""
    scheme, _, rest = key.partition("_")
    prefix, _, secret = rest.partition("_")
    formed = scheme == _SCHEME and len(prefix) == _PREFIX_CHARACTERS and set(prefix) <= set(_ALPHABET) and secret
    return prefix if formed else None


def hash_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def proves(key: str, hash_: bytes) -> bool:
    """Whether this is the key of that hash, in a time that says nothing."""
    return hmac.compare_digest(hash_of(key), hash_)
