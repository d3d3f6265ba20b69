"""What people allow and change, from a terminal: every answer as text and JSON, every refusal in one line with its code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crossdock.cli.app import EXIT_FOUND, EXIT_OK
from crossdock.cli.governing import app
from tests.integration.test_approvals import sale_with_leave
from tests.stage import Stage, order, staged
from tests.standin.target import Target

SETTINGS = """
[hub]
database_url = "{database_url}"
[roles]
erp = "erp"
[people]
finance = ["Mara", "Otto"]
[connections.shop]
connector = "tests.standin"
url = "http://127.0.0.1:1"
[connections.erp]
connector = "tests.standin"
url = "http://127.0.0.1:1"
"""


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Callable[..., Result]:
    file = tmp_path / "crossdock.toml"
    file.write_text(SETTINGS.format(database_url=database_url))
    return lambda *words: CliRunner().invoke(app, ["--config", str(file), *map(str, words)])


def on_stage(database_url: str, work: Callable[[Stage, Target], Awaitable[None]]) -> None:
    """Some of a hub's work, between two commands."""

    async def play() -> None:
        async with Target().serve() as target, staged(database_url, target) as stage:
            stage.hub.rules = replace(stage.hub.rules, owed=sale_with_leave)
            await work(stage, target)

    asyncio.run(play())


def answer(result: Result) -> Any:
    assert result.exit_code == EXIT_OK, result.output
    return json.loads(result.output)


def refusal(result: Result) -> str:
    assert result.exit_code == EXIT_FOUND
    assert result.output.startswith("Error: ")
    assert len(result.output.strip().splitlines()) == 1
    return result.output


def test_a_request_is_listed_approved_and_gone(database_url: str, run: Callable[..., Result]) -> None:
    on_stage(database_url, lambda stage, _: stage.tell(order("1", units=9)))
    [asked] = answer(run("approvals", "--json"))
    assert asked["amount"] == {"minor": 9000, "currency": "USD", "text": "90.00 USD"}
    assert (asked["role"], asked["people"], asked["approved_by"]) == ("finance", 2, [])
    text = run("approvals").output
    assert "90.00 USD to erp" in text
    assert "2 people of finance" in text
    assert "add wim to people.finance" in refusal(run("approve", asked["id"], "--by", "wim"))
    assert "not for stock" in refusal(run("approve", asked["id"], "--by", "mara", "--role", "stock"))
    assert "crossdock approvals" in refusal(run("approve", "feedfeedfeed", "--by", "mara"))
    assert answer(run("approve", asked["id"], "--by", "mara", "--json"))["missing"] == 1
    assert "already" in refusal(run("approve", asked["digest"], "--by", "MARA"))
    assert "approved by Mara" in run("approvals").output
    assert "holds until" in run("approve", asked["digest"][:12], "--by", "otto", "--note", "fine").output

    async def works(stage: Stage, target: Target) -> None:
        await stage.run()
        assert len(target.effects("sales_order")) == 1

    on_stage(database_url, works)
    assert answer(run("approvals", "--json")) == []
    assert run("approvals").output == "Nothing waits for approval.\n"


def test_a_rejection_says_so_and_may_be_taken_back(database_url: str, run: Callable[..., Result]) -> None:
    on_stage(database_url, lambda stage, _: stage.tell(order("1")))
    [asked] = answer(run("approvals", "--json"))
    assert "Otto has rejected: sell 30.00 USD for #1." in run("reject", asked["id"], "--by", "otto").output
    assert "already" in refusal(run("reject", asked["id"], "--by", "otto"))
    assert answer(run("approvals", "--json"))[0]["rejected_by"] == ["Otto"]
    assert answer(run("approve", asked["id"], "--by", "otto", "--json"))["missing"] == 0
