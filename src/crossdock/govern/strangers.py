"""Fields of a message that its contract doesn't know, or misses: by name alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from crossdock.govern.compatibility import Schema, resolved

What = Literal["unknown", "missing"]
Found = set[tuple[str, What]]
_DEPTH_MAX = 12
_FIELDS_MAX = 100
_PATH_CHARACTERS_MAX = 200
# A name of a field is a word. What looks like a number, an id or an address may be a value that is used as a name.
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,59}")
_LONG_NUMBER = re.compile(r"\d{4}")
ANYTHING = "*"
"""Stands for a name that may itself be a value."""


def strangers(message: object, schema: Schema) -> Found:
    """(path, what) of each field, `lines[].sku`; at most 100."""
    found: Found = set()
    for each in _strange(message, schema, schema, "", 0):
        found.add(each)
        if len(found) >= _FIELDS_MAX:
            break
    return found


def _strange(told: object, schema: Schema, document: Schema, at: str, depth: int) -> Iterator[tuple[str, What]]:
    known = _fitting(told, resolved(document, schema), document)
    if depth > _DEPTH_MAX or known is None:
        return
    if isinstance(told, list):
        for each in cast("list[object]", told)[:_FIELDS_MAX]:
            yield from _strange(each, known.get("items", True), document, f"{at}[]", depth + 1)
    if isinstance(told, dict):
        yield from _fields(cast("Mapping[str, object]", told), known, document, at, depth)


def _fields(
    told: Mapping[str, object], known: Mapping[str, Any], document: Schema, at: str, depth: int
) -> Iterator[tuple[str, What]]:
    named: Mapping[str, Schema] = known.get("properties", {})
    rest: Schema = known.get("additionalProperties", not named)
    for name in known.get("required", ()):
        if name not in told:
            yield _under(at, name, known=True), "missing"
    for name, each in told.items():
        if name in named:
            yield from _strange(each, named[name], document, _under(at, name, known=True), depth + 1)
        elif isinstance(rest, Mapping):  # a table: its keys are values
            yield from _strange(each, rest, document, _under(at, ANYTHING, known=True), depth + 1)
        elif named:
            yield _under(at, name), "unknown"


def _fitting(told: Any, schema: Schema, document: Schema) -> Mapping[str, Any] | None:
    """The alternative that this is; None where nothing is said of its inside."""
    if not isinstance(schema, Mapping):
        return None
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices is None:
        parts = [_fitting(told, resolved(document, each), document) for each in schema.get("allOf", ())]
        return _joined([schema, *(part for part in parts if part is not None)])
    wanted = "object" if _is(told, dict) else "array" if _is(told, list) else None
    fitting = [resolved(document, each) for each in choices]
    alike = [each for each in fitting if isinstance(each, Mapping) and each.get("type", wanted) == wanted]
    if not alike or wanted is None:
        return None
    return min(alike, key=lambda each: sum(1 for _ in _strange(told, each, document, "", _DEPTH_MAX)))


def _is(told: object, shape: type) -> bool:
    return isinstance(told, shape)


def _joined(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    whole: dict[str, Any] = {}
    for part in parts:
        fields = {**whole.get("properties", {}), **part.get("properties", {})}
        required = [*whole.get("required", ()), *part.get("required", ())]
        whole = {**part, **whole} | ({"properties": fields, "required": required} if fields else {})
    return whole


def _under(at: str, name: str, *, known: bool = False) -> str:
    is_word = known or (_NAME.fullmatch(name) and not _LONG_NUMBER.search(name))
    word = name if is_word else ANYTHING
    return (f"{at}.{word}" if at else word)[:_PATH_CHARACTERS_MAX]


def learnt(examples: Sequence[object]) -> Schema:
    """A schema that knows what these examples show: every field of any, required where all have it."""
    objects = [cast("Mapping[str, object]", each) for each in examples if isinstance(each, dict)]
    lists = [cast("list[object]", each) for each in examples if isinstance(each, list)]
    if objects and len(objects) == len(examples):
        names = sorted({name for each in objects for name in each})
        fields = {name: learnt([each[name] for each in objects if each.get(name) is not None]) for name in names}
        return {"type": "object", "properties": fields, "required": [n for n in names if all(n in o for o in objects)]}
    if lists and len(lists) == len(examples):
        return {"type": "array", "items": learnt([item for each in lists for item in each])}
    return True


def exact(value: object) -> Schema:
    """A schema of this value and no other, so that whether it fits another schema is a question of compatibility."""
    match value:
        case dict():
            fields = {name: exact(each) for name, each in cast("Mapping[str, object]", value).items()}
            return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}
        case list():
            items = [exact(each) for each in cast("list[object]", value)]
            count = len(items)
            return {"type": "array", "prefixItems": items, "items": False, "minItems": count, "maxItems": count}
        case _:
            return {"const": value}
