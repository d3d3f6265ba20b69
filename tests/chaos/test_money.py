"""Money goes back once, never more than came in, and nothing owed is forgotten: judged on the provider's own ledger."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crossdock.simulators.mischief import FaultRule, WebhookMischief
from crossdock.simulators.payments_keys import KeySettings
from crossdock.simulators.payments_provider import RefundSettings
from tests.chaos.trading import Audit, Sale, Trade, trading

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FORGETFUL = {"connector": "tests.chaos.forgetful"}
"""The provider's keys expire at once, and the connector knows it: in doubt it searches."""
REFUNDS = "POST /v1/refunds"
# Longer than a call's lease of 2.5 s, which a stopped process then has lost.
SLEEP_SECONDS = 3.0

Deed = Callable[[], Awaitable[Any] | None]


def faults(each: int) -> list[FaultRule]:
    """Every kind, so many times; the hub waits 1 s for an answer."""
    kinds: list[dict[str, Any]] = [
        {"kind": "commit_then_drop"},
        {"kind": "commit_then_status", "status": 500},
        {"kind": "commit_then_status", "status": 502},
        {"kind": "commit_then_timeout", "seconds": 1.2},
        {"kind": "late", "status": 502, "seconds": 0.6},
        {"kind": "late", "status": 0, "seconds": 0.9},
        {"kind": "slow", "seconds": 1.1},
        {"kind": "refuse", "status": 429, "retry_after": 0.2},
        {"kind": "refuse", "status": 503},
        {"kind": "garbage"},
    ]
    return [FaultRule(match=REFUNDS, times=each, probability=0.1, **kind) for kind in kinds]


def forget_keys(at: Trade) -> None:
    at.retailer.payments.books.keys.settings = KeySettings(window_seconds=0)
    at.retailer.payments.provider.refunding = RefundSettings(list_lag_seconds=0.4)


def spoil_webhooks(at: Trade, spoils: WebhookMischief) -> None:
    for system in (at.retailer.payments, at.retailer.till, at.retailer.shop):
        system.mischief.webhooks = spoils


def what_people_do(at: Trade, shipped: list[Sale], open_: list[Sale]) -> list[Deed]:
    """All that can befall an order's money, several of it on some."""
    luck, deeds = at.luck, list[Deed]()
    for nth, sale in enumerate(shipped):
        deeds += _on_shipped(at, sale, nth)
    for nth, sale in enumerate(open_):
        if nth % 2:
            deeds.append(lambda s=sale: at.cancel(s))
        else:
            deeds.append(lambda s=sale: at.lower(s, "TEE-BLK-M", 1))
        if nth % 4 == 2:
            deeds.append(lambda s=sale: at.lower(s, "MUG-01", 2))
    luck.shuffle(deeds)
    return deeds


def _on_shipped(at: Trade, sale: Sale, nth: int) -> list[Deed]:
    mug, tees = {"MUG-01": 1}, {"TEE-BLK-M": 2, "CAP-RED": 1}
    kinds: list[list[Deed]] = [
        [lambda: at.hand_in(sale, mug), lambda: at.hand_in(sale, tees, look=False), lambda: at.hand_in(sale, mug)],
        [lambda: at.hand_in(sale, tees, pay_out=True), lambda: at.allow(sale, 333)],
        [lambda: at.allow(sale, 450), lambda: at.hand_in(sale, {"CAP-RED": 2}), lambda: at.allow(sale, 1)],
        [lambda: at.hand_in(sale, {"MUG-01": 3, "TEE-BLK-M": 2, "CAP-RED": 2})],
        [lambda: at.hand_in(sale, tees), lambda: at.refund_by_hand(sale, 500)],
        [lambda: at.dispute(sale, 700), lambda: at.hand_in(sale, tees), lambda: at.hand_in(sale, mug, look=False)],
        [lambda: at.hand_in(sale, mug, look=False), lambda: at.hand_in(sale, tees, look=False)],
    ]
    return kinds[nth % len(kinds)]


async def make_trouble(at: Trade, strikes: int) -> None:
    """Processes die and sleep past their leases, at any moment; the dead are replaced."""
    for nth in range(strikes):
        await asyncio.sleep(at.luck.uniform(0.2, 0.8))
        victim = at.luck.choice(at.retailer.hubs)
        if nth % 2:
            at.send(victim, signal.SIGSTOP)
            await asyncio.sleep(SLEEP_SECONDS)
            at.send(victim, signal.SIGCONT)
        else:
            at.send(victim, signal.SIGKILL)
            await at.revive()


async def live(at: Trade, *, orders: int, strikes: int, each_fault: int) -> None:
    """Orders are sold in peace; then everything happens at once; then there is peace again."""
    await at.start(4)
    for _ in range(orders):
        await at.place()
    await at.all_sold()
    shipped, open_ = at.sales[: orders * 2 // 3], at.sales[orders * 2 // 3 :]
    for sale in shipped:
        await at.ship(sale)
    await at.all_told()
    at.retailer.payments.mischief.arm(*faults(each_fault))
    spoil_webhooks(at, WebhookMischief(duplicate=0.3, delay_seconds=0.6, reorder=True, forge=0.1, alter=0.1))
    trouble = asyncio.create_task(make_trouble(at, strikes))
    for deed in what_people_do(at, shipped, open_):
        if (doing := deed()) is not None:
            await doing
        await asyncio.sleep(at.luck.uniform(0.0, 0.15))
    await _later(at, shipped)
    await trouble
    at.retailer.payments.mischief.disarm()
    await at.at_rest()


async def _later(at: Trade, shipped: list[Sale]) -> None:
    """What comes after: returns are looked at, banks decide, refunds come back."""
    while at.looks:
        at.look()
        await asyncio.sleep(0.05)
    disputed = [sale for sale in shipped if shipped.index(sale) % 7 == 5]
    for nth, sale in enumerate(disputed[1:]):
        await at.decide(sale, won=bool(nth % 2))
    for sale in shipped[3::7]:
        await at.come_back(sale)


async def assert_books_hold(at: Trade) -> Audit:
    audit = Audit(at)
    assert audit.faults == []
    checked = await at.retailer.ask_json("check")
    assert checked["holds"], [each for each in checked["invariants"] if each["breaches"]] or checked["inbox"]
    return audit


@pytest.mark.slice
@pytest.mark.parametrize("keys", ["kept"])
async def test_refunds_are_paid_once_by_four_processes_that_die_at_a_provider_that_fails(
    database_url: str, tmp_path: Path, keys: str
) -> None:
    async with trading(tmp_path, database_url, psp=FORGETFUL if keys == "forgotten" else None) as at:
        if keys == "forgotten":
            forget_keys(at)
        await live(at, orders=10, strikes=2, each_fault=2)
        audit = await assert_books_hold(at)
        assert len(at.retailer.payments.mischief.struck) > 3
        assert audit.settled > len(at.sales) // 2


@pytest.mark.parametrize("keys", ["kept", "forgotten"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_long_day_of_faults_ends_with_every_cent_accounted_for(
    database_url: str, tmp_path: Path, keys: str, seed: int
) -> None:
    async with trading(tmp_path, database_url, seed=seed, psp=FORGETFUL if keys == "forgotten" else None) as at:
        if keys == "forgotten":
            forget_keys(at)
        await live(at, orders=45, strikes=8, each_fault=5)
        audit = await assert_books_hold(at)
        struck = {each.kind for each in at.retailer.payments.mischief.struck}
        assert struck >= {"commit_then_drop", "commit_then_status", "late", "refuse"}
        assert audit.settled > len(at.sales) // 2


# Everything between knowing what is owed and knowing that it was paid; later times meet refunds that follow others.
POINTS = [
    ("settle:before_commit", 1),
    ("settle:after_commit", 1),
    ("seal:before_commit", 1),
    ("seal:after_commit", 1),
    ("call:before", 1),
    ("call:after", 1),
    ("receipt:before_commit", 1),
    ("receipt:after_commit", 1),
    ("call:after", 2),
    ("receipt:before_commit", 2),
]


@pytest.mark.parametrize("keys", ["kept", "forgotten"])
@pytest.mark.parametrize("how", ["KILL", "STOP"])
@pytest.mark.parametrize(("point", "count"), POINTS)
async def test_a_process_that_dies_or_sleeps_anywhere_around_a_refund_leaves_it_paid_once(
    database_url: str, tmp_path: Path, point: str, count: int, how: str, keys: str
) -> None:
    """Without ERP and mail the provider is the first that anything is asked of after a return."""
    psp = FORGETFUL if keys == "forgotten" else None
    async with trading(tmp_path, database_url, psp=psp, erp=False, mail=False) as at:
        if keys == "forgotten":
            forget_keys(at)
        await at.start(1)
        for _ in range(4):
            await at.place()
        await at.all_sold()
        for sale in at.sales:
            await at.ship(sale)
        await at.all_told()
        await at.retailer.stop_hubs()
        marker = tmp_path / "struck"
        armed = {f"CROSSDOCK_{how}_AT": point, "CROSSDOCK_CHECKPOINT_COUNT": str(count)}
        await at.start(4, {**armed, "CROSSDOCK_CHECKPOINT_MARKER": str(marker)})
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 1})
        await at.until("the point is reached", marker.exists)
        await asyncio.sleep(SLEEP_SECONDS if how == "STOP" else 0.2)
        for hub in at.retailer.hubs:
            at.send(hub, signal.SIGCONT)
        assert await at.revive() == (how == "KILL")
        for sale in at.sales:
            at.hand_in(sale, {"MUG-01": 2})
        await at.at_rest()
        await assert_books_hold(at)
