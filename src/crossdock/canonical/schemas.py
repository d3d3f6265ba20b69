"""The retail language as JSON Schemas, generated: `python -m crossdock.canonical.schemas --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from crossdock.canonical.nouns import COMMANDS, FACTS, VERSION

ROOT = Path("contracts")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[Path, bytes]:
    """Every noun's schema, by its file under the contracts folder: v1/facts/order.schema.json."""
    return {
        Path(f"v{VERSION}", folder, f"{name}.schema.json"): _written(schema_of(noun, f"{folder}:{name}"))
        for folder, nouns in (("facts", FACTS), ("commands", COMMANDS))
        for name, noun in nouns.items()
    }


def schema_of(noun: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """The JSON Schema of one noun; `name` as in "facts:order". Unknown fields are allowed: readers tolerate them."""
    schema = msgspec.json.schema(noun)
    definitions: dict[str, Any] = schema["$defs"]
    for struct, field in _times_in(inspect.type_info(noun), set()):
        _as_time(definitions[struct]["properties"][field])
    return {"$schema": _DIALECT, "$id": f"urn:crossdock:v{VERSION}:{name}", **schema}


def drift(root: Path) -> list[str]:
    """What differs between the files under `root` and the types, a line for each file; nothing when all agree."""
    generated = schemas()
    found = {file.relative_to(root): file.read_bytes() for file in root.glob(f"v{VERSION}/*/*.schema.json")}
    return [f"{root / file}: {_what_differs(file, found, generated)}" for file in sorted(_differing(found, generated))]


def write(root: Path) -> None:
    """Make the files under `root` what the types say; schemas of nouns that are no more are removed."""
    generated = schemas()
    for file, content in generated.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
    for file in root.glob(f"v{VERSION}/*/*.schema.json"):
        if file.relative_to(root) not in generated:
            file.unlink()


def _differing(found: Mapping[Path, bytes], generated: Mapping[Path, bytes]) -> Iterator[Path]:
    for file in found.keys() | generated.keys():
        if found.get(file) != generated.get(file):
            yield file


def _what_differs(file: Path, found: Mapping[Path, bytes], generated: Mapping[Path, bytes]) -> str:
    if file not in found:
        return "missing"
    return "differs from the type" if file in generated else "no noun has this name"


def _written(schema: dict[str, Any]) -> bytes:
    # msgspec names a generic type after its parameters; "Money[Any]" says less than "Money"
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
    return text.replace(b"Money_Any_", b"Money").replace(b"Money[Any]", b"Money")


def _times_in(shape: inspect.Type, seen: set[str]) -> Iterator[tuple[str, str]]:
    """(struct, field) of every time; msgspec tells them from other strings only where an offset is required."""
    if isinstance(shape, inspect.StructType):
        name = shape.cls.__name__
        fields = () if name in seen else shape.fields
        seen.add(name)
        for field in fields:
            if _holds_a_time(field.type):
                yield name, field.encode_name
            yield from _times_in(field.type, seen)
    elif isinstance(shape, inspect.UnionType):
        for each in shape.types:
            yield from _times_in(each, seen)
    elif isinstance(shape, inspect.VarTupleType | inspect.ListType):
        yield from _times_in(shape.item_type, seen)


def _holds_a_time(shape: inspect.Type) -> bool:
    members = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    return any(isinstance(each, inspect.DateTimeType) for each in members)


def _as_time(schema: dict[str, Any]) -> None:
    for each in schema.get("anyOf", [schema]):
        if each.get("type") == "string":
            each["format"] = "date-time"


def main() -> int:
    """Write the schemas, or tell which files have drifted: exit code 1 then."""
    parser = argparse.ArgumentParser(description="The contract's JSON Schemas, from the canonical types.")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--write", action="store_true", help="write the files")
    either.add_argument("--check", action="store_true", help="name the files that differ; exit 1 when there are any")
    parser.add_argument("--root", type=Path, default=ROOT, help="the contracts folder (default: %(default)s)")
    given = parser.parse_args()
    if given.write:
        write(given.root)
        return 0
    drifted = drift(given.root)
    for line in drifted:
        print(f"{line}; run `python -m crossdock.canonical.schemas --write`", file=sys.stderr)
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
