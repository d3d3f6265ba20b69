"""What auditors read over the REST API: sums, accounts, cases, intents and rebuilds, as they are on record, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock.store import checking
from crossdock.store.database import Transaction, rows
from tests.desk import Desk, desk
from tests.stage import order, shipment

AUDITS = ("check", "accounts", "cases", "orders/1/intents", "orders/1/rebuild")


async def audited(at: Desk, what: str) -> Any:
    status, said = await at.ask("GET", f"/v1/{what}", who="auditor")
    assert status == 200, said
    return said


@pytest.mark.parametrize("what", AUDITS)
async def test_an_audit_takes_a_scope_of_its_own_and_writes_nothing(database_url: str, what: str) -> None:
    async with desk(database_url) as at:
        before = at.written()
        for who in ("desk", "reader"):
            status, said = await at.ask("GET", f"/v1/{what}", who=who)
            assert (status, said["type"]) == (403, "urn:crossdock:problem:no-right")
        assert (await at.ask("GET", f"/v1/{what}", who=None))[0] == 401
        assert (await at.ask("DELETE", f"/v1/{what}", who="auditor"))[0] in (404, 405)
        await audited(at, what)
        assert at.written() == before
        assert (await at.ask("GET", "/v1/orders/1", who="auditor"))[0] == 403


async def test_an_intent_is_told_with_its_bytes_its_cause_and_what_came_of_it(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.stage.run()
        intents = {each["promise"]: each for each in await audited(at, "orders/%231/intents")}
        sale, [(sold)] = intents["sale"], at.stage.target.ledger.select("sales_order") if at.stage.target else []
        assert (sale["key"], sale["verb"], sale["target"], sale["unresolved"]) == (sold.key, "act", "erp", False)
        assert (sale["body"], sale["confirmed_as"]) == (sold.details["body"], sold.details["id"])
        assert sale["cause"]["fact"] == "order:shop:1"
        assert sale["rules"]["live_at"] <= sale["cause"]["recorded_at"] <= sale["sealed_at"]
        number = await audited(at, "orders/1/intents")
        assert [each["sealed_at"] for each in number] == sorted(each["sealed_at"] for each in number)


async def test_an_intent_whose_outcome_nobody_knows_is_unresolved(database_url: str) -> None:
    async with desk(database_url) as at:
        assert at.stage.target is not None
        at.stage.target.fault("/many/sales_order", "commit_then_drop")
        await at.stage.deliver("erp")
        [sale] = [each for each in await audited(at, "orders/1/intents") if each["promise"] == "sale"]
        assert (sale["unresolved"], sale["confirmed_as"]) == (True, None)


async def test_accounts_and_cases_are_told_as_they_are(database_url: str) -> None:
    async with desk(database_url, order(skus=["BAD"])) as at:
        at.stage.sql("insert into account values ('captured/payment:psp:pi_1', 5000, 700, 300)")
        account = {"key": "captured/payment:psp:pi_1", "limit": 5000, "pending": 700, "posted": 300}
        assert await audited(at, "accounts") == [account]
        await at.stage.deliver()
        [case] = [each for each in await audited(at, "cases") if each["entities"] == ["order:shop:1"]]
        assert case["cause"] in at.stage.cases()
        assert "can't be sold" in case["detail"]


async def test_what_reads_whole_tables_does_so_as_the_planner_chooses_and_for_as_long_as_it_takes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the loops' connections, which follow indexes, it took more than the 30 seconds they give a transaction."""
    found: list[tuple[str, str]] = []

    async def check(tx: Transaction) -> checking.Check:
        [[joins, limit]] = await rows(
            tx, "select current_setting('enable_hashjoin'), current_setting('transaction_timeout')"
        )
        found.append((joins, limit))
        return await original(tx)

    original = checking.check
    async with desk(database_url) as at:
        monkeypatch.setattr(checking, "check", check)
        await audited(at, "check")
    assert found == [("on", "0")]


async def test_the_check_is_the_one_of_the_command_line(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.stage.run()
        said, found = await audited(at, "check"), await at.stage.checked()
        assert said["holds"]
        assert said["inbox"] == {"total": 1, "pending": 0, "translated": 1, "ignored": 0, "quarantined": 0}
        assert said["states"] == found.states
        assert {each["name"] for each in said["invariants"]} == {each.name for each in found.invariants}
        at.stage.sql("delete from inbox_seen; update account set pending = 0; delete from receipt")
        assert not (await audited(at, "check"))["holds"]


async def test_a_rebuild_of_what_is_settled_differs_in_nothing_and_shows_what_was_lost(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.stage.run()
        said = await audited(at, "orders/1/rebuild")
        assert (said["messages"], said["quarantined"], said["differing"]) == (1, 0, [])
        at.stage.sql("delete from receipt where slot = 'order:shop:1/sale'")
        at.stage.sql("delete from intent where promise = (select id from promise where name = 'sale')")
        at.stage.sql("delete from promise where name = 'sale'")
        [differing] = (await audited(at, "orders/1/rebuild"))["differing"]
        assert (differing["entity"], differing["opens"]) == ("order:shop:1", ["sale"])


async def test_a_rebuild_does_not_repeat_what_a_case_already_says(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.stage.tell(shipment("s1", order(skus=["MUG", "TEA", "NEVER-ORDERED"])))
        await at.stage.run()
        assert at.stage.cases()
        assert (await audited(at, "orders/1/rebuild"))["differing"] == []
        at.stage.sql("update cases set closed_at = now()")
        [differing] = (await audited(at, "orders/1/rebuild"))["differing"]
        assert differing["troubles"]
