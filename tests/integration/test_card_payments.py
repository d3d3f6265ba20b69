"""A whole hub with a payment provider beside the shop: what it tells finds its order, and what is owed back is paid back once."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from crossdock.books.postings import FX_DIFFERENCE
from crossdock.connectors.stripe import connector
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, open_hub
from crossdock.kernel.money import AnyMoney, Money, usd
from crossdock.settle.looking import look
from crossdock.settle.statement import stated
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.payments import API_KEY, Payments
from crossdock.simulators.payments_keys import KeySettings
from crossdock.store.inbox import Message
from tests.stage import Stage, order, shipment
from tests.standin.target import Target

DOUBTFUL = 3


@dataclass
class Trade:
    """The hub, the provider, and how far its webhooks have come."""

    stage: Stage
    provider: Payments
    http: aiohttp.ClientSession

    async def do(self, deed: str, **given: Any) -> Any:
        async with self.http.post(f"/_do/{deed}", json=given) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def told(self) -> list[Message]:
        """Everything the provider has told so far, as the door would store it."""
        assert connector.door is not None
        messages = list[Message]()
        for event in self.provider.books.all("event"):
            body = msgspec.json.encode(event)
            messages.append(Message("psp", connector.door.describe({}, body).topic, body, event["id"]))
        return messages

    async def hear(self, messages: Sequence[Message] | None = None) -> None:
        await self.stage.tell(*(self.told() if messages is None else messages))

    def refunded(self) -> list[int]:
        return [entry.details["amount"] for entry in self.provider.ledger.select("refunded")]


def _settings(target: str, provider: str, policy: dict[str, Any], settles_in: str) -> Settings:
    os.environ["TEST_PSP_KEY"] = API_KEY
    standin = {"connector": "tests.standin", "url": target}
    psp = {"connector": "stripe", "url": provider, "api_key": "env:TEST_PSP_KEY", "orders_of": "shop"}
    psp["settles_in"] = settles_in
    told = {
        "hub": {"probe_seconds": 0.1},
        "roles": {"erp": "erp", "warehouse": "warehouse", "payments": "psp"},
        "policy": policy,
        "connections": {"shop": standin, "erp": standin, "warehouse": standin, "psp": psp},
    }
    return settings_from(told, Path("/tmp/crossdock-test.toml"))


@asynccontextmanager
async def trade(database_url: str, settles_in: str = "", **policy: Any) -> AsyncIterator[Trade]:
    provider = Payments()
    async with (
        Target().serve() as target,
        provider.serve() as running,
        aiohttp.ClientSession(running.url) as http,
        open_hub(_settings(target.url, running.url, policy, settles_in), database_url, ROLES) as hub,
    ):
        await hub.leases.beat()
        yield Trade(Stage(database_url, hub, target), provider, http)
        await hub.leases.leave()


@pytest.mark.parametrize("seed", range(3))
async def test_what_a_clerk_and_a_bank_did_is_bound_to_the_order_in_whatever_order_it_is_heard(
    database_url: str, seed: int
):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.do("clerk_refund", order="1", amount=500)
        await at.do("open_dispute", order="1", amount=700)
        messages = at.told()
        random.Random(seed).shuffle(messages)
        for message in messages:
            await at.hear([message])
        kinds = at.stage.rows("select kind, entity from document where connection = 'psp' order by kind")
        assert kinds == [(kind, "order:shop:1") for kind in ("capture", "dispute", "payment", "refund")]


@pytest.mark.parametrize("kind", [None, "commit_then_drop", "commit_then_status", "garbage"])
async def test_what_is_owed_back_is_refunded_once_whatever_becomes_of_the_answer(database_url: str, kind: Any):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()  # sold: from now on less is an entitlement, not a surplus
        if kind:
            at.provider.mischief.arm(FaultRule(match="POST /v1/refunds", kind=kind, status=502, times=1))
        fewer = msgspec.json.encode(order("1", units=2))
        await at.stage.tell(_shop_says(fewer, token=2))
        await at.stage.run()
        await at.hear()
        await at.stage.run()
        assert at.refunded() == [1_000]
        (entry,) = at.provider.ledger.select("refunded")
        assert entry.details["metadata"]["crossdock_key"] == entry.key
        await at.stage.checked()


async def test_a_refund_that_the_provider_told_of_is_not_sent_again_where_its_key_was_forgotten(database_url: str):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()
        saved = at.provider.books.snapshot()
        at.provider.mischief.arm(FaultRule(match="POST /v1/refunds", kind="commit_then_drop", times=1))
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2)), token=2))
        await at.stage.deliver("psp")
        assert at.refunded() == [1_000]
        await at.hear()
        at.provider.books.restore(saved)
        await at.stage.run()
        assert at.refunded() == [1_000]
        assert (
            at.stage.count("select count(*) from receipt join promise p on p.id = promise where p.target = 'psp'") == 1
        )
        await at.stage.checked()


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_a_refund_whose_failure_the_provider_keeps_is_looked_for_within_the_hour_and_paid_once(
    database_url: str, fails: Any
):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()
        at.provider.books.keys.settings = KeySettings(fail_next=fails)
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2)), token=2))
        for _ in range(2):  # the failure, and its repetition
            await at.stage.deliver("psp")
            at.stage.sql("update due set due_at = now() where due_at < now() + interval '5 minutes'")
        [(stage, waits)] = at.stage.rows("select stage, due_at - now() from due where target = 'psp'")
        assert stage == DOUBTFUL
        assert timedelta(minutes=30) < waits < timedelta(hours=1)
        assert at.stage.rows("select pending, posted from account where key like 'captured/%%'") == [(1000, 0)]
        await at.stage.run()
        await at.hear()
        await at.stage.run()
        assert at.refunded() == [1_000]
        assert [entry.key[-2:] for entry in at.provider.ledger.select("refunded")] == [
            "/2" if fails == "before" else "/1"
        ]
        assert at.stage.rows("select pending, posted from account where key like 'captured/%%'") == [(0, 1000)]
        assert [cause for cause in at.stage.cases() if "psp" in cause] == []
        await at.stage.checked()


async def test_what_a_clerk_gave_back_already_is_not_given_back_again(database_url: str):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()
        await at.do("clerk_refund", order="1", amount=400)
        await at.hear()
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2)), token=2))
        await at.stage.run()
        await at.hear()
        await at.stage.run()
        assert at.refunded() == [400, 600]


async def test_a_refund_that_was_replaced_before_it_happened_took_nothing_of_any_account(database_url: str):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()
        at.provider.mischief.arm(FaultRule(match="POST /v1/refunds", kind="refuse", status=429, times=1))
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2)), token=2))
        await at.stage.deliver("psp")
        await at.do("clerk_refund", order="1", amount=400)
        await at.hear()
        for lane in at.stage.hub.lanes:
            lane.line.budget.quiet_until = 0.0
        await at.stage.run()
        await at.hear()
        await at.stage.run()
        assert at.refunded() == [400, 600]
        assert at.stage.count("select count(*) from withdrawn") == 1
        await at.stage.checked()


async def test_leave_for_a_refund_holds_as_long_as_the_terms_say(database_url: str):
    terms = {"version": "1", "approve_over": {"USD": "5.00"}, "approval_hours": 3}
    async with trade(database_url, returns=[terms]) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3))
        await at.hear()
        await at.stage.run()
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2)), token=2))
        await at.stage.run()
        assert at.refunded() == []
        assert at.stage.rows("select amount_minor, hours from approval_request") == [(1_000, 3)]


def _shop_says(body: bytes, token: int) -> Message:
    said = {"kind": "order", "id": "1", "entity": "order:shop:1", "token": token, "body": msgspec.Raw(body)}
    return Message("shop", "document", msgspec.json.encode(said), f"edit{token}")


async def _minutes_later(at: Trade, minutes: int) -> None:
    """What is known has been known for so long, and what waits for a time is looked at again."""
    at.stage.sql(f"update document set changed_at = changed_at - interval '{minutes} minutes'")
    at.stage.sql(f"update waiting set until = until - interval '{minutes} minutes'")
    await at.stage.hub.keep_house()
    await at.stage.run()


async def test_a_payment_whose_webhook_was_lost_is_looked_for_and_its_refund_made(database_url: str):
    async with trade(database_url) as at:
        await at.do("pay", order="1", amount=3_000)
        await at.stage.tell(order("1", units=3, payment="paid"))
        await at.stage.run()
        await at.stage.tell(_shop_says(msgspec.json.encode(order("1", units=2, payment="paid")), token=2))
        await at.stage.run()
        assert at.refunded() == []
        assert at.stage.rows("select on_whom, what from waiting where name like 'payment_%%'") == [
            ("psp", "to tell of 30.00 USD that were paid")
        ]
        await _minutes_later(at, 11)
        assert at.refunded() == [1_000]
        assert at.stage.rows("select 1 from waiting where name like 'payment_%%'") == []
        await at.hear()  # what was lost comes late, and says nothing new
        await at.stage.run()
        assert at.refunded() == [1_000]
        assert at.stage.rows("select kind, count(*) from document where connection = 'psp' group by 1 order by 1") == [
            ("capture", 1),
            ("payment", 1),
            ("refund", 1),
        ]
        await at.stage.checked()


async def test_a_payment_that_nobody_made_is_a_case_in_the_end(database_url: str):
    async with trade(database_url) as at:
        await at.stage.tell(order("1", units=3, payment="paid"))
        await at.stage.run()
        await _minutes_later(at, 11)
        await _minutes_later(at, 24 * 60)
        assert at.stage.rows("select cause from cases where closed_at is null") == [("payment_unheard:psp",)]
        assert at.stage.rows("select count(*) from inbox where topic = 'payment_intents.found'") == [(2,)]
        await at.do("pay", order="1", amount=3_000)
        await at.hear()
        await at.stage.run()
        assert at.stage.rows("select cause from cases where closed_at is null") == []


async def _exchanged_at(at: Trade, rate: str) -> None:
    async with at.http.post("/_control/exchange", json={"settles_in": "usd", "rates": {"eur": rate}}) as answer:
        assert answer.status == 204


async def test_what_a_refund_cost_at_another_rate_is_an_exchange_difference(database_url: str):
    async with trade(database_url, settles_in="USD") as at:
        await _exchanged_at(at, "1.10")
        await at.do("pay", order="1", amount=3_000, currency="eur")
        await at.stage.tell(_in_euros(units=3, token=1))
        await at.hear()
        await at.stage.run()
        await _exchanged_at(at, "1.20")
        await at.stage.tell(_in_euros(units=2, token=2))
        await at.stage.run()
        await at.hear()
        await at.stage.run()
        assert at.refunded() == [1_000]
        async with at.stage.hub.database.reading() as tx:
            (read,) = await look(tx, ["order:shop:1"], at.stage.hub.rules)
        (capture,), (refund,) = read.standing.of("capture"), read.standing.of("refund")
        assert (capture.body.settled, refund.body.settled) == (usd(3_300), usd(1_200))
        statement = stated(read.standing, at.stage.hub.rules.policy)
        assert statement is not None
        balances = {(each.currency, each.name): each.balance for each in statement.trial_balance}
        assert balances["USD", FX_DIFFERENCE] == 100
        assert statement.customer_balance == -2_000  # paid, and nothing has left
        await at.stage.checked()


def _in_euros(units: int, token: int) -> Message:
    in_dollars = order("1", units=units)
    line = msgspec.structs.replace(in_dollars.lines[0], unit_price=Money(1_000, "EUR"))
    total: AnyMoney = Money(1_000 * units, "EUR")
    told = msgspec.structs.replace(in_dollars, currency="EUR", lines=(line,), total=total)
    return _shop_says(msgspec.json.encode(told), token)


async def test_a_capture_whose_answer_was_lost_counts_once_and_leaves_nothing_untaken(database_url: str):
    async with trade(database_url, capture_when="shipped") as at:
        await at.do("pay", order="1", amount=3_000, capture_method="manual")
        placed = order("1", units=3)
        await at.stage.tell(placed)
        await at.hear()
        await at.stage.run()
        await at.stage.tell(shipment("p1", placed, units=1))
        at.provider.mischief.arm(FaultRule(match="capture", kind="commit_then_drop", times=1))
        await at.stage.deliver("psp")
        await at.hear()  # the first capture is known, its answer was lost
        await at.stage.tell(shipment("p2", placed, units=1))
        await at.stage.run()
        assert sum(entry.details["amount"] for entry in at.provider.ledger.select("captured")) == 2_000
        await at.stage.checked()
