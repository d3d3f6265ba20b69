"""The API's description and its events', piece by piece: one request or one event, with every shape it refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from crossdock.govern.api_changes import SUNSET, operations
from crossdock.govern.released import API, EVENTS

WHOLE: Mapping[str, str] = {API: "/v1/openapi.json", EVENTS: "/v1/asyncapi.json"}
"""Where each description is served."""
_SHAPES = "#/components/schemas/"


class Piece(NamedTuple):
    """One request, or one event."""

    name: str
    what: str
    """Its method and path; empty for an event."""
    says: str
    takes: str
    """The scope or right it takes."""
    goes: str
    """The day it may be gone from, where it is to go."""
    told: Mapping[str, Any]


def pieces_of(contract: str, description: Mapping[str, Any]) -> list[Piece]:
    """None for a contract that is one schema."""
    pieces = {API: _requests, EVENTS: _events}.get(contract)
    return list(pieces(description)) if pieces else []


def _requests(description: Mapping[str, Any]) -> Iterator[Piece]:
    for path, methods in description["paths"].items():
        for (method, _), told in operations({"paths": {path: methods}}).items():
            yield Piece(
                told["operationId"],
                f"{method} {path}",
                told["summary"],
                told.get("x-right", ""),
                told.get(SUNSET, ""),
                _with_shapes(told, description),
            )


def _events(description: Mapping[str, Any]) -> Iterator[Piece]:
    for told in description["components"]["messages"].values():
        yield Piece(told["name"], "", told["summary"], "", "", _with_shapes(told, description))


def _with_shapes(told: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    known, found, left = description["components"]["schemas"], dict[str, Any](), list(_named_in(told))
    while left:
        name = left.pop()
        if name not in found:
            found[name] = known[name]
            left += _named_in(known[name])
    return {**told, "shapes": dict(sorted(found.items()))}


def _named_in(told: object) -> Iterator[str]:
    """The shapes it refers to."""
    match told:
        case dict():
            for name, each in cast("dict[str, Any]", told).items():
                if name == "$ref" and isinstance(each, str) and each.startswith(_SHAPES):
                    yield each.removeprefix(_SHAPES)
                else:
                    yield from _named_in(each)
        case list():
            for each in cast("list[Any]", told):
                yield from _named_in(each)
        case _:
            return
