"""What people allow and change, from a terminal: every answer as text and JSON, every refusal in one line with its code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from crossdock.canonical.order import OrderLine
from crossdock.canonical.payment import Capture
from crossdock.canonical.returns import Replacement, Return, ReturnLine
from crossdock.cli.app import EXIT_FOUND, EXIT_OK, EXIT_USAGE
from crossdock.cli.governing import app
from crossdock.kernel.money import usd
from crossdock.settle.rules import owed
from tests.integration.test_approvals import sale_with_leave
from tests.stage import PLACED_AT, Message, Stage, customer, order, shipment, staged
from tests.standin import Told
from tests.standin.target import Target

SETTINGS = """
[hub]
database_url = "{database_url}"
[roles]
erp = "erp"
[people]
finance = ["Mara", "Otto"]
campaigns = ["Mara"]
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


def test_messages_that_were_set_aside_are_read_once_more_with_their_case(
    database_url: str, run: Callable[..., Result]
) -> None:
    bad = [Message("shop", "document", b'{"kind": "order", "id": 7}', f"m-{n}") for n in range(2)]
    on_stage(database_url, lambda stage, _: stage.tell(*bad))
    [case] = answer(run("cases", "--json"))
    assert case["remedy"].endswith("then: crossdock retry <case>")
    assert run("retry", case["id"], "--by", "olga").output == "2 messages to be read once more.\n"
    assert "no open case" in refusal(run("retry", case["id"], "--by", "olga"))
    on_stage(database_url, lambda stage, _: stage.run())
    [again] = answer(run("cases", "--json"))
    assert answer(run("retry", again["id"], "--by", "olga", "--json")) == {"tried_again": 2}


def test_another_policy_is_run_over_past_traffic_and_shows_what_would_differ(
    database_url: str, run: Callable[..., Result], tmp_path: Path
) -> None:
    async def settle(stage: Stage, _: Target) -> None:
        stage.hub.rules = replace(stage.hub.rules, owed=owed)
        await stage.tell(order("1"), order("2", payment="paid"), customer())
        await stage.run()
        await stage.tell(order("3"))  # not done yet
        before = stage.rows("select count(*), sum(revision) from entity")
        (tmp_path / "paid.toml").write_text('[policy]\nsell_when = "paid"\n')
        found = answer(await asyncio.to_thread(run, "policy", "diff", "--settings", tmp_path / "paid.toml", "--json"))
        assert {(g["what"], g["kind"], g["count"], g["worth"].get("USD")) for g in found["groups"]} == {
            ("not owed", "sale", 1, "30.00 USD"),
            ("not owed", "order_reference", 1, None),
        }
        again = answer(await asyncio.to_thread(run, "policy", "diff", "--settings", tmp_path / "paid.toml", "--json"))
        assert again["digest"] == found["digest"]
        assert stage.rows("select count(*), sum(revision) from entity") == before
        assert stage.count("select count(*) from code_version") == 1

    on_stage(database_url, settle)
    for words in (["--entity", "order:shop:1"], ["--since", "2100-01-01"], ["--connection", "erp"], ["--limit", 1]):
        text = run("policy", "diff", "--settings", tmp_path / "paid.toml", *words).output
        assert "nothing would differ" in text
    text = run("policy", "diff", "--settings", tmp_path / "paid.toml", "--connection", "shop").output
    assert "Sale at erp would not be done, 30.00 USD" in text
    assert "order:shop:3" in text
    (tmp_path / "bad.toml").write_text('[roles]\nerp = "sap"\n')
    refused = run("policy", "diff", "--settings", tmp_path / "bad.toml")
    assert refused.exit_code == EXIT_USAGE
    assert "roles.erp: there is no connection sap" in refused.output


def test_another_way_to_bill_would_differ_only_where_no_sale_is_made_yet(
    database_url: str, run: Callable[..., Result], tmp_path: Path
) -> None:
    async def settle(stage: Stage, _: Target) -> None:
        stage.hub.rules = replace(stage.hub.rules, owed=owed)
        await stage.tell(order("1"))
        await stage.run()
        await stage.tell(order("3"))  # not done yet
        (tmp_path / "early.toml").write_text('[[policy.recognition]]\nwhen = "ordered"\n')
        found = answer(await asyncio.to_thread(run, "policy", "diff", "--settings", tmp_path / "early.toml", "--json"))
        assert {(g["what"], g["kind"], g["count"]) for g in found["groups"]} == {
            ("changed", "sale", 1),
            ("held back", "invoice", 1),  # the order is known already: a campaign lets it through
        }

    on_stage(database_url, settle)
    assert "order:shop:1" not in run("policy", "diff", "--settings", tmp_path / "early.toml").output
    (tmp_path / "bad.toml").write_text("[[policy.recognition]]\ntransit_days = 0\n")
    refused = run("policy", "diff", "--settings", tmp_path / "bad.toml")
    assert "policy.recognition[0].transit_days: 0 is too little" in refused.output


def test_other_terms_of_exchanges_would_let_new_goods_go(
    database_url: str, run: Callable[..., Result], tmp_path: Path
) -> None:
    """Announced, and not back yet: under terms that trust the buyer a further sale is owed."""
    new = OrderLine(id="R1+1", sku="CAP", title="Cap", ordered=1, unit_price=usd(1000), replaces="R1")
    back = Return(
        id="R1",
        returned_at=PLACED_AT + timedelta(seconds=1),
        lines=(ReturnLine(id="1", line="1-0", sku="MUG", units=1),),
        settle_by="exchange",
        replacements=(Replacement(line=new),),
    )
    said = Told(kind="return", id="R1", entity="order:shop:1", token=1, body=msgspec.to_builtins(back))
    taken = Capture(id="c", payment="p", tender="card", amount=usd(3000), captured_at=PLACED_AT)
    paid = Told(kind="capture", id="c", entity="order:shop:1", token=1, body=msgspec.to_builtins(taken))

    async def settle(stage: Stage, _: Target) -> None:
        stage.hub.rules = replace(stage.hub.rules, owed=owed)
        mugs = order("1")
        await stage.tell(mugs, paid)
        await stage.run()
        await stage.tell(shipment("s1", mugs, units=3))
        await stage.run()
        await stage.tell(said)
        (tmp_path / "trust.toml").write_text('[[policy.returns]]\nexchange_ships = "announced"\n')
        found = answer(await asyncio.to_thread(run, "policy", "diff", "--settings", tmp_path / "trust.toml", "--json"))
        # The return is known already: a campaign lets it through.
        assert ("held back", "sale") in {(g["what"], g["kind"]) for g in found["groups"]}

    on_stage(database_url, settle)


def test_a_campaign_is_proposed_approved_and_followed(database_url: str, run: Callable[..., Result]) -> None:
    async def settle_and_change(stage: Stage, _: Target) -> None:
        stage.hub.rules = replace(stage.hub.rules, owed=owed)
        await stage.tell(order("1"), order("2"))
        await stage.run()
        stage.sql("insert into withheld select key, 'sale:2', ''::bytea, now() from entity")

    on_stage(database_url, settle_and_change)
    assert run("campaign", "list").output == "No campaigns.\n"
    assert run("campaign", "propose").output == "Nothing is withheld there.\n"  # these rules owe no second sale
    assert "no open proposal" in refusal(run("campaign", "approve", "feedfeedfeed", "--count-max", 1, "--by", "mara"))
    assert "people.campaigns in the settings is Mara" in refusal(
        run("campaign", "approve", "feedfeedfeed", "--count-max", 1, "--by", "otto")
    )
    for bad in ("25,00 USD", "25", "-1 USD", "25 usd"):
        refused = run("campaign", "approve", "feedfeedfeed", "--count-max", 1, "--money-max", bad, "--by", "mara")
        assert refused.exit_code == EXIT_USAGE
        assert "--money-max" in refused.output
