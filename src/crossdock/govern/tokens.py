"""Short-lived tokens (JWT, HS256): for a consumer that traded its key for one, and for a person who signed in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Literal, cast

import jwt

from crossdock.govern.settings import Settings

Kind = Literal["consumer", "person"]

_ALGORITHM = "HS256"
_ISSUER = "crossdock"
_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "of")


@dataclass(frozen=True, slots=True)
class Token:
    """Who it speaks for; `of` is the prefix of the key it was traded for, or the generation of the person's password."""

    kind: Kind
    subject: str
    of: str
    scopes: frozenset[str] | None = None
    """Fewer than its consumer has; None: all of them."""


def secrets_of(settings: Settings) -> tuple[bytes, ...]:
    """What tokens and cursors are signed with: the first signs, all of them prove.

    Without any in the settings it is made once, in a file that only the hub's user can read.
    """
    given = tuple(secret.reveal().encode() for secret in settings.api.secrets)
    return given or (_own_secret(settings.data / "api-secret"),)


def _own_secret(file: Path) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_name(f"{file.name}.{os.getpid()}")
    made.touch(mode=0o600)
    made.write_text(token_urlsafe(32))
    try:
        os.link(made, file)  # whole or not at all: two processes that start at once must sign with the same one
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return file.read_bytes()


def issued(token: Token, secrets: Sequence[bytes], now: datetime, seconds: int) -> str:
    """The token as it travels."""
    claims: dict[str, object] = {
        "iss": _ISSUER,
        "aud": token.kind,
        "sub": token.subject,
        "of": token.of,
        "iat": now,
        "exp": now + timedelta(seconds=seconds),
    }
    if token.scopes is not None:
        claims["scope"] = " ".join(sorted(token.scopes))
    return jwt.encode(claims, secrets[0], algorithm=_ALGORITHM)  # pyright: ignore[reportUnknownMemberType]


def read_token(text: str, secrets: Sequence[bytes]) -> Token | None:
    """Whom a token speaks for; None when it is expired, forged, or no token."""
    for secret in secrets:
        try:
            claims = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                text,
                secret,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=("consumer", "person"),
                options={"require": list(_CLAIMS)},
            )
        except (jwt.InvalidTokenError, UnicodeError):
            continue
        scope = claims.get("scope")
        scopes = None if scope is None else frozenset(str(scope).split())
        return Token(cast("Kind", claims["aud"]), str(claims["sub"]), str(claims["of"]), scopes)
    return None
