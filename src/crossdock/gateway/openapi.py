"""The API's description, OpenAPI 3.1, generated: `python -m crossdock.gateway.openapi --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from crossdock.gateway.bounding import completed, header
from crossdock.gateway.catalogue import ROUTES
from crossdock.gateway.incoming import KEY_PATTERN, NAME_CHARACTERS_MAX
from crossdock.gateway.problems import CONTENT_TYPE, KINDS, TYPE_PREFIX, ProblemTold
from crossdock.gateway.route import Leads, Route
from crossdock.gateway.signing_in import SignIn, TokenRefused, TokenTold
from crossdock.govern.configuration import notes_of
from crossdock.govern.generated import write_or_check
from crossdock.govern.limits import EXTENSIBLE
from crossdock.govern.rights import SCOPES

PAGE = Path("contracts/v1/openapi.json")
VERSION = "1.0.0"

_TAGS = ("orders", "returns", "operations", "events", "subscriptions", "ask", "deciding", "signing in")
_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_PROBLEM = CONTENT_TYPE.decode()
_ALWAYS = ("not-signed-in", "no-right", "too-many", "long-head", "broken", "no-database")
_CHANGING = ("no-idempotency-key", "in-flight", "key-reused", "too-large")
_OPEN = ("too-large", "too-many", "long-head", "broken", "no-database")
_QUOTA = {
    "RateLimit": "What is left of the quota.",
    "RateLimit-Policy": "The quota.",
    "traceparent": "W3C trace context.",
}

_MAY = ("Correlation-Id", "Deprecation", "Sunset", "Link")
_FOLLOWED: Leads = {
    "getOperation": {"operation": "$response.body#/id"},
    "getOrder": {"order": "$response.body#/order"},
}


@cache
def document() -> bytes:
    """The whole description, as it is served and kept among the contracts."""
    shapes, components = _schemas()
    told = {
        "openapi": "3.1.0",
        "info": {
            "title": "Crossdock",
            "version": VERSION,
            "summary": "Orders, what became of them, and what comes back.",
            "description": "How to use it, and what each problem means: docs/howto/use-the-api.md.",
            "contact": {"name": "Whoever runs this hub"},
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "/", "description": "This hub: production, or what else it is run for.", "x-internal": False}
        ],
        "tags": [{"name": tag} for tag in _TAGS],
        "paths": _paths(shapes),
        "components": {"schemas": components, "securitySchemes": _security()},
    }
    return msgspec.json.format(msgspec.json.encode(completed(told)), indent=2) + b"\n"


def _types() -> list[Any]:
    named = [each for route in ROUTES for each in (route.answers, route.asked) if each is not None]
    return list(dict.fromkeys([ProblemTold, SignIn, TokenTold, TokenRefused, *named]))


def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """(the schema of each type, the components they refer to)"""
    types = _types()
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    # msgspec names a generic type after its parameters; "Money[Any]" says less than "Money"
    text = msgspec.json.encode([found, components]).replace(b"Money_Any_", b"Money").replace(b"Money[Any]", b"Money")
    found, components = msgspec.json.decode(text)
    kinds = {"enum": [TYPE_PREFIX + kind for kind in KINDS], EXTENSIBLE: True}
    components["ProblemTold"]["properties"]["type"] |= kinds
    return dict(zip(types, found, strict=True)), components


def _paths(shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    paths["/v1/sign-in"] = {"post": _sign_in(shapes)}
    paths["/v1/oauth/token"] = {"post": _trade(shapes)}
    return paths


def _operation(route: Route, shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.says,
        "description": _said_of(route),
        "tags": [route.tag],
        "security": [{"bearer": []}, {"oauth": [route.right] if route.right in SCOPES else []}],
        "parameters": list(_parameters(route)),
        "responses": {str(route.status): _done(route, shapes)} | _refusals(route),
    }
    if route.right:
        told["x-right"] = route.right
    if route.asked:
        required = any(field.required for field in msgspec.structs.fields(route.asked))
        examples = {"examples": {"one": {"value": route.example}}} if route.example is not None else {}
        told["requestBody"] = {"required": required, "content": {_JSON: {"schema": shapes[route.asked], **examples}}}
    return told


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for segment in route.segments:
        if segment.startswith("{"):
            schema = {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX}
            yield {"name": segment[1:-1], "in": "path", "required": True, "schema": schema}
    if route.once:
        schema = {"type": "string", "pattern": f"^{KEY_PATTERN}$"}
        said = "Your own name of this request, the same on every repeat."
        yield {"name": "Idempotency-Key", "in": "header", "required": True, "schema": schema, "description": said}
    if route.query:
        yield from _queried(route.query)
    if route.replaces:
        schema = {"type": "string", "minLength": 1}
        said = "The ETag of the version you replace."
        yield {"name": "If-Match", "in": "header", "required": True, "schema": schema, "description": said}


def _queried(query: type[msgspec.Struct]) -> Iterator[dict[str, Any]]:
    schema: dict[str, Any] = msgspec.json.schema(query)["$defs"][query.__name__]
    for name, told in schema["properties"].items():
        # A parameter that isn't there is not sent: null is no value of a query.
        told = next((each for each in told["anyOf"] if each.get("type") != "null"), told) if "anyOf" in told else told
        said = notes_of(query).get(name, "")
        yield {"name": name, "in": "query", "required": False, "schema": told, "description": said}


def _done(route: Route, shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    has = _QUOTA | ({"Location": "The operation that follows it."} if route.status == 202 else {})
    has |= {"ETag": "The version it is, for If-Match."} if route.versioned else {}
    may = [*_MAY, *(["Idempotent-Replayed"] if route.once else [])]
    links = dict(_links(route))
    return {
        **({"links": links} if links else {}),
        "description": "Stored, and followed by an operation." if route.status == 202 else "Done.",
        "headers": {name: header(said) for name, said in has.items()}
        | {name: {"$ref": f"#/components/headers/{name}"} for name in may},
        "content": {_JSON: {"schema": shapes[route.answers]}},
    }


def _links(route: Route) -> Iterator[tuple[str, dict[str, Any]]]:
    """What can be asked next, with what the answer says."""
    followed = [*(_FOLLOWED.items() if route.status == 202 else ()), *route.leads.items()]
    for name, parameters in followed:
        yield name, {"operationId": name, "parameters": dict(parameters)}


def _said_of(route: Route) -> str:
    takes = f"Takes `{route.right}`" if route.right else "Takes a live key or token"
    return f"{route.says}. {takes}{', for every tenant' if route.whole_house else ''}."


def _refusals(route: Route) -> dict[str, Any]:
    kinds = [*_ALWAYS, *route.refuses]
    if any(segment.startswith("{") for segment in route.segments):
        kinds.append("not-found")
    if route.once:
        kinds += _CHANGING
    if route.asks:
        kinds.append("too-large")
    if route.asked:
        kinds += ["unfit", "no-json"]
    if route.replaces:
        kinds += ["no-if-match", "changed-meanwhile"]
    return _problems(kinds)


def _problems(kinds: list[str]) -> dict[str, Any]:
    """One answer for each status, with the problems it may tell."""
    statuses = sorted({KINDS[kind].status for kind in kinds})
    return {
        str(status): {
            "description": "; ".join(
                f"{KINDS[kind].title} (`{kind}`)" for kind in dict.fromkeys(kinds) if KINDS[kind].status == status
            ),
            "content": {_PROBLEM: {"schema": {"$ref": _REF.format(name="ProblemTold")}}},
        }
        for status in statuses
    }


def _sign_in(shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {
        "operationId": "signIn",
        "summary": "A person's token for their password",
        "description": "Trades a person's name and password for a token. Wrong passwords are counted, and slowed down.",
        "tags": ["signing in"],
        "security": [{}],
        "requestBody": {"required": True, "content": {_JSON: {"schema": shapes[SignIn]}}},
        "responses": {"200": _token(shapes)} | _problems([*_OPEN, "not-signed-in", "unfit", "no-json"]),
    }


def _trade(shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    fields = ("client_id", "client_secret", "scope")
    text = {"type": "string", "maxLength": NAME_CHARACTERS_MAX}
    form = {
        "type": "object",
        "properties": {"grant_type": {"const": "client_credentials"}} | dict.fromkeys(fields, text),
        "required": ["grant_type"],
    }
    refused = {
        "description": "Why there is no token, as RFC 6749 has it.",
        "content": {_JSON: {"schema": shapes[TokenRefused]}},
    }
    return {
        "operationId": "tradeKey",
        "summary": "A consumer's token for its key (OAuth 2, client credentials)",
        "description": "Trades a consumer's name and key, in the form or as Basic, for a token. Counts as a request.",
        "tags": ["signing in"],
        "security": [{}],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {"200": _token(shapes), "400": refused, "401": refused} | _problems([*_OPEN]),
    }


def _token(shapes: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {"description": "The token.", "content": {_JSON: {"schema": shapes[TokenTold]}}}


def _security() -> dict[str, Any]:
    scopes = dict.fromkeys(SCOPES, "See x-right of each operation.")
    # A new token is had where the first one was: client credentials come without refresh tokens (RFC 6749, 4.4.3).
    flow = {"tokenUrl": "/v1/oauth/token", "refreshUrl": "/v1/oauth/token", "scopes": scopes}
    said = "Tokens are JWTs as RFC8725 has them: one algorithm, short-lived, with issuer and audience checked."
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": f"An API key, or a token. {said}"},
        "oauth": {"type": "oauth2", "description": said, "flows": {"clientCredentials": flow}},
    }


def main() -> int:
    return write_or_check("crossdock.gateway.openapi", PAGE, lambda: document().decode())


if __name__ == "__main__":
    sys.exit(main())
