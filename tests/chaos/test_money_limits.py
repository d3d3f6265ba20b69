"""Limits that people set hold over all processes and over days: the day's refunds, an approval's end, what a clerk gave away."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from crossdock.simulators.mischief import FaultRule, WebhookMischief
from crossdock.simulators.retailer import FINANCE
from tests.chaos.trading import Audit, Trade, trading

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

MUG = 1089
"""What one comes to, with tax; in cents."""


async def later(at: Trade, hours: int) -> None:
    """All processes stop, and find it so many hours later when they are back: the database's clock is the hub's."""
    await at.retailer.stop_hubs()
    with psycopg.connect(at.database_url, autocommit=True) as connection:
        connection.execute(
            "create or replace function public.now() returns timestamptz stable language sql"  # pyright: ignore
            f" as $$ select pg_catalog.now() + interval '{hours} hours' $$"
        )
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set search_path = public, pg_catalog')  # pyright: ignore


def refunded(at: Trade) -> list[int]:
    return [entry.details["amount"] for entry in at.retailer.payments.ledger.select("refunded")]


async def sold_and_shipped(at: Trade, count: int) -> None:
    for _ in range(count):
        await at.place()
    await at.all_sold()
    for sale in at.sales:
        await at.ship(sale)
    await at.all_told()


async def approve_all(at: Trade) -> int:
    """Finance allows everything it is asked for; answers how much that was."""
    wanted = [str(each[0]) for each in at.rows("select id from approval_request where role = 'finance' order by id")]
    for each in wanted:
        code, said = await at.retailer.ask("approve", each, "--by", FINANCE)
        assert code == 0, said
    return len(wanted)


async def test_no_more_leaves_in_a_day_than_the_terms_allow_and_the_rest_is_paid_on_the_next(
    database_url: str, tmp_path: Path
) -> None:
    if datetime.now(UTC).hour == 23 and datetime.now(UTC).minute > 55:
        pytest.skip("the day would end in the middle of it")
    terms = {"version": "1", "daily_refunds_max": {"USD": "50.00"}}
    async with trading(tmp_path, database_url, terms=[terms]) as at:
        await at.start(4)
        await sold_and_shipped(at, 8)
        at.retailer.payments.mischief.arm(FaultRule(match="POST /v1/refunds", kind="commit_then_drop", times=2))
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
        await at.at_rest()
        assert refunded(at) == [MUG] * 4  # 43.56 of 50.00; a fifth would be 54.45
        assert Audit(at).short() == 4
        [(pending, posted)] = at.rows("select pending, posted from account where key like 'refunds/USD/%%'")
        assert (pending, posted) == (0, 4 * MUG)
        await later(at, 24)
        await at.start(4)
        await at.until("the rest is paid", lambda: len(refunded(at)) == 8)
        await at.at_rest()
        assert Audit(at).faults == []
        assert at.rows("select cause from cases where closed_at is null") == []
        assert [row[0] for row in at.rows("select posted from account where key like 'refunds/USD/%%'")] == [
            4 * MUG
        ] * 2


async def test_what_was_allowed_too_long_ago_is_asked_again_when_the_provider_is_back(
    database_url: str, tmp_path: Path
) -> None:
    terms = {"version": "1", "approve_over": {"USD": "5.00"}, "approval_hours": 2}
    async with trading(tmp_path, database_url, terms=[terms]) as at:
        await at.start(4)
        await sold_and_shipped(at, 2)
        braked, sale = at.sales
        refuse = FaultRule(match="POST /v1/refunds", kind="refuse", status=401, times=None)
        at.retailer.payments.mischief.arm(refuse)
        await at.allow(braked, 100)  # too little to be asked about: it finds out that the credentials are refused
        await at.until("the lane is braked", lambda: at.rows("select 1 from brake where connection = 'psp'"))
        at.hand_in(sale, {"MUG-01": 1})
        await at.until("finance is asked", lambda: at.rows("select 1 from approval_request"))
        assert await approve_all(at) == 1
        await at.until("it is promised", lambda: at.rows("select 1 from due d join promise p on p.id = d.promise"
                                                         " where p.entity = %s and p.target = 'psp'", sale.entity))  # fmt: skip
        await later(at, 3)
        at.retailer.payments.mischief.disarm()
        await at.start(4)
        code, said = await at.retailer.ask("release", "psp")
        assert code == 0, said
        await at.at_rest()
        assert refunded(at) == [100]
        assert Audit(at).short() == 1
        assert [row[0] for row in at.rows("select entity from approval_request")] == [sale.entity]
        assert await approve_all(at) == 1
        await at.at_rest()
        assert sorted(refunded(at)) == [100, MUG]
        assert Audit(at).faults == []


async def test_what_a_clerk_gives_away_is_one_case_with_the_amounts_and_nothing_more_is_refunded(
    database_url: str, tmp_path: Path
) -> None:
    async with trading(tmp_path, database_url) as at:
        await at.start(4)
        await sold_and_shipped(at, 1)
        [sale] = at.sales
        at.hand_in(sale, {"MUG-01": 1})
        await at.at_rest()
        assert sum(refunded(at)) == MUG
        await at.refund_in_full_by_hand(sale)
        at.hand_in(sale, {"MUG-01": 1})
        await at.at_rest()
        assert sum(refunded(at)) == sale.total
        assert [entry.key != "" for entry in at.retailer.payments.ledger.select("refunded")].count(True) <= 2
        await _one_case(at, f"over_refunded:{sale.entity}", f"{(sale.total - 2 * MUG) / 100:.2f}")
        assert Audit(at).faults == []
        await at.allow(sale, sale.total - 2 * MUG)  # the retailer lets the buyer keep it
        await at.at_rest()
        assert at.reasons(sale) == set()
        assert sum(refunded(at)) == sale.total


async def _one_case(at: Trade, cause: str, amount: str) -> None:
    found = at.rows(
        "select c.cause, i.detail from case_item i join cases c on c.id = i.case_id where c.closed_at is null"
    )
    [(told, detail)] = found
    assert told == cause
    assert re.search(rf"\b{re.escape(amount)}\b", detail), detail


async def test_a_clerk_who_is_faster_than_the_hub_leaves_it_nothing_to_refund(
    database_url: str, tmp_path: Path
) -> None:
    """The provider refuses what is not there any more; when its word of the clerk comes, nothing is owed."""
    async with trading(tmp_path, database_url) as at:
        await at.start(4)
        await sold_and_shipped(at, 1)
        [sale] = at.sales
        at.retailer.payments.mischief.webhooks = WebhookMischief(delay_seconds=2.0)
        await at.refund_in_full_by_hand(sale)
        at.hand_in(sale, {"MUG-01": 1})
        await at.until("the provider refused", lambda: [r for r in at.reasons(sale) if r.startswith("rejected:psp:")])
        await at.at_rest()
        assert sum(refunded(at)) == sale.total
        await _one_case(at, f"over_refunded:{sale.entity}", f"{(sale.total - MUG) / 100:.2f}")
        assert Audit(at).faults == []


async def test_while_no_webhook_of_the_provider_comes_nothing_is_paid_twice_and_nothing_hangs(
    database_url: str, tmp_path: Path
) -> None:
    """The provider's answers are enough for what we asked; of what others did nobody hears until somebody reads it."""
    async with trading(tmp_path, database_url) as at:
        await at.start(4)
        await sold_and_shipped(at, 3)
        quiet, clerk, failing = at.sales
        at.retailer.payments.mischief.webhooks = WebhookMischief(drop=1.0)
        at.retailer.payments.mischief.arm(FaultRule(match="POST /v1/refunds", kind="commit_then_drop", times=1))
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
        await at.at_rest()
        assert refunded(at) == [MUG] * 3
        assert at.rows("select count(*) from document where connection = 'psp' and kind = 'refund'") == [(0,)]
        assert Audit(at).faults == []
        await at.all_told()
        # What the hub can't know yet, and a sweep of the provider's events will tell it.
        await at.refund_by_hand(clerk, 50)
        assert await at.come_back(failing)
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
        await at.at_rest()
        audit = Audit(at)
        unheard = [fault for fault in audit.faults if quiet.entity in fault]
        assert unheard == []
        assert audit.refunded.total() <= sum(sale.total for sale in at.sales)
        assert not [each for each in audit.faults if each.startswith(("entry", "executed", "paid"))]


async def test_a_brake_that_is_lifted_by_itself_pays_what_waited(database_url: str, tmp_path: Path) -> None:
    async with trading(tmp_path, database_url) as at:
        await at.start(4)
        await sold_and_shipped(at, 4)
        at.retailer.payments.mischief.arm(FaultRule(match="/v1/", kind="refuse", status=0, times=None))
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
        await at.until("the lane is braked", lambda: at.rows("select 1 from brake where connection = 'psp'"))
        await asyncio.sleep(1)
        at.retailer.payments.mischief.disarm()
        await at.at_rest()
        assert refunded(at) == [MUG] * 4
        assert Audit(at).faults == []
