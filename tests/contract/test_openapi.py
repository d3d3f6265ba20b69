"""The API keeps what its description promises: schemathesis asks it everything, with every check it has."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from crossdock.canonical.nouns import FACTS
from crossdock.gateway import asyncapi
from crossdock.gateway.catalogue import ORDER_EXAMPLE, ROUTES, SUBSCRIPTION_EXAMPLE
from crossdock.gateway.feed import WHAT, as_cloud_event
from crossdock.gateway.openapi import PAGE, document
from crossdock.gateway.signing_in import OPEN
from crossdock.govern.rights import SCOPES
from crossdock.store.events import Event
from tests.desk import API, Desk, desk
from tests.stage import order

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("CROSSDOCK_API_EXAMPLES", "4"))
"""Of each operation in each phase; `make nightly` takes 200."""
# What a channel asks.
CHANNEL = "/v1/orders$|/submission$|/v1/subscriptions|/v1/ask"
# What schemathesis takes for a fault unless it is told: a request that fits its schema, and yet not the order as it stands.
SETTINGS = """
[parameters]
"path.order" = "{order}"
"path.return" = "R"
"path.case" = "1"
"path.approval" = "1"
"path.connection" = "erp"
"path.subscription" = "{subscription}"

[[operations]]
include-operation-id = "unsubscribe"
parameters = {{ "path.subscription" = "{ended}" }}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "503"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "422", "428", "431"]
[checks.missing_required_header]
expected-statuses = ["400", "401", "406", "422", "428"]
"""


def test_the_description_among_the_contracts_is_what_the_hub_serves() -> None:
    assert (ROOT / PAGE).read_bytes() == document()


def test_every_type_of_problem_and_every_request_is_described() -> None:
    told = msgspec.json.decode(document())
    operations = [each for path in told["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all("4" in {status[0] for status in each["responses"]} for each in operations)
    assert told["openapi"].startswith("3.1")


def test_the_events_among_the_contracts_are_those_the_feed_tells() -> None:
    assert (ROOT / asyncapi.PAGE).read_bytes() == asyncapi.document()
    described = msgspec.json.decode(asyncapi.document())["components"]
    at = datetime(2026, 3, 2, tzinfo=UTC)
    for kind in FACTS:
        for what in WHAT:
            event = as_cloud_event(Event(7, 1, "9", at, "order:shop:1", "shop", kind, "1", f"{kind}:shop:1", what))
            message = described["messages"][f"{kind}_{what}"]
            schema = message["payload"] | {"components": {"schemas": described["schemas"]}}
            Draft202012Validator(schema).validate(msgspec.to_builtins(event))
            assert message["name"] == event.type


async def judged(at: Desk, who: str, folder: Path, order_: str, *more: str, **named: str) -> str:
    """What schemathesis says; its exit code must be 0."""
    names = {"subscription": "none", "ended": "none"} | named
    (folder / "schemathesis.toml").write_text(SETTINGS.format(order=order_, **names))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("st")), "run", f"{at.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {at.keys[who]}", "--checks", "all", "--max-examples", str(EXAMPLES),
        "--seed", "1", "--workers", "1", "--no-color", *more,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    if kept := os.environ.get("CROSSDOCK_API_JUDGED"):
        (Path(kept) / f"{who}.txt").write_text(output)
    assert process.returncode == 0, output
    return output


async def subscribed(at: Desk) -> dict[str, str]:
    """Two subscriptions of the channel: one that stays, and one to end."""
    made = [await at.ask("POST", "/v1/subscriptions", SUBSCRIPTION_EXAMPLE, who="market") for _ in range(2)]
    assert [status for status, _ in made] == [201, 201]
    return {name: said["id"] for name, (_, said) in zip(("subscription", "ended"), made, strict=True)}


@pytest.mark.timeout(60 + 40 * EXAMPLES)
async def test_schemathesis_finds_nothing(database_url: str, tmp_path: Path) -> None:
    more = {"connections": {"market": {"connector": "partner"}}, "api": API | {"person_per_minute": 1_000_000}}
    async with desk(database_url, order(units=100_000), more=more) as at:
        await at.admit("market", SCOPES, "main", "market")
        await at.admit("whole", [each for each in SCOPES if each != "orders:write"])
        await at.employ("Ada", "admin")
        at.stage.sql("update consumer set per_minute = 1000000")
        await at.done("1/returns", {"lines": [{"line": "1-0", "units": 50_000}], "id": "R"})
        assert (await at.ask("POST", "/v1/orders", ORDER_EXAMPLE, who="market"))[0] == 202
        everything = [  # everybody is asked what they may
            await judged(at, "whole", tmp_path, "1", "--exclude-tag", "deciding", "--exclude-path-regex", CHANNEL),
            await judged(
                at,
                "market",
                tmp_path,
                "M-1001",
                "--include-path-regex",
                f"{CHANNEL}|/operations/",
                **await subscribed(at),
            ),
            # what people decide leads to nothing else that is asked
            await judged(
                at, "Ada", tmp_path, "1", "--include-tag", "deciding", "--phases", "examples,coverage,fuzzing"
            ),
        ]
        tested = sum(int(said.partition("Tested: ")[2].split()[0]) for said in everything)
        assert tested == len(ROUTES) + len(OPEN) + 1  # what became of a request is asked by both
        assert at.stage.count("select count(*) from own_fact") > 2  # it got as far as doing something
        assert at.stage.count("select count(*) from inbox where connection = 'market'") > 0
        await at.stage.settle()
        await at.stage.checked()
