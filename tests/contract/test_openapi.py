"""The API keeps what its description promises: schemathesis asks it everything, with every check it has."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from crossdock.canonical.nouns import FACTS
from crossdock.gateway import asyncapi
from crossdock.gateway.catalogue import ORDER_EXAMPLE, ROUTES, SUBSCRIPTION_EXAMPLE
from crossdock.gateway.deliveries import silent_event
from crossdock.gateway.feed import WHAT, as_cloud_event
from crossdock.gateway.openapi import PAGE, document
from crossdock.gateway.route import Route
from crossdock.gateway.signing import new_secret, signed_headers
from crossdock.gateway.signing_in import OPEN
from crossdock.govern.rights import SCOPES
from crossdock.store.events import Event
from tests.desk import API, Desk, desk
from tests.integration.test_approvals import sale_with_leave
from tests.stage import Message, order, shipment

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("CROSSDOCK_API_EXAMPLES", "4"))
"""Of each operation in each phase; `make nightly` takes 200."""
SIGNING_IN = {"signIn", "tradeKey"}


def _asked_by(route: Route) -> str:
    """Whoever may."""
    match route.tag:
        case "deciding":
            return "Ada"
        case "subscriptions" | "ask":
            return "partner"
        case _:
            return "market" if route.right == "orders:write" or route.name == "getSubmission" else "whole"


GROUPS = {
    who: {route.name for route in ROUTES if _asked_by(route) == who} for who in ("whole", "market", "partner", "Ada")
}
GROUPS["whole"] |= SIGNING_IN
GROUPS["market"] |= {"getOperation", "getOrder"}  # where a submission leads
EXCHANGE = {
    "id": "R",
    "lines": [{"line": "1-0", "units": 50_000}],
    "settle_by": "exchange",
    "replacements": [{"sku": "MUG-BLUE", "price": "9.00"}],
}
# What schemathesis takes for a fault unless it is told: a request that fits its schema, and yet not the order as it stands.
SETTINGS = """
[parameters]
"path.order" = "{order}"
"path.return" = "R"
"path.case" = "{set_aside}"
"path.approval" = "{approval}"
"path.connection" = "erp"
"path.subscription" = "{subscription}"

[[operations]]
include-operation-id = "unsubscribe"
parameters = {{ "path.subscription" = "{ended}" }}

[[operations]]
include-operation-id = "resolveCase"
parameters = {{ "path.case" = "{doubt}" }}

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


def test_what_can_be_asked_next_is_described_and_finds_all_its_address_needs_in_the_answer() -> None:
    told = msgspec.json.decode(document())
    operations = {each["operationId"]: each for path in told["paths"].values() for each in path.values()}
    answers = [(each, answer) for each in operations.values() for answer in each["responses"].values()]
    found = [(each, answer, link) for each, answer in answers for link in answer.get("links", {}).values()]
    assert {link["operationId"] for _, _, link in found} >= {"getReturn", "replaceOrder", "getDelivery", "listEvents"}
    for asked, answer, link in found:
        takes = {each["name"]: each["in"] for each in operations[link["operationId"]]["parameters"]}
        assert link["parameters"].keys() <= takes.keys()
        assert {name for name, where in takes.items() if where == "path"} <= link["parameters"].keys()
        shape = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        known = {f"$response.body#/{name}" for name in told["components"]["schemas"][shape]["properties"]}
        known |= {f"$response.header.{name}" for name in answer["headers"]}
        known |= {f"$request.path.{each['name']}" for each in asked["parameters"] if each["in"] == "path"}
        assert set(link["parameters"].values()) <= known


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


def test_what_a_subscriber_is_sent_is_described_with_its_headers_and_the_event_that_says_nothing() -> None:
    described = msgspec.json.decode(asyncapi.document())
    channels, messages = described["channels"], described["components"]["messages"]
    sent, read = (channels[name]["messages"].keys() for name in ("deliveries", "events"))
    assert sent - read == {"test"}
    event = silent_event("test-1", "sub_1", datetime(2026, 3, 2, tzinfo=UTC))
    schema = messages["test"]["payload"] | {"components": {"schemas": described["components"]["schemas"]}}
    Draft202012Validator(schema).validate(msgspec.to_builtins(event))
    assert messages["test"]["name"] == event.type
    signed = signed_headers([new_secret()], "1-2", 1, b"{}")
    assert all(signed.keys() <= each["headers"]["properties"].keys() for each in messages.values())


async def judged(at: Desk, who: str, folder: Path, order_: str, operations: Iterable[str], **named: str) -> str:
    """What schemathesis says of each request by itself, and then of what follows from what; its exit code must be 0."""
    (folder / "schemathesis.toml").write_text(SETTINGS.format(order=order_, **named))
    said = await _said_by_schemathesis(at, who, folder, operations, "examples,coverage,fuzzing")
    # What people decide leads to nothing that is asked next; and what is ended is one that all else needs.
    if follows := [] if who == "Ada" else [each for each in operations if each != "unsubscribe"]:
        await _said_by_schemathesis(at, who, folder, follows, "stateful")
    return said


async def _said_by_schemathesis(at: Desk, who: str, folder: Path, operations: Iterable[str], phases: str) -> str:
    only = [f"--include-operation-id={each}" for each in sorted(operations)]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("st")), "run", f"{at.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {at.keys[who]}", "--checks", "all", "--max-examples", str(EXAMPLES),
        "--seed", "1", "--workers", "1", "--no-color", "--phases", phases, *only,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    if kept := os.environ.get("CROSSDOCK_API_JUDGED"):
        (Path(kept) / f"{who}-{phases}.txt").write_text(output)
    assert process.returncode == 0, output
    return output


async def subscribed(at: Desk) -> dict[str, str]:
    """Two subscriptions of the partner: one that stays, and one to end."""
    made = [await at.ask("POST", "/v1/subscriptions", SUBSCRIPTION_EXAMPLE, who="partner") for _ in range(2)]
    assert [status for status, _ in made] == [201, 201]
    return {name: said["id"] for name, (_, said) in zip(("subscription", "ended"), made, strict=True)}


async def undecided(at: Desk) -> dict[str, str]:
    """Something for people to decide: a message set aside, a mail that may have been sent, and a sale that needs leave."""
    assert at.stage.target is not None
    at.stage.target.fault("parcel_notice", "commit_then_drop")
    await at.stage.tell(Message("shop", "document", b'{"kind": "order", "id": 7}', "m-bad"))
    await at.stage.tell(shipment("S1", order()))
    await at.stage.run()
    rules = at.stage.hub.rules
    at.stage.hub.rules = replace(rules, owed=sale_with_leave)
    await at.stage.tell(order("2", units=9))
    at.stage.hub.rules = rules
    cases = dict(at.stage.rows("select kind, id from cases where closed_at is null"))
    [(approval,)] = at.stage.rows("select id from approval_request")
    return {"set_aside": str(cases["quarantine"]), "doubt": str(cases["doubt"]), "approval": str(approval)}


def test_every_request_is_judged_as_asked_by_somebody_who_may() -> None:
    judged_ = {name for names in GROUPS.values() for name in names}
    assert judged_ == {route.name for route in ROUTES} | SIGNING_IN
    assert len(OPEN) == len(SIGNING_IN)


@pytest.mark.timeout(300 + 40 * EXAMPLES)
@pytest.mark.parametrize("who", GROUPS)
async def test_schemathesis_finds_nothing(database_url: str, tmp_path: Path, who: str) -> None:
    api = API | {"person_per_minute": 1_000_000, "token_seconds": 24 * 3600}
    more = {"connections": {"market": {"connector": "partner"}}, "api": api}
    async with desk(database_url, order(units=100_000), more=more) as at:
        await at.admit("market", SCOPES, "main", "market")
        await at.admit("partner", SCOPES, "main", "market")
        await at.admit("whole", [each for each in SCOPES if each != "orders:write"])
        await at.employ("Ada", "admin", "finance")
        at.stage.sql("update consumer set per_minute = 1000000")
        await at.done("1/returns", EXCHANGE)
        # Another than the example's, which then is an order of its own.
        assert (await at.ask("POST", "/v1/orders", ORDER_EXAMPLE | {"id": "M-1000"}, who="market"))[0] == 202
        named = await subscribed(at) | await undecided(at)
        before = at.stage.count("select count(*) from operation")
        order_ = "M-1000" if who == "market" else "1"
        said = await judged(at, who, tmp_path, order_, GROUPS[who], **named)
        # Who is let in no more is told 401 whatever they ask, which is no finding.
        assert (await at.ask("GET", "/v1/operations/none", who=who))[0] == 404
        assert int(said.partition("Tested: ")[2].split()[0]) == len(GROUPS[who])
        assert at.stage.count("select count(*) from operation") > before  # it got as far as doing something
        done = {what for (what,) in at.stage.rows("select what from decision where by = 'Ada'")}
        assert who != "Ada" or done >= {"read again", "happened", "approve", "map", "release"}
        await at.stage.settle()
        await at.stage.checked()
