"""Limits of single values, compared: what one schema lets through and another doesn't. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """Something that may be written and is not read; `at` is its path, `lines[].sku`, empty for the whole."""

    at: str
    why: str

    def __str__(self) -> str:
        return f"{self.at or 'the whole'} {self.why}"


_AT_LEAST = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_AT_MOST = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_SAME = ("pattern", "format", "multipleOf", "uniqueItems", "propertyNames", "patternProperties", "not", "contains")
# What says nothing of what may be written, and what is compared elsewhere.
_KNOWN = frozenset(
    (*_AT_LEAST, *_AT_MOST, *_SAME, "type", "enum", "const", "properties", "required", "additionalProperties", "items",
     "prefixItems", "allOf", "anyOf", "oneOf", "title", "description", "default", "examples", "example", "deprecated",
     "readOnly", "writeOnly", "discriminator", "$schema", "$id", "$defs", "$comment", "$anchor")
)  # fmt: skip
EXTENSIBLE = "x-extensible-enum"
"""Beside an enum: readers take values they don't know for some other one, so more may come."""
_NAMES = re.compile(r"\^\(([\w|]+)\)\$")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}


def limits_broken(written: Told, read: Told, at: str) -> Iterator[Break]:
    """Types, values and limits."""
    if (values := values_of(written)) is not None:
        yield from _values_broken(values, read, at)
        return
    kind, wanted = written.get("type"), read.get("type")
    if wanted is not None and kind != wanted and (kind, wanted) != ("integer", "number"):
        yield Break(at, f"may be {kind or 'anything'}, and only {wanted} is read")
        return
    if (known := values_of(read)) is not None and not read.get(EXTENSIBLE):
        yield Break(at, f"may be any {kind or 'value'}, and only {_listed(known)} is read")
    for word in _AT_LEAST:
        yield from _bound_broken(word, written, read, at, low=True)
    for word in _AT_MOST:
        yield from _bound_broken(word, written, read, at, low=False)
    for word in read:
        if (word in _SAME or (word not in _KNOWN and not word.startswith("x-"))) and read[word] != written.get(word):
            told = f"has {word} {written[word]!r}" if word in written else f"has no {word}"
            yield Break(at, f"{told}, and only {read[word]!r} is read")


def _bound_broken(word: str, written: Told, read: Told, at: str, *, low: bool) -> Iterator[Break]:
    """An exclusive limit counts for an inclusive one of the same number, and the other way round where it is stricter."""
    if word not in read:
        return
    limit, told = read[word], _told_bound(word, written)
    enough = told is not None and (told >= limit if low else told <= limit)
    if not enough:
        may = "any" if told is None else f"{word} {told}"
        yield Break(at, f"may be {may}, and {word} {limit} is read")


def _told_bound(word: str, written: Told) -> Any:
    if word in ("minItems", "minProperties", "minLength"):
        return written.get(word, 0)
    other = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}.get(word, "")
    return written.get(word, written.get(other))


def values_of(schema: Told) -> Sequence[Any] | None:
    """The few values it allows, a pattern that only lists names included; None where it doesn't name them."""
    if "const" in schema:
        return (schema["const"],)
    listed = _NAMES.fullmatch(str(schema.get("pattern", "")))
    return schema.get("enum", listed and listed[1].split("|"))


def _values_broken(values: Sequence[Any], read: Told, at: str) -> Iterator[Break]:
    known = values_of(read)
    for value in values:
        if known is not None and not read.get(EXTENSIBLE):
            if not any(_same(value, each) for each in known):
                yield Break(at, f"may be {value!r}, and only {_listed(known)} is read")
        elif not _fits(value, read):
            yield Break(at, f"may be {value!r}, which is not read")


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) is isinstance(other, bool)


def _fits(value: Any, read: Told) -> bool:
    wanted = read.get("type")
    if wanted is not None:
        is_number = wanted in ("integer", "number")
        if not isinstance(value, _TYPES[wanted]) or (is_number and isinstance(value, bool)):
            return False
    if isinstance(value, str):
        return _text_fits(value, read)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return read.get("minimum", value) <= value <= read.get("maximum", value)
    return True


def _text_fits(value: str, read: Told) -> bool:
    fits = read.get("minLength", 0) <= len(value) <= read.get("maxLength", len(value))
    return fits and ("pattern" not in read or re.search(read["pattern"], value) is not None)


def _listed(values: Sequence[Any]) -> str:
    told = ", ".join(repr(each) for each in values[:6])
    return f"{told} and {len(values) - 6} more" if len(values) > 6 else told
