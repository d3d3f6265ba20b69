"""Whether what is written by one JSON Schema can be read by another: the question behind every level of compatibility. Pure.

The levels are those of the field's registries: *backward* lets readers of the new version read what the old one wrote,
*forward* readers of the old version what the new one writes, *full* is both; *transitive* looks at every earlier version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from crossdock.govern.limits import Break, limits_broken, values_of

Schema = Mapping[str, Any] | bool
Level = Literal["none", "backward", "forward", "full", "backward_transitive", "forward_transitive", "full_transitive"]
LEVELS: tuple[Level, ...] = get_args(Level)
Direction = Literal["backward", "forward"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing that keeps a new version from being compatible with an earlier one."""

    direction: Direction
    version: str
    broken: Break

    def __str__(self) -> str:
        reader = "its readers" if self.direction == "forward" else "the new version's readers"
        writer = "the new version" if self.direction == "forward" else "it"
        return f"{self.direction}, version {self.version}: {self.broken} ({writer} writes, {reader} refuse)"


def conflicts(
    earlier: Sequence[tuple[str, Schema]], later: Schema, level: Level, *, strict: bool = False
) -> list[Conflict]:
    """What keeps `later` from this level, given (version, schema) of all earlier ones in their order."""
    compared = earlier if level.endswith("_transitive") else earlier[-1:]
    found: list[Conflict] = []
    for version, schema in compared:
        if level.startswith(("backward", "full")):
            found += [Conflict("backward", version, each) for each in refused(schema, later, strict=strict)]
        if level.startswith(("forward", "full")):
            found += [Conflict("forward", version, each) for each in refused(later, schema, strict=strict)]
    return found


def refused(writer: Schema, reader: Schema, *, strict: bool = False) -> list[Break]:
    """Everything that may be written by one schema and is refused by the other; nothing when all of it can be read.

    Schemas leave objects open so that readers tolerate what they don't know; who writes writes what is declared. `strict`
    takes an open object at its word instead, as Confluent's default does: any undeclared field may already hold anything.
    """
    return Comparison(writer, reader, strict=strict).breaks(writer, reader, "")


@dataclass
class Comparison:
    """A writer's and a reader's document, which their references lead into."""

    writer: Schema
    reader: Schema
    strict: bool = False
    _under_way: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def breaks(self, writer: Schema, reader: Schema, at: str) -> list[Break]:
        written, read = resolved(self.writer, writer), resolved(self.reader, reader)
        pair = (id(written), id(read))
        if read is True or read == {} or written is False or pair in self._under_way:
            return []  # of a schema inside itself: it is read if the rest of it is
        if read is False:
            return [Break(at, "is not read at all")]
        self._under_way.add(pair)
        try:
            return [each for one in _alternatives(written) for each in self._one(one, read, at)]
        finally:
            self._under_way.remove(pair)

    def _one(self, written: Schema, read: Mapping[str, Any], at: str) -> list[Break]:
        """One alternative of the writer, which any one alternative of the reader has to take."""
        written = _whole(self.writer, written)
        if _is_choice(written):
            return self.breaks(written, read, at)
        choices = [resolved(self.reader, each) for each in _alternatives(read)]
        tried = [self._plain(written, each, at) for each in choices]
        if any(not each for each in tried):
            return []
        alike = [each for each, choice in zip(tried, choices, strict=True) if _alike(written, choice)]
        if alike or len(tried) == 1:
            return min(alike or tried, key=len)
        return [_unread(written, choices, at)]

    def _plain(self, written: Schema, read: Schema, at: str) -> list[Break]:
        if read is True or read == {}:
            return []
        if not isinstance(read, Mapping):
            return [Break(at, "is not read at all")]
        if _is_choice(read):
            return self.breaks(written, read, at)
        whole = [each for part in read.get("allOf", ()) for each in self.breaks(written, part, at)]
        if not isinstance(written, Mapping) or written == {}:
            return whole + _anything(read, at)
        return whole + list(limits_broken(written, read, at)) + list(self._inside(written, read, at))

    def _inside(self, written: Mapping[str, Any], read: Mapping[str, Any], at: str) -> Iterator[Break]:
        match _kind(written):
            case "object":
                yield from self._fields(written, read, at)
            case "array":
                yield from self._items(written, read, at)
            case _:
                pass

    def _fields(self, written: Mapping[str, Any], read: Mapping[str, Any], at: str) -> Iterator[Break]:
        told, known = written.get("properties", {}), read.get("properties", {})
        for name in read.get("required", ()):
            if name not in written.get("required", ()):
                may = "may be left out" if name in told else "is not written"
                yield Break(_under(at, name), f"is required, and {may}")
        for name, schema in told.items():
            if name in known:
                yield from self.breaks(schema, known[name], _under(at, name))
            else:
                yield from self._undeclared(schema, read, _under(at, name))
        yield from self._others(written, read, at)

    def _undeclared(self, schema: Schema, read: Mapping[str, Any], at: str) -> Iterator[Break]:
        """A field that the reader does not name."""
        rest = read.get("additionalProperties", True)
        if rest is False:
            yield Break(at, "is not known, and unknown fields are refused")
        elif rest is not True:
            yield from self.breaks(schema, rest, at)

    def _others(self, written: Mapping[str, Any], read: Mapping[str, Any], at: str) -> Iterator[Break]:
        """Fields that the writer does not name."""
        rest = written.get("additionalProperties", True)
        if rest is False or (rest is True and not self.strict):
            return
        for name, schema in read.get("properties", {}).items():
            if name not in written.get("properties", {}) and self.strict:
                for each in self.breaks(rest, schema, _under(at, name)):
                    yield Break(each.at, f"{each.why}, and may have been written before it was declared")
        yield from self._undeclared(rest, read, _under(at, "*"))

    def _items(self, written: Mapping[str, Any], read: Mapping[str, Any], at: str) -> Iterator[Break]:
        first, known = written.get("prefixItems", ()), read.get("prefixItems", ())
        for nth, schema in enumerate(first):
            yield from self.breaks(schema, known[nth] if nth < len(known) else read.get("items", True), f"{at}[{nth}]")
        rest = written.get("items", True)
        if rest is False or written.get("maxItems", len(first) + 1) <= len(first):
            return
        for schema in [*known[len(first) :], read.get("items", True)]:
            yield from self.breaks(rest, schema, f"{at}[]")


def resolved(document: Schema, schema: Schema) -> Schema:
    """What a reference inside the document leads to; `ValueError` for one that leads elsewhere."""
    while isinstance(schema, Mapping) and "$ref" in schema:
        reference = str(schema["$ref"])
        if not reference.startswith("#/"):
            raise ValueError(f"{reference!r} leads out of the document; put what it names under $defs")
        schema = document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(schema, Mapping) or name not in schema:
                raise ValueError(f"{reference!r} leads nowhere")
            schema = schema[name]
    return schema


def _is_choice(schema: Schema) -> bool:
    return isinstance(schema, Mapping) and (
        "anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list)
    )


def _alternatives(schema: Schema) -> list[Schema]:
    """A choice taken apart: of schemas, of types, or of values; what stands beside a choice holds for each of it."""
    if not isinstance(schema, Mapping):
        return [schema]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            beside = {name: told for name, told in schema.items() if name != word and name not in _SAYINGS}
            return [_beside(each, beside) for each in schema[word]]
    if isinstance(types := schema.get("type"), list):
        return [{**schema, "type": each} for each in cast("list[str]", types)]
    if len(values := values_of(schema) or ()) > 1:
        return [{**{n: t for n, t in schema.items() if n != "enum"}, "const": each} for each in values]
    return [schema]


_SAYINGS = frozenset(("title", "description", "default", "discriminator", "examples", "deprecated"))


def _beside(schema: Schema, beside: Mapping[str, Any]) -> Schema:
    if not beside:
        return schema
    return {"allOf": [schema, beside]} if isinstance(schema, Mapping) else schema


def _whole(document: Schema, written: Schema) -> Schema:
    """A writer's schema with its `allOf` taken in: it writes what fits all of it."""
    written = resolved(document, written)
    if not isinstance(written, Mapping) or "allOf" not in written:
        return written
    parts = [_whole(document, each) for each in written["allOf"]]
    whole: Mapping[str, Any] = {name: told for name, told in written.items() if name != "allOf"}
    for part in parts:
        whole = _both(whole, part) if isinstance(part, Mapping) else whole
    return whole


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = dict(one.get("properties", {}))
    for name, schema in other.get("properties", {}).items():
        fields[name] = {"allOf": [fields[name], schema]} if name in fields else schema
    required = [*one.get("required", ()), *other.get("required", ())]
    return {**other, **one} | ({"properties": fields, "required": required} if fields else {})


def _kind(schema: Schema) -> object:
    if not isinstance(schema, Mapping):
        return None
    if "type" in schema:
        return schema["type"]
    return "object" if "properties" in schema else None


def _alike(one: Schema, other: Schema) -> bool:
    """Whether they are of one kind, and carry no tags that tell them apart."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping) or _kind(one) != _kind(other):
        return False
    known = other.get("properties", {})
    return all(
        _tag(told) == _tag(known[name]) for name, told in one.get("properties", {}).items() if _tag(known.get(name))
    )


def _tag(schema: Any) -> object:
    """The one value a field has in all of an alternative."""
    values = values_of(cast("Mapping[str, Any]", schema)) if isinstance(schema, Mapping) else None
    return values[0] if values and len(values) == 1 else None


def _anything(read: Mapping[str, Any], at: str) -> list[Break]:
    """Anything at all is written where the reader wants something."""
    wanted = _kind(read) or ("one of a few values" if values_of(read) else None)
    return [Break(at, f"may be anything, and only {wanted} is read")] if wanted else []


def _unread(written: Schema, choices: Sequence[Schema], at: str) -> Break:
    known = ", ".join(sorted({str(_kind(each) or "a value") for each in choices}))
    return Break(at, f"may be {_kind(written) or 'anything'}, and only {known} is read")


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
