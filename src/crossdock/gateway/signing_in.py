"""What is asked before anybody is known: a token for a key (OAuth 2), a token for a password, and the API's description."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Meta

from crossdock.gateway.callers import live_key
from crossdock.gateway.incoming import decoded
from crossdock.gateway.problems import Problem
from crossdock.gateway.route import House
from crossdock.govern.persons import NotSignedIn, SignInLater, signed_in
from crossdock.govern.tokens import Token, issued
from crossdock.store import callers, settling
from crossdock.store.database import Database

Answer = tuple[int, bytes, dict[str, str]]
Opened = Callable[[Database, House, Mapping[str, str], bytes], Awaitable[Answer]]
_FORM_FIELDS_MAX = 20


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/sign-in`."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    password: Annotated[str, Meta(min_length=1, max_length=200)]


class TokenTold(msgspec.Struct, frozen=True, kw_only=True):
    """A token, sent from then on as `Authorization: Bearer`."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
    scope: str
    """What it is good for, by blanks."""


class TokenRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no token, as RFC 6749 has it."""

    error: str
    error_description: str


async def sign_in(database: Database, house: House, headers: Mapping[str, str], body: bytes) -> Answer:
    """A person's token for their password."""
    asked = decoded(body, SignIn)
    async with database.transaction() as tx:
        now = await settling.now(tx)
        found = await signed_in(tx, asked.name, asked.password, now)
    match found:
        case SignInLater():
            raise Problem("too-many", str(found), Retry_After=str(found.seconds))
        case NotSignedIn():
            raise Problem(
                "not-signed-in", "the name or the password is wrong", WWW_Authenticate='Bearer realm="crossdock"'
            )
        case _:
            token = Token("person", found.name, str(found.generation))
    seconds = house.settings.api.token_seconds
    return _token(issued(token, house.secrets, now, seconds), seconds, "")


async def trade(database: Database, house: House, headers: Mapping[str, str], body: bytes) -> Answer:
    """A consumer's token for its key: client credentials, its name and one of its keys (RFC 6749, 4.4)."""
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX))
        name, key = _credentials(headers, form)
    except ValueError:
        return _refused(400, "invalid_request", "the body is a form, the credentials are Basic or in the form")
    if form.get("grant_type") != "client_credentials":
        return _refused(400, "unsupported_grant_type", "grant_type is client_credentials")
    async with database.transaction() as tx:
        now = await settling.now(tx)
        held = await live_key(tx, key)
        known = held if held is not None and held.consumer == name else None
        count, left = await callers.count_request(tx, known.consumer) if known else (0, 0)
    if known is None:
        return _refused(401, "invalid_client", "no consumer has this name and this live key")
    if count > known.per_minute:
        raise Problem("too-many", f"{name} may send {known.per_minute} requests a minute", Retry_After=str(left))
    wanted = frozenset(form.get("scope", "").split()) or frozenset(known.scopes)
    if not wanted <= frozenset(known.scopes):
        return _refused(400, "invalid_scope", f"{name} has {' '.join(sorted(known.scopes))}")
    seconds = house.settings.api.token_seconds
    token = Token("consumer", name, known.prefix, wanted)
    return _token(issued(token, house.secrets, now, seconds), seconds, " ".join(sorted(wanted)))


def _credentials(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    """(consumer, key); `ValueError` (which `binascii.Error` and `UnicodeError` are) for what can't be read."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    name, _, key = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    return unquote_plus(name), unquote_plus(key)


def _token(text: str, seconds: int, scope: str) -> Answer:
    told = TokenTold(access_token=text, token_type="Bearer", expires_in=seconds, scope=scope)  # noqa: S106
    return 200, msgspec.json.encode(told), {}


def _refused(status: int, error: str, description: str) -> Answer:
    told = TokenRefused(error=error, error_description=description)
    more = {"WWW-Authenticate": 'Basic realm="crossdock"'} if status == 401 else {}
    return status, msgspec.json.encode(told), more


OPEN: Mapping[tuple[str, ...], Opened] = {("v1", "sign-in"): sign_in, ("v1", "oauth", "token"): trade}
"""By path; each is asked with POST."""
