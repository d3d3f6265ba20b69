"""Short-lived tokens (JWT, HS256): for a consumer that traded its key for one, and for a person who signed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Literal, cast

import jwt
import structlog

from crossdock.govern.settings import Settings
from crossdock.govern.strongbox import Strongbox, Unopened, strongbox_of
from crossdock.store import sealed
from crossdock.store.database import Database, Transaction

log = structlog.get_logger("crossdock")

Kind = Literal["consumer", "person"]

_ALGORITHM = "HS256"
_ISSUER = "crossdock"
_SECRET_BYTES = 32
SIGNING = "api/signing"
"""The name of the sealed secret."""
_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "of")


@dataclass(frozen=True, slots=True)
class Token:
    """Who it speaks for; `of` is the prefix of the key it was traded for, or the generation of the person's password."""

    kind: Kind
    subject: str
    of: str
    scopes: frozenset[str] | None = None
    """Fewer than its consumer has; None: all of them."""


async def signing_secrets(database: Database, settings: Settings) -> tuple[bytes, ...]:
    """What tokens and cursors are signed with: the first signs, all of them prove.

    Without any in the settings it is made once, and kept sealed. One that can't be opened is replaced: that ends tokens,
    which hold for minutes, and cursors, after which a reader begins anew.
    """
    if given := tuple(secret.reveal().encode() for secret in settings.api.secrets):
        return given
    box = strongbox_of(settings)
    earlier = settings.data / "api-secret"  # where versions before 0014 kept it, in clear
    made = earlier.read_text() if earlier.is_file() else token_urlsafe(_SECRET_BYTES)
    async with database.transaction() as tx:
        kept = await sealed.keep_first(tx, SIGNING, box.seal(made, SIGNING))
        try:
            found = box.open(kept, SIGNING)
        except Unopened:
            log.warning("signing secret replaced", remedy="give all hubs the same hub.sealing_keys")
            await sealed.keep(tx, SIGNING, box.seal(found := made, SIGNING))
    earlier.unlink(missing_ok=True)
    return tuple(found.encode().split())


async def renew_signing(tx: Transaction, box: Strongbox) -> None:
    """Another secret signs, from each process's next start on; the one that signed so far still proves."""
    kept = await sealed.held(tx, SIGNING)
    so_far = box.open(kept, SIGNING).split()[:1] if kept else []
    await sealed.keep(tx, SIGNING, box.seal("\n".join([token_urlsafe(_SECRET_BYTES), *so_far]), SIGNING))


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
