"""A source or a target is restored from a backup: a replay keeps to what it says now, what it forgot is told to people."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from crossdock.cli.app import EXIT_FOUND, EXIT_OK, EXIT_USAGE
from crossdock.cli.operating import app
from crossdock.cli.sweeping import sweeper_of
from crossdock.deliver.timekeeping import Timekeeper
from crossdock.sweep.rechecking import Rechecked, recheck
from tests.integration.sweeping import Swept, a_refund, an_order, swept
from tests.stage import PLACED_AT, ROSE, SAGE, Stage, order, settings_for, shipment, staged, told
from tests.standin.target import Target


async def test_a_replay_takes_nothing_said_before_a_source_was_set_back_for_what_it_says_now(database_url: str) -> None:
    forgotten, stands = told(order("1", email="new@example.com"), 9), told(order("1", email="old@example.com"), 3)
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        target.things["1"] = stands
        await stage.tell(forgotten)
        await _accept(stage)
        await stage.tell(stands)
        await stage.run()
        assert _held(stage) == [(2, 3)]
        await stage.replay()
        await stage.settle()
        assert _held(stage) == [(2, 3)]


async def test_what_comes_late_where_its_source_was_set_back_is_asked_for_before_anything_is_done(
    database_url: str,
) -> None:
    """Sent before the source was set back and delivered after: it is older than what the source says now."""
    cancelled = msgspec.structs.replace(order("1"), cancelled_at=PLACED_AT)
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        target.things["1"] = told(cancelled, 9)
        await stage.tell(told(order("1"), 3))
        await stage.tell(told(cancelled, 9))
        await _accept(stage)
        late = told(order("1", email="late@example.com"), 4)
        await stage.tell(late)
        assert _held(stage) == [(1, 9)]
        await stage.run()
        assert _held(stage) == [(2, 9)]
        assert target.effects("sales_order") == []
        await stage.tell(late)
        assert _held(stage) == [(2, 9)]


async def test_what_was_received_before_a_new_epoch_is_of_the_old_one_whenever_it_is_read(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1"), 3))
        await stage.receive(told(order("1", email="forgotten@example.com"), 9))
        await _accept(stage)
        target.things["1"] = told(order("1"), 4)
        await stage.tell(target.things["1"])
        await stage.run()
        assert _held(stage) == [(2, 4)]


async def test_a_pass_that_began_before_its_state_was_accepted_reads_it_all_again(database_url: str) -> None:
    async with swept(database_url) as at:
        await at.hear(an_order("1", 9, email="forgotten@example.com"))
        at.sql("update document set raised_at = raised_at - interval '1 hour'")
        at.source.put(an_order("1", 3))
        sweeper = at.sweeper()
        await sweeper.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        assert await sweeper.round() == 1
        await at.settle()
        assert at.cases() == ["brake:shop"]
        async with at.person() as person:
            assert await person.open_epoch("shop") == 2
        while await sweeper.round():  # by itself: whoever accepts a state has it read
            await at.settle()
        assert _held(at) == [(2, 3)]
        assert at.cases() == []


async def _accept(stage: Stage) -> None:
    stage.sql(
        "insert into brake (connection, kind, reason, since, probe_at) values ('shop', 'regression', '', now(), now())"
    )
    async with stage.person() as person:
        await person.open_epoch("shop")


def _held(stage: Stage) -> list[tuple[int, int]]:
    return stage.rows("select epoch, token from document where kind = 'order'")


# ---- orders that their source has no more


async def test_an_order_that_was_sold_and_is_gone_before_it_left_is_a_case_until_it_is_back(database_url: str) -> None:
    async with swept(database_url, erp=True) as at:
        placed = at.source.put(an_order("1"))
        await at.hear(placed)
        await at.run()
        await at.swept("order")
        at.source.remove("order", "1")
        await at.swept("order")
        assert at.cases() == ["order_gone:shop"]
        at.source.put(placed)
        await at.swept("order")
        assert at.cases() == []


async def test_an_order_that_is_gone_and_that_nobody_acted_on_is_no_case(database_url: str) -> None:
    async with swept(database_url) as at:
        await _sold_and_gone(at)
        assert at.cases() == []


async def test_an_order_that_its_source_forgot_before_it_told_of_it_is_a_case_of_who_names_it(
    database_url: str,
) -> None:
    async with swept(database_url) as at:
        await at.hear(a_refund("r1", of="1"))
        await at.run()
        assert at.cases() == ["absent:shop:order"]
        [(title, entity)] = at.rows("select c.title, i.entity from cases c join case_item i on i.case_id = c.id")
        assert (title, entity) == ("Messages name what shop doesn't have: order", "order:shop:1")
        await at.hear(at.source.put(an_order("1")))
        await at.run()
        assert at.cases() == []


async def _sold_and_gone(at: Swept) -> None:
    await at.hear(at.source.put(an_order("1")))
    await at.run()
    await at.swept("order")
    at.source.remove("order", "1")
    await at.swept("order")


# ---- targets


async def _checked(stage: Stage, target: Target, since: datetime) -> Rechecked:
    connection = settings_for(target.url).connections["erp"]
    line = next(lane.line for lane in stage.hub.lanes if lane.line.connection == "erp")
    return await recheck(stage.database, sweeper_of(stage.database, connection, line).source, since)


async def test_what_a_target_forgot_is_a_case_is_never_done_again_and_is_over_when_it_is_put_back(
    database_url: str,
) -> None:
    placed = order("1")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed, shipment("s1", placed))
        await stage.run()
        held, since = target.snapshot(), datetime.now(UTC)
        await stage.tell(shipment("s2", placed))
        await stage.run()
        remembered = target.snapshot()
        target.restore(held)
        done = len(target.ledger.entries)
        found = await _checked_once_visible(stage, target, since)
        assert {name for _, name, _ in found.missing} == {"goods_issue:s2", "invoice:s2"}
        assert stage.cases() == ["missing:erp:goods_issue", "missing:erp:invoice_posting"]
        await stage.run()
        assert len(target.ledger.entries) == done
        target.restore(remembered)
        assert (await _checked(stage, target, since - timedelta(minutes=1))).missing == []
        assert stage.cases() == []


async def _checked_once_visible(stage: Stage, target: Target, since: datetime) -> Rechecked:
    """What was confirmed a moment ago need not show yet."""
    stage.sql("update receipt set at = at - interval '1 minute'")
    found = await _checked(stage, target, since - timedelta(minutes=1))
    assert not found.too_young
    return found


async def test_what_no_search_can_find_is_counted_and_what_was_confirmed_before_is_not_asked_about(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(order("1"))
        await stage.run()
        since = datetime.now(UTC)
        assert (await _checked(stage, target, since)).unsearchable == {}
        assert (await _checked(stage, target, since - timedelta(minutes=1))).unsearchable == {"sales_order": 1}


async def test_states_that_a_target_forgot_are_told_again_as_they_should_be_now(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1", ship_to=SAGE), 1))
        await stage.run()
        held, since = target.snapshot(), datetime.now(UTC)
        await stage.tell(told(order("1", ship_to=ROSE), 2))
        await stage.run()
        moved = target.held["order:shop:1/erp_address"]
        target.restore(held)
        assert "order:shop:1/erp_address" not in target.held
        assert (await _checked(stage, target, since)).written_again == 1
        await stage.run()
        assert target.held["order:shop:1/erp_address"] == moved
        assert await stage.checked()


async def test_what_was_confirmed_by_a_clock_that_was_behind_is_looked_for_and_told_again_too(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        placed, since = order("1"), datetime.now(UTC)
        await stage.tell(placed, shipment("s1", placed), told(order("2", ship_to=SAGE), 1))
        await stage.run()
        await stage.tell(told(order("2", ship_to=ROSE), 2))
        await stage.run()
        assert target.held["order:shop:2/erp_address"]
        stage.sql("update receipt set at = at - interval '10 minutes'")
        target.restore(Target().snapshot())
        assert not (await _checked(stage, target, since)).looked_for
        stage.sql("delete from clock_put_forward")  # nobody looked since the tests' database was made
        stage.sql("update clock set looked_at = now() - interval '10 minutes'")  # put right
        keeper = Timekeeper(stage.database, {}, lease_seconds=10.0)
        await keeper.look()
        found = await _checked(stage, target, since)
        assert {"goods_issue:s1", "invoice:s1"} <= {name for _, name, _ in found.missing}
        assert found.written_again
        await keeper.look()
        assert stage.count("select count(*) from clock_put_forward") == 1


async def test_what_was_confirmed_by_a_clock_that_was_ahead_is_looked_for_and_not_taken_for_young(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        placed, since = order("1"), datetime.now(UTC) - timedelta(minutes=1)
        await stage.tell(placed, shipment("s1", placed))
        await stage.run()
        stage.sql("update receipt set at = at + interval '1 day'")
        target.restore(Target().snapshot())
        found = await _checked(stage, target, since)
        assert {name for _, name, _ in found.missing} == {"goods_issue:s1", "invoice:s1"}
        assert not found.too_young


# ---- from a terminal


def _said(file: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(file), "recheck", *words, "--by", "olga"])


def _settings(folder: Path, database_url: str, url: str) -> Path:
    file = folder / "crossdock.toml"
    told = f"[hub]\ndatabase_url = {json.dumps(database_url)}\n"
    file.write_text(told + f'[connections.erp]\nconnector = "tests.standin"\nurl = "{url}"\n')
    return file


async def test_whoever_looks_for_what_was_confirmed_is_told_what_is_missing_and_by_the_exit_code(
    database_url: str, tmp_path: Path
) -> None:
    placed, since = order("1"), "2026-01-01T00:00Z"
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        file = _settings(tmp_path, database_url, target.url)
        await stage.tell(placed)
        await stage.run()
        held = target.snapshot()
        await stage.tell(shipment("s1", placed))
        await stage.run()
        remembered = target.snapshot()
        target.restore(held)
        stage.sql("update receipt set at = at - interval '1 minute'")
        result = await asyncio.to_thread(_said, file, "erp", "--since", since)
        assert result.exit_code == EXIT_FOUND
        looked, issue, invoice, remedy, unsearchable = result.output.splitlines()
        assert looked == "2 looked for at erp, 2 not there."
        assert issue.startswith("  order:shop:1/goods_issue:s1: ")
        assert invoice.startswith("  order:shop:1/invoice:s1: ")
        assert "crossdock cases" in remedy
        assert unsearchable == "1 of sales_order can't be looked for there."
        result = await asyncio.to_thread(_said, file, "erp", "--since", since, "--json")
        told = json.loads(result.output)
        assert (result.exit_code, told["looked_for"], len(told["missing"])) == (EXIT_FOUND, 2, 2)
        assert told["unsearchable"] == {"sales_order": 1}
        target.restore(remembered)
        stage.sql("delete from receipt where promise = (select id from promise where noun = 'sales_order')")
        result = await asyncio.to_thread(_said, file, "erp", "--since", since)
        assert (result.exit_code, result.output) == (EXIT_OK, "2 looked for at erp, 0 not there.\n")
        assert stage.cases() == []
        assert stage.rows("select distinct by from decision where what = 'recheck'") == [("olga",)]
        target.fault("find", "refuse", times=None, status=401)
        result = await asyncio.to_thread(_said, file, "erp", "--since", since)
        assert (result.exit_code, "erp can't be asked" in result.output) == (EXIT_FOUND, True)


@pytest.mark.parametrize(
    ("connection", "since", "said"),
    [
        ("sap", "2026-01-01", "there is no connection sap; connections are erp"),
        ("erp", "yesterday", "--since: 'yesterday' is no time"),
        ("erp", "0001-01-01", "--since: '0001-01-01' is no time"),
    ],
)
def test_whoever_asks_for_what_is_not_there_is_told_so(
    database_url: str, tmp_path: Path, connection: str, since: str, said: str
) -> None:
    result = _said(_settings(tmp_path, database_url, "http://127.0.0.1:1"), connection, "--since", since)
    assert (result.exit_code, said in result.output) == (EXIT_USAGE, True), result.output
