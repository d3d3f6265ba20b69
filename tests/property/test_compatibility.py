"""Another judge (jsoncompat) agrees with what the gate lets through, on changes made at random to the contracts there are."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import jsoncompat
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.govern.compatibility import refused

FOLDER = Path(__file__).parents[2] / "contracts" / "v1"
SCHEMAS = [json.loads(file.read_bytes()) for file in sorted(FOLDER.glob("*/*.schema.json"))]


def objects(schema: Any) -> list[dict[str, Any]]:
    """Every object's schema in it."""
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    own = [schema] if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else []
    return own + [found for each in inside for found in objects(each)]


def mutated(schema: Any, random: Random) -> Any:
    """One change, somewhere."""
    new = deepcopy(schema)
    filled = [each for each in objects(new) if each["properties"]]  # an earlier change may have dropped the last field
    if not filled:
        return new
    held = random.choice(filled)
    fields, name = held["properties"], random.choice([*held["properties"]])
    required = set(held.get("required", ()))
    match random.choice(("drop", "add", "demand", "optional", "required", "type", "values", "limit", "null", "closed")):
        case "drop":
            del fields[name]
            required -= {name}
        case "add":
            fields["colour"] = {"type": "string"}
        case "demand":
            fields["colour"] = {"type": "string"}
            required |= {"colour"}
        case "optional":
            required -= {name}
        case "required":
            required |= {name}
        case "type":
            fields[name] = {"type": random.choice(("integer", "number", "string", "boolean", "array"))}
        case "values":
            fields[name] = {"enum": random.choice((["a"], ["a", "b"]))}
        case "limit":
            word = {"string": "maxLength", "integer": "minimum", "array": "maxItems"}.get(fields[name].get("type"))
            fields[name] |= {word: random.choice((3, 5))} if word else {}
        case "null" if "anyOf" not in fields[name]:
            fields[name] = {"anyOf": [fields[name], {"type": "null"}]}
        case _:
            held["additionalProperties"] = False
    held["required"] = sorted(required)
    return new


def written(schema: Any) -> Any:
    """As jsoncompat is told that who writes writes what is declared, and nothing else."""
    new = deepcopy(schema)
    for each in objects(new):
        each.setdefault("additionalProperties", False)
    return new


def plain(schema: Any) -> Any:
    """Without its name, and without what only jsoncompat takes for a remark: how a text is to be read."""
    told = {name: each for name, each in schema.items() if name != "$id"}
    return json.loads(json.dumps(told).replace('"format": "date-time"', '"description": "a time"'))


@settings(max_examples=60, deadline=None)
@given(schema=st.sampled_from(SCHEMAS), seed=st.integers(0, 2**32), changes=st.integers(1, 3))
def test_jsoncompat_lets_through_what_the_gate_does_and_nothing_else(schema: Any, seed: int, changes: int) -> None:
    random, other = Random(seed), plain(schema)
    for _ in range(changes):
        other = mutated(other, random)
    for writer, reader in ((plain(schema), other), (other, plain(schema))):
        judged = jsoncompat.check_compat(json.dumps(written(writer)), json.dumps(reader), "deserializer")
        assert (not refused(writer, reader)) is judged, [str(each) for each in refused(writer, reader)]
