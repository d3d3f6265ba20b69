"""The sums behind the books are what they sum, whatever is said of money later; orders that don't add up are found."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.payment import Refund
from crossdock.canonical.shipment import Invoice, InvoicePosting
from crossdock.console.summing import sum_up
from crossdock.kernel.money import usd
from crossdock.settle import reconciling
from crossdock.settle.reconciling import judgement
from crossdock.store import delivery, ledger, tally
from crossdock.store.inbox import Message
from crossdock.store.ledger import Wanted
from tests.integration.crowd import crowd
from tests.integration.test_books import PLACED, fact, paid
from tests.stage import PLACED_AT, Stage, staged

TODAY = datetime.now(UTC).date()
ALL = Wanted(TODAY - timedelta(days=40), TODAY + timedelta(days=1))
_STAND_IN = "tests.standin.money"


@asynccontextmanager
async def books(database_url: str) -> AsyncGenerator[Stage]:
    more = {"connections": {name: {"connector": _STAND_IN, "url": "http://127.0.0.1:1"} for name in ("psp", "till")}}
    async with staged(database_url, "http://127.0.0.1:1", mail=False, roles={"payments": "psp"}, more=more) as stage:
        yield stage


async def summed(stage: Stage) -> None:
    """Nobody else writes, so everything up to now may be added."""
    while (await sum_up(stage.database, stage.hub.rules, margin_seconds=0)).behind:
        pass


class _TakenBack(Exception):
    """Nothing of a transaction is to stay."""


async def table(stage: Stage, *, live: bool) -> list[Any]:
    """The books by day, from the sums or from every line there is."""
    found: list[Any] = []
    with contextlib.suppress(_TakenBack):
        async with stage.database.transaction() as tx:
            if live:
                await tx.execute("delete from tally_mark")
                await tx.execute("delete from ledger_day")
            found = sorted(await ledger.by_day(tx, ALL))
            raise _TakenBack
    return found


def refund(status: Any = "succeeded", amount: int = 500, token: int = 1) -> Message:
    body = Refund(id="re_1", payment="pi_1", tender="card", amount=usd(amount), status=status, refunded_at=PLACED_AT)
    return fact("psp", "refund", body, token)


async def test_the_sums_are_what_they_sum_and_nothing_is_counted_twice(database_url: str) -> None:
    crowd(database_url, 300)
    async with books(database_url) as stage:
        await summed(stage)
        first = await table(stage, live=False)
        assert first == await table(stage, live=True)
        assert len(first) >= 2
        await summed(stage)
        assert await table(stage, live=False) == first
        async with stage.database.transaction() as tx:
            assert (await tally.work(tx, ALL.first, ALL.last))["act:sales_order"] == 297


async def test_whoever_shares_the_process_gets_his_turn_while_orders_are_judged(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, judged = 0, Counter[int]()

    async def door() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def judge(*asked: Any) -> Any:
        judged[turns] += 1
        return judgement(*asked)

    monkeypatch.setattr(reconciling, "judgement", judge)
    crowd(database_url, 300)
    async with books(database_url) as stage:
        other = asyncio.create_task(door())
        await summed(stage)
        other.cancel()
    assert sum(judged.values()) >= 200
    assert max(judged.values()) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_whatever_is_said_of_money_later_is_in_the_sums_of_its_day(
    database_url: str, order: tuple[int, ...]
) -> None:
    """A refund that becomes another amount and then fails, heard in any order, summed up after each word."""
    words = [refund("pending"), refund("succeeded", 700, 2), refund("failed", 700, 3)]
    async with books(database_url) as stage:
        await stage.tell(PLACED, *paid(3000))
        await summed(stage)
        for at in order:
            await stage.tell(words[at])
            await summed(stage)
            assert await table(stage, live=False) == await table(stage, live=True)
        assert [row[3] for row in await table(stage, live=False)] == ["captured"]


async def test_an_order_whose_money_does_not_add_up_is_found_and_let_go_when_it_does(database_url: str) -> None:
    async with books(database_url) as stage:
        await stage.tell(PLACED, *paid(3000))
        await summed(stage)
        async with stage.database.transaction() as tx:
            [found] = await tally.differing(tx, 10)
        assert (found.entity, found.minor, found.wrong) == ("order:shop:1", 3000, 0)  # it is on its way to be sold
        assert found.judged_at is not None
        stage.sql(
            """insert into receipt (slot, promise, at, remote_id, number)
               select entity || '/' || name, id, now(), 'S', 'S' from promise where name = 'sale'"""
        )
        await summed(stage)
        async with stage.database.transaction() as tx:
            assert await tally.differing(tx, 10) == []


async def test_what_a_clock_that_was_put_back_dates_before_the_sums_is_in_them_all_the_same(database_url: str) -> None:
    async with books(database_url) as stage:
        await summed(stage)
        stage.sql("update tally_mark set until = now() + interval '1 day'")  # by the clock as it was
        await stage.tell(PLACED, *paid(3000))
        await summed(stage)
        await summed(stage)
        assert [row[3:] for row in await table(stage, live=False)] == [("captured", 3000)]


async def _differing(stage: Stage) -> list[tuple[str, int, int]]:
    async with stage.database.transaction() as tx:
        return [(each.entity, each.minor, each.wrong) for each in await tally.differing(tx, 10)]


async def test_what_was_invoiced_is_in_the_books_once_and_makes_nobody_owe_more(database_url: str) -> None:
    async with books(database_url) as stage:
        await stage.tell(PLACED, *paid(3000))
        await summed(stage)
        before = await _differing(stage)
        posting = msgspec.json.encode(InvoicePosting(shipment="s1", invoice_date=PLACED_AT))
        stage.sql(
            """insert into promise select (jsonb_populate_record(p, jsonb_build_object(
                   'id', nextval('promise_seq'), 'name', 'invoice:s1', 'noun', 'invoice_posting', 'body', %s::bytea))).*
               from promise p where name = 'sale'""",
            posting,
        )
        [(promise,)] = stage.rows("select id from promise where noun = 'invoice_posting'")
        said = msgspec.json.encode(Invoice(number="INV-7", net=usd(2500), tax=usd(500), total=usd(3000)))
        for each in (said, None):  # the second time it was found, and nothing was said of it
            async with stage.database.transaction() as tx:
                answered = delivery.Answered(promise, "order:shop:1/invoice:s1", "7", "INV-7", None, 0, each)
                await delivery.confirm(tx, [answered])
            await summed(stage)
            assert [row[3:] for row in await table(stage, live=False)] == [("captured", 3000), ("invoiced", 3000)]
            assert await table(stage, live=True) == await table(stage, live=False)
        assert await _differing(stage) == before


async def test_an_order_that_the_rules_fail_on_holds_up_no_other(database_url: str) -> None:
    async with books(database_url) as stage:
        await stage.tell(PLACED, *paid(3000))
        broken: Any = replace(stage.hub.rules, policy=None)  # pyright: ignore
        while (await sum_up(stage.database, broken, margin_seconds=0)).behind:
            pass
        async with stage.database.transaction() as tx:
            [found] = await tally.differing(tx, 10)
        assert (found.entity, found.wrong, found.reason) == ("order:shop:1", 0, "")
