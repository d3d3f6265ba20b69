"""What is promised, said in the words of people in retail: no raw names, no bars, ids by what people call them."""

from __future__ import annotations

import pytest

from crossdock.cli.wording import called, cause_of, name_of, need_of

KNOWN = {"return:till:5F0F47": "R1", "5F0F47": "R1", "pi_9": "Visa 4242"}
REFUND = "refund:return:till:5F0F47|pi_9:1"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sale", "Sale"),
        ("sale:2", "Sale (2)"),
        ("goods_issue:P-7", "Goods issue (P-7)"),
        ("erp_address", "Delivery address"),
        ("party_account@erp", "Customer account"),
        (REFUND, "Refund of return R1 on Visa 4242"),
        ("refund:return:till:5F0F47|pi_9:2", "Refund of return R1 on Visa 4242 (2)"),
        ("refund:order|pi_9:1", "Refund of the order on Visa 4242"),
        ("refund:surplus|pi_9:1", "Refund of what was paid too much on Visa 4242"),
        ("store_credit:return:till:5F0F47|:1", "Store credit of return R1"),
        (f"refund_notice:{REFUND}", "Customer told of refund of return R1"),
        ("return_record:5F0F47:1", "Return shown (R1)"),
        ("goods_return:5F0F47:2", "Goods return (R1, 2)"),
        ("credit_memo:1", "Credit note"),
        ("credit_memo:3", "Credit note (3)"),
        ("supplementary_invoice:1", "Further invoice"),
        ("void:pi_9", "Payment released (Visa 4242)"),
        ("fetch:order", "Read (order)"),
        ("fetch:pickup:before", "Read again (the store's pickup)"),
        ("pickup_order", "Store asked to keep it ready"),
        ("pickup_release", "Store told to give it up"),
        ("pickup_notice", "Customer told it lies ready"),
        ("order_cancellation", "Cancelled in the shop"),
    ],
)
def test_a_promise_is_named_as_people_call_it(name: str, said: str) -> None:
    assert name_of(name, KNOWN) == said


def test_nothing_unknown_shows_a_bar_or_runs_on() -> None:
    long = "return:till:" + "X" * 60
    assert name_of(REFUND) == "Refund of return 5F0F47 on pi_9"
    assert name_of(f"refund:{long}|{'p' * 60}:1") == f"Refund of return {'X' * 14}… on {'p' * 14}…"
    assert called("R1") == "R1"
    assert cause_of("allowance:people:A1") == "allowance A1"


def test_a_need_is_named_with_the_entity_it_is_of() -> None:
    assert need_of("map/erp/product/HAT") == "a mapping of product HAT at erp"
    assert need_of("customer:shop:1/party_account@erp") == "customer account of customer:shop:1"
    assert need_of(f"order:shop:1/{REFUND}", KNOWN) == "refund of return R1 on Visa 4242 of order:shop:1"
