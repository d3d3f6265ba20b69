"""Lives that went wrong once, told by hand: each of these facts is one that no random life says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.payment import (
    Dispute,
    PaymentAuthorization,
    PaymentCapture,
    PaymentRefund,
    PaymentVoid,
    Refund,
    StoreCredit,
)
from crossdock.canonical.returns import CreditMemo, GoodsReturn, ReturnRecord
from crossdock.canonical.shipment import GoodsIssue
from crossdock.kernel.money import usd
from crossdock.promises.money import since_freed
from crossdock.promises.terms import ReturnTerms
from tests.lives.directed import T0, Directed, come_back, fetched, line, order, parcel


def test_a_line_with_two_taxes_of_one_rate_is_credited_once() -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 1, 1000, ("0.02", 10), ("0.02", 12))))
    life.pay(1022)
    life.say("warehouse", "shipment", parcel("s1", A=1))
    life.say("shop", "order", order(line("A", 1, 900, ("0.02", 4), ("0.02", 11))))
    assert len(life.of(CreditMemo)) == 1
    assert life.wrong() == []


def test_a_refund_that_came_back_is_made_again_and_takes_no_room_from_the_next_one() -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 2, 1000)))
    life.pay(2000)
    life.say("warehouse", "shipment", parcel("s1", A=2))
    life.say("till", "return", come_back("R1", 1, "A"))
    [first] = [each for each in life.asked if isinstance(each.body, PaymentRefund)]
    life.refunded(first, "failed")
    life.approve()
    life.say("till", "return", come_back("R2", 1, "A", days=2))
    assert [each.amount.minor for each in life.of(PaymentRefund)] == [1000, 1000, 1000]  # one of which came back
    assert life.hub.cases == {}
    assert life.wrong() == []


@pytest.mark.parametrize(("left", "units"), [({"A": 1, "B": 2}, 3), ({"B": 2}, 2)])
def test_goods_returned_by_their_sku_alone_are_received_from_all_lines_that_hold_it(
    left: dict[str, int], units: int
) -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 1, 1000, sku="X"), line("B", 2, 1000, sku="X")))
    life.pay(3000)
    life.say("warehouse", "shipment", parcel("s1", **left))
    life.say("till", "return", come_back("R1", units, sku="X"))
    received = [each for goods in life.of(GoodsReturn) for each in goods.lines]
    assert {each.line: each.units for each in received} == left


@pytest.mark.parametrize("told", ["apart", "together"])
def test_goods_returned_by_their_sku_alone_are_received_once_however_many_returns_bring_them(told: str) -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 2, 1000, sku="X")))
    life.pay(2000)
    returns = (come_back("R1", 2, sku="X"), come_back("R2", 1, sku="X", days=2))
    if told == "apart":
        life.say("warehouse", "shipment", parcel("s1", A=2))
    for back in returns:
        life.say("till", "return", back)
    if told == "together":
        life.say("warehouse", "shipment", parcel("s1", A=2))
    received = [(goods.return_id, each.units) for goods in life.of(GoodsReturn) for each in goods.lines]
    assert received == [("R1", 2)]
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["return_of_strangers"]


@pytest.mark.parametrize(("handed_over", "price"), [(2, 1000), (1, 1000), (1, 900)])
def test_the_books_of_an_order_that_its_buyer_fetched_add_up(handed_over: int, price: int) -> None:
    life = _fetched(handed_over)
    if price != 1000:
        life.say("shop", "order", order(line("A", 1, price), payment="authorised", pickup_at="EAST"))
    assert life.wrong() == []
    life.say("till", "return", come_back("R1", 1, "A"))
    assert sum(each.amount.minor for each in life.of(PaymentRefund)) == (1000 - price) * handed_over + price
    assert life.wrong() == []


def test_an_order_that_was_fetched_and_that_its_shop_deletes_is_nobodys_trouble() -> None:
    life = _fetched(2)
    life.say("shop", "order", None, "1")
    assert life.troubles() == []


def test_a_parcel_corrected_away_from_a_line_that_the_order_holds_no_more_parks_nothing() -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 1, 1000), line("B", 1, 500)))
    life.pay(1500)
    life.say("shop", "order", order(line("A", 2, 1000), line("B", 1, 500)))
    life.say("warehouse", "shipment", parcel("s1", A=1, B=1))
    life.say("shop", "order", order(line("A", 2, 1000)))
    life.say("warehouse", "shipment", parcel("s1", A=2))
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["parcel_taken_back"]


def test_a_parcel_corrected_to_hold_more_after_it_was_shipped_in_the_erp_is_somebodys_until_it_is_corrected_back() -> (
    None
):
    life = Directed()
    life.say("shop", "order", order(line("A", 3, 1000)))
    life.pay(3000)
    life.say("warehouse", "shipment", parcel("s1", A=1))
    life.say("warehouse", "shipment", parcel("s1", A=2))
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["parcel_grew"]
    life.say("warehouse", "shipment", parcel("s1", A=1))
    assert life.troubles() == []
    assert [each.shipment.lines[0].units for each in life.of(GoodsIssue)] == [1]


def test_a_parcel_of_two_sales_corrected_to_hold_more_is_shipped_with_it_where_that_is_still_to_be() -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 1, 1000)))
    life.pay(3000)
    life.say("shop", "order", order(line("A", 3, 1000)))
    life.say("warehouse", "shipment", parcel("s1", A=1))
    life.say("warehouse", "shipment", parcel("s1", A=3))
    assert life.troubles() == []
    assert [each.shipment.lines[0].units for each in life.of(GoodsIssue)] == [1, 2]
    life.say("warehouse", "shipment", parcel("s1", A=4))
    assert "parcel_grew" in [cause.partition(":")[0] for cause in life.troubles()]


def test_two_parcels_of_one_number_are_somebodys_and_the_second_is_not_taken_for_the_first() -> None:
    life = Directed()
    life.say("shop", "order", order(line("A", 2, 1000)))
    life.pay(2000)
    life.say("warehouse", "shipment", parcel("s1", A=1))
    life.say("annexe", "shipment", parcel("s1", A=1))
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["parcel_of_one_number"]
    life.say("annexe", "shipment", None, "s1")
    assert life.troubles() == []


def test_an_authorisation_that_ends_in_the_year_one_is_at_its_end_and_parks_nothing() -> None:
    life = Directed(capture_when="shipped")
    life.say("shop", "order", order(line("A", 1, 1000), payment="authorised"))
    told: dict[str, Any] = {"id": "pi", "tender": "card", "authorised": usd(1000), "authorised_at": T0}
    ended = T0.replace(year=1, month=1, day=1)
    life.say("psp", "payment", PaymentAuthorization(status="open", expires_at=ended, **told))
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["authorisation_expires"]


# ---- other rules go live before the fact that makes something due; what they withheld would fail the settling


def _returned(**policy: Any) -> Directed:
    life = Directed(**policy)
    life.say("shop", "order", order(line("A", 2, 1000)))
    life.pay(2000)
    life.say("warehouse", "shipment", parcel("s1", A=2))
    return life


@pytest.mark.parametrize(
    ("settle_by", "paid", "shown"), [("refund", PaymentRefund, 1000), ("store_credit", StoreCredit, 0)]
)
def test_a_late_return_that_is_let_count_after_a_deployment_is_paid_back(
    settle_by: Any, paid: type[Any], shown: int
) -> None:
    life = _returned(returns=(ReturnTerms(window_days=10),))
    life.hub.now += timedelta(days=20)
    back = come_back("R1", 1, "A", days=20)
    life.say("till", "return", msgspec.structs.replace(back, settle_by=settle_by))
    assert life.of(paid) == []
    life.deploy()
    life.approve()
    life.approve()  # the money, where that has to be allowed apart
    assert [each.amount.minor for each in life.of(paid)] == [1000]
    told = life.of(ReturnRecord)  # of credit the shop knows: it is kept there
    assert sum(each.amount.minor for each in told) == shown
    assert sum(line.units for each in told for line in each.lines) == 1


_DISPUTE = Dispute(id="x", payment="pi", amount=usd(2000), opened_at=T0, status="open")
_BY_HAND = Refund(
    id="x", payment="pi", tender="card", amount=usd(1000), refunded_at=T0, reference="", status="succeeded"
)


@pytest.mark.parametrize(
    ("kind", "stands", "over"),
    [("dispute", _DISPUTE, "won"), ("refund", _BY_HAND, "failed")],
    ids=["dispute", "by hand"],
)
def test_what_a_dispute_or_a_refund_by_hand_held_up_is_paid_back_when_that_is_over_after_a_deployment(
    kind: str, stands: Any, over: str
) -> None:
    life = _returned()
    life.say("psp", kind, stands)
    life.say("till", "return", come_back("R1", 1, "A"))
    life.deploy()
    life.say("psp", kind, msgspec.structs.replace(stands, status=over))
    assert [each.amount.minor for each in life.of(PaymentRefund)] == [1000]
    assert since_freed(life.hub.standing(), "pi") is not None
    assert since_freed(life.hub.standing(), "another") is None  # whose old money newer rules go on withholding


def test_what_is_held_for_nothing_is_let_go_when_the_last_parcel_leaves_after_a_deployment() -> None:
    life = _authorised(2000, 500)
    life.deploy()
    life.say("warehouse", "shipment", parcel("s1", A=2))
    assert [each.payment for each in life.of(PaymentVoid)] == ["p2"]


def test_what_left_uncovered_is_captured_when_the_buyer_authorises_the_rest_after_a_deployment() -> None:
    life = _authorised(1500)
    life.say("warehouse", "shipment", parcel("s1", A=2))
    life.deploy()
    life.pay(500, "p2", captured=False)
    assert [each.amount.minor for each in life.of(PaymentCapture)] == [1500, 500]


def _authorised(*held: int) -> Directed:
    life = Directed(capture_when="shipped")
    life.say("shop", "order", order(line("A", 2, 1000), payment="authorised"))
    for nth, minor in enumerate(held, 1):
        life.pay(minor, f"p{nth}", captured=False)
    return life


def _fetched(handed_over: int) -> Directed:
    life = Directed()
    life.say("shop", "order", order(line("A", 2, 1000), payment="authorised", pickup_at="EAST"))
    life.pay(2000, captured=False)
    life.say("till", "pickup", fetched(handed_over, of=2))
    return life
