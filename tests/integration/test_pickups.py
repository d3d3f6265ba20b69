"""Orders that buyers fetch in a store, through the hub: judged on what the till, the provider, the mail and the shop hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crossdock.simulators.mischief import FaultRule
from tests.integration.fetching import town

# Two mugs and a tea at 10.00 and 10 % tax.
UNITS, WHOLE = {"MUG": 2, "TEA": 1}, 3_300
MUG = 1_100


async def test_what_is_handed_over_is_captured_and_the_buyer_was_told_once(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE)
        assert at.till.counter.orders[id_]["location_id"] == "STORE-1"
        at.till.reserve(id_)
        await at.heard()
        assert (at.mails(), at.money()) == ([], [])
        at.till.prepare(id_)
        await at.heard()
        assert at.mails() == [f"Your order {order.name} is ready to be picked up"]
        assert "East hall, 1 Quay Street" in at.mail.ledger.select("mail_received")[0].details["text"]
        assert (at.money(), at.waits()) == ([], {"fetched": "customer", **_clock(at.waits())})
        at.till.hand_over(id_)
        await at.heard()
        assert at.money() == [("captured", WHOLE)]
        assert at.fulfilled() == [{at.line(order, "MUG"): 2, at.line(order, "TEA"): 1}]
        assert len(at.mails()) == 1
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})
        await at.checked()


def _clock(waits: dict[str, str]) -> dict[str, str]:
    return {name: whom for name, whom in waits.items() if whom == "clock"}


async def test_a_short_pick_is_captured_short_and_the_rest_of_the_authorisation_let_go(
    database_url: str, tmp_path: Path
) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE)
        mug = at.line(order, "MUG")
        at.till.prepare(id_, {mug: 1})
        await at.heard()
        (mail,) = at.mail.ledger.select("mail_received")
        assert "1 x Mug" in mail.details["text"]
        missing = mail.details["text"].partition("We are sorry")[2]
        assert ("1 x Mug" in missing, "1 x Tea" in missing) == (True, True)
        assert at.waits()["missing_units"] == "shop"
        at.till.hand_over(id_)
        await at.heard()
        assert at.money() == [("captured", MUG), ("released", WHOLE - MUG)]
        assert at.fulfilled() == [{mug: 1}]
        at.shop.edit_order(order.id, {int(mug): 1, int(at.line(order, "TEA")): 0})
        await at.heard()
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})
        assert at.money() == [("captured", MUG), ("released", WHOLE - MUG)]


async def test_who_never_comes_is_released_voided_and_cancelled_once(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE, ends_in=15.0)
        at.till.prepare(id_)
        await at.heard()
        assert len(at.mails()) == 1
        await at.over()
        assert at.till.counter.orders[id_]["state"] == "CANCELED"
        assert at.money() == [("canceled", WHOLE)]
        (cancelled,) = at.shop.ledger.select("order_cancelled", str(order.id))
        assert cancelled.details["by"] == "api"
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})
        assert (len(at.mails()), at.fulfilled()) == (1, [])
        await at.checked()


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_status", "garbage", "refuse"])
async def test_whatever_becomes_of_the_answers_nothing_is_given_up_twice(
    database_url: str, tmp_path: Path, kind: Any
) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE, ends_in=15.0)
        at.till.prepare(id_)
        await at.heard()
        at.till.mischief.arm(FaultRule(match=f"PUT /v2/orders/{id_}", kind=kind, status=502, times=1))
        at.shop.mischief.arm(FaultRule(match="OrderCancel", kind=kind, status=502, times=1))
        at.psp.mischief.arm(FaultRule(match="/cancel", kind=kind, status=502, times=1))
        await at.over()
        assert at.till.ledger.counts()["pickup_canceled"] == 1
        assert at.money() == [("canceled", WHOLE)]
        assert len(at.shop.ledger.select("order_cancelled", str(order.id))) == 1
        assert (at.cases(), at.stages()) == ([], {})


async def test_who_comes_in_the_last_moment_gets_the_goods_and_pays_them(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE, ends_in=15.0)
        at.till.prepare(id_)
        await at.heard()
        at.till.sender.target_url = None  # what the till tells of it is lost
        at.till.hand_over(id_)
        await at.over()
        assert at.money() == [("captured", WHOLE)]
        assert at.till.ledger.counts().get("pickup_canceled", 0) == 0
        assert at.shop.ledger.select("order_cancelled", str(order.id)) == []
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})


async def test_goods_that_were_handed_over_after_they_were_given_up_are_a_case_with_their_amount(
    database_url: str, tmp_path: Path
) -> None:
    async with town(database_url, tmp_path) as at:
        _, id_ = await at.ready(UNITS, WHOLE, ends_in=15.0)
        at.till.prepare(id_)
        await at.heard()
        await at.over()
        assert at.money() == [("canceled", WHOLE)]
        at.till.hand_over_anyway(id_)
        await at.heard()
        assert at.money() == [("canceled", WHOLE)]
        assert [cause.partition(":")[0] for cause in at.cases()] == ["handed_over_unpaid"]
        assert "30.00 USD" in at.details()


async def test_a_cancelled_order_goes_back_to_the_shelf(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order, id_ = await at.ready(UNITS, WHOLE)
        at.till.prepare(id_)
        await at.heard()
        at.shop.cancel_order(order.id)
        await at.heard()
        assert at.till.counter.orders[id_]["state"] == "CANCELED"
        assert at.money() == [("canceled", WHOLE)]
        assert len(at.shop.ledger.select("order_cancelled", str(order.id))) == 1
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})


async def test_an_authorisation_that_ends_is_warned_of_and_then_a_case(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order = await at.order(UNITS)
        await at.pay(order, WHOLE, expires_after_seconds=6.0)
        await at.heard()
        assert at.cases() == ["authorisation_expires:psp"]
        await at.at_last(datetime.now(UTC) + timedelta(seconds=6.0))
        assert at.cases() == [f"authorisation_gone:order:shop:{order.id}"]
        assert "33.00 USD" in at.details()
        at.till.prepare(at.asked_for())
        at.till.hand_over(at.asked_for())
        await at.heard()
        assert at.cases() == [f"capture_uncovered:order:shop:{order.id}"]
        assert "33.00 USD" in at.details()
        assert at.money() == [("expired", WHOLE), ("canceled", WHOLE)]


async def test_an_authorisation_that_ends_gives_the_goods_up_where_the_policy_says_so(
    database_url: str, tmp_path: Path
) -> None:
    async with town(database_url, tmp_path, authorisation_ends="release") as at:
        order = await at.order(UNITS)
        await at.pay(order, WHOLE, expires_after_seconds=6.0)
        await at.heard()
        await at.at_last(datetime.now(UTC) + timedelta(seconds=6.0))
        assert at.till.counter.orders[at.asked_for()]["state"] == "CANCELED"
        assert len(at.shop.ledger.select("order_cancelled", str(order.id))) == 1
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_order_and_however_often_it_is_told_it_comes_to_the_same(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    async with town(database_url, tmp_path) as at:
        _, id_ = await at.ready(UNITS, WHOLE)
        at.deaf, before = True, len(at.heard_at)
        at.till.reserve(id_)
        at.till.prepare(id_)
        at.till.hand_over(id_)
        await at.till.sender.idle()
        at.deaf, told = False, at.heard_at[before:] * 2
        random.Random(seed).shuffle(told)
        for message in told:
            await at.receive(message)
            await at.heard()
        assert at.money() == [("captured", WHOLE)]
        assert (at.mails(), len(at.fulfilled())) == ([], 1)
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})


async def test_an_order_that_was_paid_at_once_is_not_captured_again(database_url: str, tmp_path: Path) -> None:
    async with town(database_url, tmp_path) as at:
        order = await at.order(UNITS)
        await at.pay(order, WHOLE, capture_method="automatic")
        await at.heard()
        at.till.prepare(at.asked_for())
        at.till.hand_over(at.asked_for())
        await at.heard()
        assert at.money() == [("captured", WHOLE)]
        assert (at.cases(), at.stages(), at.waits()) == ([], {}, {})
