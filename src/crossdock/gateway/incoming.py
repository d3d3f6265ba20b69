"""A request as it came in: its path, its headers within limits, its body, and the trace it is part of."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from crossdock.gateway.door import Oversized, Receive, Scope, read_body
from crossdock.gateway.problems import Problem, unfit, unknown
from crossdock.gateway.returning import printable

NAME_CHARACTERS_MAX = 200
KEY_PATTERN = "[!-~]{1,200}"
_HEAD_BYTES_MAX = 16 * 1024
_HEAD_FIELDS_MAX = 100
_QUERY_FIELDS_MAX = 20
# An order of 10,000 lines fits in; what is longer was not made by anybody who sells or returns goods.
BODY_BYTES_MAX = 4 * 1024 * 1024
_TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Incoming:
    """What somebody sent, before anybody knows who they are."""

    method: str
    path: bytes
    """Raw, without the query."""
    parts: tuple[str, ...]
    """Its segments, decoded."""
    headers: Mapping[str, str]
    """By lower-case names."""
    query: str
    """What stands behind the ?, as it came."""
    trace: str
    """W3C `traceparent`: theirs where they sent one, else a new one."""


def incoming(scope: Scope) -> Incoming:
    """`Problem` for a path that names nothing and for headers beyond the limits."""
    fields: list[tuple[bytes, bytes]] = list(scope["headers"])
    if len(fields) > _HEAD_FIELDS_MAX or sum(len(name) + len(value) for name, value in fields) > _HEAD_BYTES_MAX:
        raise Problem("long-head", f"more than {_HEAD_FIELDS_MAX} fields or {_HEAD_BYTES_MAX} bytes")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}
    raw: bytes = (scope.get("raw_path") or scope["path"].encode()).split(b"?")[0]
    parts = tuple(unquote(each, errors="replace") for each in raw.decode("latin-1").split("/")[1:])
    if any(not part or not part.isprintable() or len(part) > NAME_CHARACTERS_MAX for part in parts):
        raise unknown("no such thing; GET /v1/openapi.json says what there is")
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return Incoming(scope["method"], raw, parts, headers, query, trace_of(headers))


def trace_of(headers: Mapping[str, str]) -> str:
    given = headers.get("traceparent", "").strip()
    return given if _TRACEPARENT.fullmatch(given) else f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def idempotency_key(headers: Mapping[str, str]) -> str:
    key = headers.get("idempotency-key", "").strip()
    if not re.fullmatch(KEY_PATTERN, key):
        detail = (
            "send an Idempotency-Key of your own, 1 to 200 characters of ASCII without blanks, the same on every repeat"
        )
        raise Problem("no-idempotency-key", detail, "Idempotency-Key")
    return key


async def body_of(receive: Receive) -> bytes:
    try:
        return await read_body(receive, BODY_BYTES_MAX)
    except Oversized as error:
        raise Problem("too-large", f"more than {BODY_BYTES_MAX} bytes") from error


def queried(query: str, shape: type[msgspec.Struct]) -> Any:
    """The query as this type; `Problem` names the field that doesn't fit."""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=_QUERY_FIELDS_MAX)
        if len(dict(given)) < len(given):
            raise unfit("query", "a name stands there twice")
        asked = msgspec.convert(dict(given), shape, strict=False)
    except msgspec.ValidationError as error:
        raise _misfit(error, "query") from error
    except ValueError as error:
        raise unfit("query", f"it can't be read: {error}") from error
    for problem in printable(asked):
        raise problem
    return asked


def _misfit(error: msgspec.ValidationError, whole: str) -> Problem:
    text, _, at = str(error).partition(" - at `$")
    field = at.rstrip("`").lstrip(".") or whole
    return unfit(field, text)


def decoded(body: bytes, shape: type[msgspec.Struct]) -> Any:
    """The body as this type; `Problem` names the field that doesn't fit."""
    try:
        asked = msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise _misfit(error, "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("no-json", f"body: this is not JSON: {error}", "body") from error
    for problem in printable(asked):
        raise problem
    return asked
