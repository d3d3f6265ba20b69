"""What was registered stays so: the contracts keep to their registered versions, and there is no way around the gate."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from crossdock.govern.released import API, Contract, Release, broken_by, contracts_in, refusals, releases

ROOT = Path(__file__).parents[2] / "contracts"
TODAY = date(2026, 11, 22)
FAR = {"1": TODAY + timedelta(days=90)}


def contracts() -> dict[str, Contract]:
    return contracts_in(ROOT)


def with_version(found: dict[str, Contract], version: str) -> dict[str, Contract]:
    schema: dict[str, Any] = found[API].schema
    return found | {API: Contract(schema={**schema, "info": {**schema["info"], "version": version}})}


def without(found: dict[str, Contract], name: str, field: str) -> dict[str, Contract]:
    """A contract whose required field is gone."""
    schema = msgspec.json.decode(msgspec.json.encode(found[name].schema))
    noun = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    del noun["properties"][field]
    noun["required"].remove(field)
    return found | {name: Contract(schema=schema)}


@pytest.fixture(scope="module")
def released() -> list[Release]:
    found = contracts()
    return [Release(version="1.0.0", registered_on=TODAY, contracts=found)]


def test_the_contracts_keep_what_every_registered_version_promised() -> None:
    assert broken_by(contracts(), releases(), TODAY) == []


def test_everything_that_is_published_is_registered_with_an_example() -> None:
    found = releases()[-1].contracts
    assert {name for name in found if "/" not in name} == {"api", "events"}
    assert all(each.example is not None for name, each in found.items() if "/" in name)


def test_a_field_that_is_taken_back_is_refused_without_a_new_major_version_and_a_sunset(
    released: list[Release],
) -> None:
    broken = without(contracts(), "facts/order", "number")
    told = refusals(with_version(broken, "1.1.0"), released, FAR, TODAY)
    assert any("facts/order: forward, version 1.0.0: number is required, and is not written" in each for each in told)
    assert told[-1].startswith("version 1.1.0 can't take that back")
    assert "until when version 1 is served" in refusals(with_version(broken, "2.0.0"), released, {}, TODAY)[0]
    soon = {"1": TODAY + timedelta(days=89)}
    assert refusals(with_version(broken, "2.0.0"), released, soon, TODAY)
    assert refusals(with_version(broken, "2.0.0"), released, FAR, TODAY) == []


def test_a_registered_version_never_gets_other_contents(released: list[Release]) -> None:
    first = released[0]
    other = replace(first, contracts={**first.contracts, "facts/extra": Contract(schema={"type": "object"})})
    assert refusals(contracts(), released, {}, TODAY) == []
    assert "is registered with other contents" in refusals(contracts(), [other], {}, TODAY)[0]


def test_an_event_and_a_whole_contract_that_are_gone_are_found(released: list[Release]) -> None:
    found = contracts()
    del found["facts/dispute"]
    schema = msgspec.json.decode(msgspec.json.encode(found["events"].schema))
    del schema["components"]["messages"]["dispute_gone"]
    told = broken_by(found | {"events": Contract(schema=schema)}, released, TODAY)
    assert told == ["facts/dispute: it is gone", "events: crossdock.dispute.gone is not told any more"]
