"""Secrets that the database keeps, sealed with keys that it does not: whoever reads it, or a backup of it, learns none.

Each secret has a key of its own, which is wrapped by one of the hub's; so a change of the hub's key wraps a few bytes anew
and touches no secret.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from secrets import token_urlsafe

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crossdock.govern.settings import Settings

# One byte of version, which of the hub's keys wraps, the wrapped key, and then what it seals.
_VERSION = b"\x01"
_ID_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 8, 12, 32, 16
_WRAPPED_AT = len(_VERSION) + _ID_BYTES
_SEALED_AT = _WRAPPED_AT + _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES


class Unopened(Exception):
    """It was sealed with a key that is not among `hub.sealing_keys`, for something else, or changed since; put the key back."""


class Strongbox:
    """The first key seals, all of them open: so one can follow another."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {_derived(key, "id", _ID_BYTES): AESGCM(_derived(key, "key", _KEY_BYTES)) for key in keys}
        self._first = next(iter(self._keys))

    def seal(self, text: str, about: str = "") -> bytes:
        """The text as it is kept; opened only with the same `about`, such as whose it is, so that no row can pass for another."""
        own = os.urandom(_KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        return self._wrapped(own) + nonce + AESGCM(own).encrypt(nonce, text.encode(), about.encode())

    def open(self, sealed: bytes, about: str = "") -> str:
        """The text again; `Unopened` when no key fits."""
        own, rest = self._own_key(sealed), bytes(sealed)[_SEALED_AT:]
        try:
            return AESGCM(own).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], about.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise Unopened(Unopened.__doc__) from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key seals it."""
        return bytes(sealed[len(_VERSION) : _WRAPPED_AT]) == self._first

    def rewrapped(self, sealed: bytes) -> bytes:
        """The same under the first key; what it is about need not be known."""
        return self._wrapped(self._own_key(sealed)) + bytes(sealed)[_SEALED_AT:]

    def _wrapped(self, own: bytes) -> bytes:
        head, nonce = _VERSION + self._first, os.urandom(_NONCE_BYTES)
        return head + nonce + self._keys[self._first].encrypt(nonce, own, head)

    def _own_key(self, sealed: bytes) -> bytes:
        head, wrapped = bytes(sealed[:_WRAPPED_AT]), bytes(sealed[_WRAPPED_AT:_SEALED_AT])
        key = self._keys.get(head[len(_VERSION) :]) if head.startswith(_VERSION) else None
        if key is None:
            raise Unopened(Unopened.__doc__)
        try:
            return key.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], head)
        except (InvalidTag, ValueError) as error:
            raise Unopened(Unopened.__doc__) from error


def strongbox_of(settings: Settings) -> Strongbox:
    """With the keys of the settings; without any, with one that is made once, in a file that only the hub's user can read."""
    given = [key.reveal().encode() for key in settings.hub.sealing_keys]
    return Strongbox(given or [made_once(settings.data / "sealing-key")])


def made_once(file: Path) -> bytes:
    """256 random bits, the same for all processes of this folder."""
    if file.is_file():
        return file.read_bytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f"{file.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text(token_urlsafe(_KEY_BYTES))
    try:
        os.link(made, file)  # whole or not at all: two processes that start at once must have the same one
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return file.read_bytes()


def _derived(key: bytes, what: str, length: int) -> bytes:
    return HKDF(SHA256(), length, None, f"crossdock sealing {what}".encode()).derive(key)
