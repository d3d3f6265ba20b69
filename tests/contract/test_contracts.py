"""What is published about the retail language and the connectors is what the code says, and the examples are true."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from crossdock.canonical.nouns import COMMANDS, FACTS
from crossdock.canonical.schemas import drift, schema_of, schemas, write
from crossdock.connect.conformance_documents import noun_faults

ROOT = Path(__file__).parents[2]
V1 = ROOT / "contracts" / "v1"
Noun = type[msgspec.Struct]


def every_noun() -> Iterator[Any]:
    for folder, nouns in (("facts", FACTS), ("commands", COMMANDS)):
        for name, noun in nouns.items():
            yield pytest.param(f"{folder}/{name}", noun, id=f"{folder}/{name}")


def validator_of(name: str) -> jsonschema.Draft202012Validator:
    schema = msgspec.json.decode((V1 / f"{name}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def example_of(name: str) -> bytes:
    return (V1 / f"{name}.example.json").read_bytes()


@pytest.mark.parametrize(("name", "noun"), [*every_noun()])
def test_the_example_of_a_noun_fits_its_published_schema(name: str, noun: Noun) -> None:
    validator_of(name).validate(msgspec.json.decode(example_of(name)))


@pytest.mark.parametrize(("name", "noun"), [*every_noun()])
def test_the_example_of_a_noun_goes_through_its_type_unchanged(name: str, noun: Noun) -> None:
    value = msgspec.json.decode(example_of(name), type=noun)
    assert msgspec.json.decode(msgspec.json.encode(value)) == msgspec.json.decode(example_of(name))
    assert list(noun_faults(value)) == []


@pytest.mark.parametrize(("name", "noun"), [*every_noun()])
def test_a_value_without_a_required_field_is_refused_by_schema_and_type_alike(name: str, noun: Noun) -> None:
    example = msgspec.json.decode(example_of(name))
    validator = validator_of(name)
    for field in msgspec.json.schema(noun)["$defs"][noun.__name__].get("required", ()):
        lacking = {other: value for other, value in example.items() if other != field}
        assert not validator.is_valid(lacking)
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert(lacking, noun)


@pytest.mark.parametrize(("name", "noun"), [*every_noun()])
def test_a_reader_of_version_1_tolerates_a_field_it_does_not_know(name: str, noun: Noun) -> None:
    more = {**msgspec.json.decode(example_of(name)), "a_field_of_tomorrow": {"deep": [1]}}
    validator_of(name).validate(more)
    assert msgspec.json.decode(msgspec.json.encode(more), type=noun) == msgspec.json.decode(example_of(name), type=noun)


def test_the_published_schemas_are_those_of_the_types() -> None:
    assert drift(ROOT / "contracts") == []


def test_nothing_is_published_that_no_noun_stands_for() -> None:
    named = {f"{folder}/{name}" for folder, nouns in (("facts", FACTS), ("commands", COMMANDS)) for name in nouns}
    published = {f"{file.parent.name}/{file.name.split('.')[0]}" for file in V1.glob("*/*.json")}
    assert published == named


def test_a_time_is_published_as_a_time() -> None:
    order = schema_of(FACTS["order"], "facts:order")["$defs"]["Order"]["properties"]
    assert order["placed_at"] == {"type": "string", "format": "date-time"}
    assert {"type": "string", "format": "date-time"} in order["cancelled_at"]["anyOf"]
    assert "format" not in order["number"]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_drift_of_a_schema_is_named_by_its_file_and_mended_by_writing(tmp_path: Path) -> None:
    module, root = "crossdock.canonical.schemas", ("--root", str(tmp_path))
    write(tmp_path)
    (tmp_path / "v1/facts/order.schema.json").write_text("{}")
    (tmp_path / "v1/facts/customer.schema.json").unlink()
    (tmp_path / "v1/commands/bill.schema.json").write_text("{}")
    checked = run(module, "--check", *root)
    assert checked.returncode == 1
    assert f"{tmp_path}/v1/facts/order.schema.json: differs from the type; run `python -m" in checked.stderr
    assert "customer.schema.json: missing" in checked.stderr
    assert "bill.schema.json: no noun has this name" in checked.stderr
    assert len(checked.stderr.splitlines()) == 3
    assert run(module, "--write", *root).returncode == 0
    assert run(module, "--check", *root).returncode == 0
    assert {file.relative_to(tmp_path) for file in tmp_path.rglob("*.json")} == schemas().keys()


def test_the_capability_matrix_is_what_the_connectors_declare() -> None:
    checked = run("crossdock.connect.matrix", "--check")
    assert checked.returncode == 0, checked.stderr


def test_drift_of_the_capability_matrix_is_told_and_mended_by_writing(tmp_path: Path) -> None:
    page = tmp_path / "connectors.md"
    assert run("crossdock.connect.matrix", "--check", "--page", str(page)).returncode == 1
    assert run("crossdock.connect.matrix", "--write", "--page", str(page)).returncode == 0
    assert run("crossdock.connect.matrix", "--check", "--page", str(page)).returncode == 0
    assert "| act | `shipment_order` | Keyed for ever | 100 | yes | yes |" in page.read_text()
    page.write_text(page.read_text() + "\n")
    told = run("crossdock.connect.matrix", "--check", "--page", str(page))
    assert (told.returncode, "has drifted; run `python -m crossdock.connect.matrix --write`" in told.stderr) == (
        1,
        True,
    )
