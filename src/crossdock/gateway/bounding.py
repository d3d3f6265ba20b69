"""What holds for the whole API, said of each of its operations: how long anything may be, what headers an answer has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from crossdock.gateway.incoming import BODY_BYTES_MAX, NAME_CHARACTERS_MAX

Told = dict[str, Any]

_UNREADABLE = "What came in is no HTTP."

_METHODS = ("get", "post", "put", "patch", "delete")
_MOMENT_CHARACTERS_MAX = 40
_ITEMS_MAX = 1_000_000
_INTEGER = (-(2**63), 2**63 - 1)
# PostgreSQL holds no NUL, and nothing that has one is let in.
_ANY_TEXT = "^[^\\u0000]*$"
_VALUES = frozenset(("example", "examples", "default", "enum", "const"))


def completed(document: Told) -> Told:
    """The description with its limits and headers, everywhere; changed in place."""
    for operation in _operations(document):
        _complete(operation["responses"])
    document["components"]["headers"] = _HEADERS
    _bound(document)
    return document


def _operations(document: Told) -> Iterator[Told]:
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _complete(responses: Told) -> None:
    unreadable = responses.setdefault("400", {"description": _UNREADABLE, "content": {}})
    unreadable["content"]["text/plain"] = {"schema": {"type": "string", "maxLength": NAME_CHARACTERS_MAX}}
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        for name in _names_of(status):
            headers.setdefault(name, {"$ref": f"#/components/headers/{name}"})


def _names_of(status: str) -> Iterator[str]:
    """The headers an answer of this status has, or may have."""
    if status[0] in "24":
        yield "RateLimit"
    if status == "429":
        yield "Retry-After"
    yield "Access-Control-Allow-Origin"


def header(said: str, *, required: bool = True, **schema: Any) -> Told:
    """One header of an answer; text, unless the schema says more."""
    return {"description": said, "required": required, "schema": {"type": "string"} | schema}


_HEADERS = {
    "RateLimit": header("What is left of the quota; not told before it is known who asks.", required=False),
    "Retry-After": header("How many seconds to wait."),
    "Correlation-Id": header("The key of the order or customer whose business it was.", required=False),
    "Idempotent-Replayed": header("`true` where the answer was given before.", required=False),
    "Deprecation": header("Since when it is to go (RFC 9745), where it is.", required=False),
    "Sunset": header("From when on it may be gone (RFC 8594).", required=False),
    "Link": header("The `next` page of a list; or what explains that it is to go.", required=False),
    # No page of another site may read an answer, so the header that would let it is never there.
    "Access-Control-Allow-Origin": header(
        "Never sent: no page of another site may read this.", required=False, const=""
    ),
}


def _bound(told: object, *, names: bool = False) -> None:
    """Limits for all that has none; `names`: its keys are names of fields, not words of a schema."""
    if isinstance(told, list):
        for each in cast("list[object]", told):
            _bound(each)
    if not isinstance(told, dict):
        return
    schema = cast("Told", told)
    if not names and isinstance(schema.get("type"), str) and not schema.keys() & {"enum", "const"}:
        _limit(schema)
    for name, each in schema.items():
        if names or name not in _VALUES:
            _bound(each, names=not names and name == "properties")


def _limit(schema: Told) -> None:
    match schema["type"]:
        case "string":
            schema.setdefault("maxLength", _characters_max(schema))
            if "format" not in schema:
                schema.setdefault("pattern", _ANY_TEXT)
        case "integer":
            schema.setdefault("format", "int64")
            for either, word, limit in (("exclusiveMinimum", "minimum", 0), ("exclusiveMaximum", "maximum", 1)):
                if either not in schema:
                    schema.setdefault(word, _INTEGER[limit])
        case "array":
            schema.setdefault("maxItems", _ITEMS_MAX)
        case _:
            pass


def _characters_max(schema: Told) -> int:
    """Names are short, times shorter, and no text is longer than a whole body."""
    if schema.get("format") == "date-time":
        return _MOMENT_CHARACTERS_MAX
    return NAME_CHARACTERS_MAX if "pattern" in schema else BODY_BYTES_MAX
