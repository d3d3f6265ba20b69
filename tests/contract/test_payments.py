"""The simulated payment provider keeps a provider's promises: keys, limits, books that balance, and a ledger that is true."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from crossdock.simulators.payments import API_KEY, Payments
from tests.contract.stripe_site import Site, site

# ---- idempotency keys


async def _refund(at: Site, intent: str, amount: int, key: str) -> tuple[int, Any]:
    return await at.call("POST", "/v1/refunds", {"payment_intent": intent, "amount": str(amount)}, key)


async def test_a_key_answers_the_same_and_refunds_once():
    async with site() as at:
        paid = await at.pay()
        first, again = await _refund(at, paid["id"], 500, "k1"), await _refund(at, paid["id"], 500, "k1")
        assert first == again
        assert [entry["amount"] for entry in at.happened("refunded", "k1")] == [500]


async def test_a_key_with_other_parameters_is_an_error_and_does_nothing():
    async with site() as at:
        paid = await at.pay()
        await _refund(at, paid["id"], 500, "k1")
        status, told = await _refund(at, paid["id"], 600, "k1")
        assert (status, told["error"]["type"]) == (400, "idempotency_error")
        assert len(at.happened("refunded")) == 1


async def test_an_expired_key_refunds_again():
    async with site() as at:
        paid = await at.pay()
        await _refund(at, paid["id"], 500, "k1")
        await at.control("keys", window_seconds=0)
        await _refund(at, paid["id"], 500, "k1")
        assert len(at.happened("refunded", "k1")) == 2


async def test_a_refusal_is_kept_under_its_key_and_a_bad_parameter_is_not():
    async with site() as at:
        paid = await at.pay(capture_method="manual")
        assert (await _refund(at, paid["id"], 500, "early"))[1]["error"]["code"] == "charge_not_refundable"
        assert (await _refund(at, paid["id"], 0, "bad"))[1]["error"]["param"] == "amount"
        await at.do("capture", order="1001")
        assert (await _refund(at, paid["id"], 500, "early"))[0] == 400
        assert (await _refund(at, paid["id"], 500, "bad"))[0] == 200


async def test_a_500_is_kept_whether_or_not_it_had_an_effect():
    async with site() as at:
        paid = await at.pay()
        for when, effects in (("before", 0), ("after", 1)):
            await at.control("keys", fail_next=when)
            assert [(await _refund(at, paid["id"], 500, when))[0] for _ in range(2)] == [500, 500]
            assert len(at.happened("refunded", when)) == effects


async def test_two_requests_with_one_key_at_a_time_conflict_and_the_second_is_not_kept():
    async with site() as at:
        paid = await at.pay()
        await at.control("keys", execution_seconds=0.2)
        first, second = await asyncio.gather(*(_refund(at, paid["id"], 500, "k1") for _ in range(2)))
        assert sorted((first[0], second[0])) == [200, 409]
        assert (await _refund(at, paid["id"], 500, "k1"))[0] == 200
        assert len(at.happened("refunded", "k1")) == 1


# ---- limits


async def test_never_more_is_refunded_than_was_captured_and_not_given_back():
    async with site() as at:
        paid = await at.pay(amount=1_000)
        assert (await _refund(at, paid["id"], 700, "a"))[0] == 200
        assert (await _refund(at, paid["id"], 400, "b"))[1]["error"]["code"] == "amount_too_large"
        await at.do("clerk_refund", order="1001", amount=300)
        assert (await _refund(at, paid["id"], 1, "c"))[1]["error"]["code"] == "charge_already_refunded"
        assert sum(entry["amount"] for entry in at.happened("refunded")) == 1_000


async def test_a_refund_that_fails_gives_back_what_it_counted_for():
    async with site() as at:
        paid = await at.pay(amount=1_000)
        _, made = await _refund(at, paid["id"], 1_000, "a")
        await at.do("settle_refund", refund=made["id"], outcome="failed", reason="declined")
        assert (await _refund(at, paid["id"], 1_000, "b"))[0] == 200
        assert [entry["amount"] for entry in at.happened("refund_failed")] == [1_000]


async def test_a_disputed_charge_gives_nothing_until_the_dispute_is_won():
    async with site() as at:
        paid = await at.pay()
        await at.do("open_dispute", order="1001", reason="fraudulent")
        assert (await _refund(at, paid["id"], 100, "a"))[1]["error"]["code"] == "charge_disputed"
        await at.do("close_dispute", order="1001", won=True)
        assert (await _refund(at, paid["id"], 100, "b"))[0] == 200


async def test_captures_stay_within_what_is_held_and_the_last_lets_go_of_the_rest():
    async with site() as at:
        paid = await at.pay(capture_method="manual")
        path = f"/v1/payment_intents/{paid['id']}/capture"
        assert (await at.call("POST", path, {"amount_to_capture": "10001"}))[1]["error"]["code"] == "amount_too_large"
        await at.call("POST", path, {"amount_to_capture": "7000", "final_capture": "false"})
        _, done = await at.call("POST", path, {"amount_to_capture": "2000"})
        assert (done["status"], done["amount_received"], done["amount_capturable"]) == ("succeeded", 9_000, 0)
        assert [entry["amount"] for entry in at.happened("released")] == [1_000]
        assert (await at.call("POST", path))[1]["error"]["code"] == "payment_intent_unexpected_state"


async def test_without_multicapture_there_is_one_capture():
    async with site() as at:
        paid = await at.pay(capture_method="manual", multicapture=False)
        path = f"/v1/payment_intents/{paid['id']}/capture"
        status, told = await at.call("POST", path, {"amount_to_capture": "7000", "final_capture": "false"})
        assert (status, told["error"]["param"]) == (400, "final_capture")


async def test_an_authorisation_runs_out_by_itself():
    async with site() as at:
        paid = await at.pay(capture_method="manual", expires_after_seconds=0.05)
        await at.provider.mischief.settled()
        _, now = await at.call("GET", f"/v1/payment_intents/{paid['id']}")
        assert (now["status"], now["cancellation_reason"]) == ("canceled", "expired")


# ---- the books


async def test_a_payout_is_the_sum_of_its_lines_and_each_line_is_paid_out_once():
    async with site() as at:
        paid = await at.pay(amount=5_000)
        await at.pay("1002", 3_000)
        await _refund(at, paid["id"], 1_000, "a")
        await at.do("open_dispute", order="1002")
        await at.do("close_dispute", order="1002", won=False)
        payout = await at.do("payout", fee=25)
        _, lines = await at.call("GET", f"/v1/balance_transactions?payout={payout['id']}&limit=100")
        assert sum(line["net"] for line in lines["data"]) == 0
        # charges 8,000 less 3 % and 30 each; refund 1,000; dispute 3,000 and its fee 1,500; payout fee 25
        assert payout["amount"] == 8_000 - (145 + 30) - (87 + 30) - 1_000 - 3_000 - 1_500 - 25
        async with at.http.post("/_do/payout", json={}) as again:
            assert again.status == 400


# ---- the API


async def test_lists_are_pages_from_the_newest_on():
    async with site() as at:
        paid = await at.pay()
        made = [(await _refund(at, paid["id"], 100, f"k{n}"))[1]["id"] for n in range(5)]
        _, first = await at.call("GET", f"/v1/refunds?payment_intent={paid['id']}&limit=3")
        _, rest = await at.call("GET", f"/v1/refunds?limit=3&starting_after={first['data'][-1]['id']}")
        assert [each["id"] for each in first["data"] + rest["data"]] == made[::-1]
        assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_an_object_takes_the_place_of_its_id_where_it_is_asked_for():
    async with site() as at:
        await at.pay()
        made = await at.do("clerk_refund", order="1001", amount=100)
        _, shown = await at.call("GET", f"/v1/refunds/{made['id']}?expand[]=charge.payment_intent")
        assert shown["charge"]["payment_intent"]["metadata"] == {"order": "1001"}


async def test_a_wrong_key_an_unknown_thing_and_an_unknown_parameter_are_told_apart():
    async with site() as at:
        async with at.http.get("/v1/refunds", headers={"Authorization": "Bearer sk_other"}) as answer:
            assert answer.status == 401
        async with at.http.get(
            "/v1/refunds", headers={"Authorization": aiohttp.encode_basic_auth(API_KEY, "")}
        ) as answer:
            assert answer.status == 200
        status, told = await at.call("GET", "/v1/refunds/re_none")
        assert (status, told["error"]["code"]) == (404, "resource_missing")
        status, told = await at.call("POST", "/v1/refunds", {"payment_intent": "pi_1", "sum": "5"})
        assert (status, told["error"]["code"]) == (400, "parameter_unknown")


async def test_a_declined_card_leaves_the_payment_waiting():
    async with site() as at:
        form = {"amount": "500", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa_chargeDeclined"}
        status, told = await at.call("POST", "/v1/payment_intents", form)
        assert (status, told["error"]["type"], told["error"]["code"]) == (402, "card_error", "card_declined")
        assert at.happened("captured") == []


async def test_a_restore_forgets_what_was_done_and_the_ledger_does_not():
    async with site() as at:
        paid = await at.pay()
        await at.http.post("/_control/snapshot")
        _, made = await _refund(at, paid["id"], 500, "k1")
        await at.http.post("/_control/restore")
        assert (await at.call("GET", f"/v1/refunds/{made['id']}"))[0] == 404
        _, again = await _refund(at, paid["id"], 500, "k1")
        assert again["id"] != made["id"]
        assert len(at.happened("refunded", "k1")) == 2


def test_the_same_seed_gives_the_same_ids():
    made = [Payments(seed=5).provider.create(100, "usd", {}, manual=False)["id"] for _ in range(2)]
    assert made[0] == made[1]
