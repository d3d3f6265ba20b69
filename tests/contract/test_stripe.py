"""The Stripe connector: its acts come out right whatever goes wrong between the two.

Effects are judged on the simulated provider's ledger, never on its answers.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.payment import PaymentRefund, Refund
from crossdock.connect.effects import Keyed, Searchable
from crossdock.connect.receipts import Confirmed
from crossdock.connectors.stripe import connector
from crossdock.connectors.stripe.acts import (
    capture,
    find_captures,
    find_refunds,
    find_voids,
    idempotency_key,
    refund,
    void,
)
from crossdock.connectors.stripe.amounts import amount_of
from crossdock.kernel.faults import Refused, Rejected, Throttled, Transient, Unknown
from crossdock.kernel.money import Money, usd
from crossdock.simulators.mischief import FaultRule
from tests.contract.stripe_site import capturing, refunding, site, voiding

# ---- refunds


async def test_a_refund_carries_our_key_and_its_order_and_is_confirmed_with_the_fact_it_made():
    async with site() as at:
        paid = await at.pay()
        command = refunding(paid["id"])
        outcome = await refund(command, at.link)
        assert isinstance(outcome, Confirmed)
        assert isinstance(outcome.body, Refund)
        assert (outcome.body.reference, outcome.body.status) == (command.key, "succeeded")
        assert outcome.body.amount == usd(2_500)
        (made,) = at.happened("refunded", command.key)
        assert made["metadata"] == {"crossdock_key": command.key, "order": "1001", "reason": "return RMA-7"}


async def test_a_pending_refund_is_confirmed_as_pending_and_one_that_failed_at_once_is_a_persons_matter():
    async with site() as at:
        paid = await at.pay()
        await at.control("refunds", settle_after_seconds=-1)
        outcome = await refund(refunding(paid["id"]), at.link)
        assert isinstance(outcome, Confirmed)
        assert isinstance(outcome.body, Refund)
        assert outcome.body.status == "pending"
        await at.do("settle_refund", refund=outcome.id, outcome="failed", reason="lost_or_stolen_card")
        found = await find_refunds([refunding(paid["id"])], at.link)
        failed = found[refunding(paid["id"]).key]
        assert isinstance(failed, Rejected)
        assert "lost_or_stolen_card" in failed.detail


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_status", "commit_then_timeout", "garbage", "late"])
async def test_after_a_lost_answer_the_outcome_is_unknown_and_a_second_send_refunds_once(kind: Any):
    async with site(timeout_seconds=0.3) as at:
        paid = await at.pay()
        at.provider.mischief.arm(FaultRule(match="POST /v1/refunds", kind=kind, seconds=0.5, status=502, times=1))
        command = refunding(paid["id"])
        with pytest.raises(Unknown):
            await refund(command, at.link)
        await at.provider.mischief.settled()
        assert isinstance(await refund(command, at.link), Confirmed)
        assert len(at.happened("refunded", command.key)) == 1


async def test_while_the_first_request_still_runs_its_repeat_waits_and_one_refund_is_made():
    async with site(timeout_seconds=0.2) as at:
        command = refunding((await at.pay())["id"])
        await at.control("keys", execution_seconds=0.5)
        with pytest.raises(Unknown):
            await refund(command, at.link)
        with pytest.raises(Transient):
            await refund(command, at.link)
        await asyncio.sleep(0.6)  # longer than its execution
        assert len(at.happened("refunded", command.key)) == 1
        assert isinstance(await refund(command, at.link), Confirmed)
        assert len(at.happened("refunded", command.key)) == 1


async def test_after_the_key_expired_the_refund_is_found_by_our_reference_among_many():
    async with site() as at:
        paid = await at.pay(amount=1_000_000)
        lost, absent = refunding(paid["id"]), refunding(paid["id"], ordinal=2)
        at.provider.mischief.arm(FaultRule(match="POST /v1/refunds", kind="commit_then_drop", times=1))
        with pytest.raises(Unknown):
            await refund(lost, at.link)
        await at.control("keys", window_seconds=0)
        for _ in range(120):
            at.provider.provider.refund(at.provider.books.all("charge")[0], 10, {}, None)
        found = await find_refunds([lost, absent], at.link)
        assert set(found) == {lost.key}
        assert isinstance(found[lost.key], Confirmed)


async def test_what_a_resend_after_the_window_would_do_is_a_second_refund():
    """Why the window matters: the provider's ledger shows what ignoring it costs."""
    async with site() as at:
        command = refunding((await at.pay())["id"])
        await refund(command, at.link)
        await at.control("keys", window_seconds=0)
        await refund(command, at.link)
        assert len(at.happened("refunded", command.key)) == 2
        keyed, searchable = connector.capabilities[PaymentRefund].effects
        assert keyed == Keyed(timedelta(hours=24))
        assert isinstance(searchable, Searchable)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"clerk_refund": {"amount": 9_000}}, "amount_too_large"),
        ({"clerk_refund": {}}, "charge_already_refunded"),
        ({"open_dispute": {}}, "charge_disputed"),
    ],
)
async def test_a_refund_that_cant_be_is_rejected_with_the_providers_reason(spoil: dict[str, Any], code: str):
    async with site() as at:
        paid = await at.pay()
        for deed, given in spoil.items():
            await at.do(deed, order="1001", **given)
        with pytest.raises(Rejected, match=code) as caught:
            await refund(refunding(paid["id"]), at.link)
        assert caught.value.field == ("amount" if code == "amount_too_large" else None)
        assert at.happened("refunded", refunding(paid["id"]).key) == []


async def test_a_payment_nobody_knows_is_rejected_by_its_field():
    async with site() as at:
        with pytest.raises(Rejected) as caught:
            await refund(refunding("payment:psp:pi_none"), at.link)
        assert caught.value.field == "payment_intent"


async def test_our_key_used_for_something_else_is_a_persons_matter():
    async with site() as at:
        paid = await at.pay()
        await refund(refunding(paid["id"], 100), at.link)
        with pytest.raises(Rejected, match="idempotency_error"):
            await refund(refunding(paid["id"], 200), at.link)


@pytest.mark.parametrize(
    ("status", "fault"), [(401, Refused), (403, Refused), (429, Throttled), (500, Unknown), (503, Unknown)]
)
async def test_a_refused_call_is_the_fault_its_status_stands_for(status: int, fault: type[Exception]):
    async with site() as at:
        paid = await at.pay()
        at.provider.mischief.arm(FaultRule(match="POST /v1/", kind="refuse", status=status, retry_after=3))
        with pytest.raises(fault):
            await refund(refunding(paid["id"]), at.link)


async def test_a_500_that_the_provider_kept_stays_unknown_until_the_search_says_what_happened():
    async with site() as at:
        command = refunding((await at.pay())["id"])
        await at.control("keys", fail_next="after")
        for is_repeated in (False, True):
            with pytest.raises(Unknown) as caught:
                await refund(command, at.link)
            assert caught.value.kept == is_repeated
        assert set(await find_refunds([command], at.link)) == {command.key}
        assert len(at.happened("refunded", command.key)) == 1


async def test_a_wrong_key_and_a_wrong_address_stop_the_lane():
    async with site(key="sk_wrong") as at:
        with pytest.raises(Refused):
            await refund(refunding("pi_1"), at.link)
    async with site() as at:
        at.provider.mischief.arm(FaultRule(match="/v1/", kind="refuse", status=404))
        with pytest.raises(Refused):
            await refund(refunding("pi_1"), at.link)


# ---- captures and voids


async def test_parcels_are_captured_one_by_one_and_each_capture_is_found_by_its_key():
    async with site() as at:
        paid = await at.pay(capture_method="manual")
        first, last = capturing(paid["id"], 7_000, final=False), capturing(paid["id"], 2_000, final=True, ordinal=2)
        made = await capture(first, at.link)
        assert isinstance(made, Confirmed)
        assert made.aliases == (f"{paid['latest_charge']}-7000",)
        assert set(await find_captures([first, last], at.link)) == {first.key}
        await capture(last, at.link)
        found = await find_captures([first, last], at.link)
        assert found[first.key] == Confirmed(id=made.id)
        assert [at.happened("captured", each.key)[0]["amount"] for each in (first, last)] == [7_000, 2_000]


async def test_a_capture_of_more_than_is_held_or_of_an_expired_hold_is_rejected():
    async with site() as at:
        paid = await at.pay(capture_method="manual")
        with pytest.raises(Rejected) as caught:
            await capture(capturing(paid["id"], 10_001, final=True), at.link)
        assert caught.value.field == "amount_to_capture"
        await at.do("expire", order="1001")
        with pytest.raises(Rejected, match="unexpected_state"):
            await capture(capturing(paid["id"], 100, final=True, ordinal=2), at.link)


async def test_an_account_without_multicapture_is_told_by_the_field():
    async with site() as at:
        paid = await at.pay(capture_method="manual", multicapture=False)
        with pytest.raises(Rejected) as caught:
            await capture(capturing(paid["id"], 7_000, final=False), at.link)
        assert caught.value.field == "final_capture"


async def test_a_void_lets_go_of_all_or_of_the_rest_and_is_done_when_nothing_is_held():
    async with site() as at:
        whole, parted = await at.pay("1", capture_method="manual"), await at.pay("2", capture_method="manual")
        assert await void(voiding(whole["id"]), at.link) == Confirmed(id=whole["id"])
        assert await void(voiding(whole["id"]), at.link) == Confirmed(id=whole["id"])
        assert [entry["amount"] for entry in at.happened("canceled")] == [10_000]
        await capture(capturing(parted["id"], 4_000, final=False), at.link)
        assert await find_voids([voiding(parted["id"])], at.link) == {}
        assert await void(voiding(parted["id"]), at.link) == Confirmed(id=parted["id"])
        assert [entry["amount"] for entry in at.happened("released")] == [6_000]
        assert set(await find_voids([voiding(parted["id"])], at.link)) == {voiding(parted["id"]).key}
        assert isinstance(await void(voiding("pi_none"), at.link), Rejected)


# ---- small print


def test_a_key_stripe_cant_keep_becomes_a_digest_of_its_own():
    short, long, other = "order:shop:1/refund/a/1", "k" * 256, "k" * 257
    assert idempotency_key(short) == short
    assert len(idempotency_key(long)) <= 255
    assert idempotency_key(long) != idempotency_key(other)
    assert idempotency_key("ü") == idempotency_key("ü") != "ü"


async def test_a_reference_longer_than_metadata_holds_is_rejected_before_anything_is_sent():
    async with site() as at:
        paid = await at.pay()
        command = msgspec.structs.replace(refunding(paid["id"]), key="k" * 501)
        with pytest.raises(Rejected):
            await refund(command, at.link)
        assert at.happened("refunded") == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Money(1_250, "USD"), 1_250),
        (Money(500, "JPY"), 500),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(700, "MGA"), 7),
        (Money(5_120, "KWD"), 5_120),
    ],
)
def test_amounts_are_in_stripes_unit_of_each_currency(ours: Any, theirs: int):
    assert amount_of(ours) == theirs


def test_a_fraction_stripe_cant_say_is_rejected():
    with pytest.raises(Rejected):
        amount_of(Money(750, "MGA"))
