"""Lives that went wrong once, told by hand: each of these facts is one that no random life says."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock.canonical.payment import PaymentAuthorization, PaymentRefund
from crossdock.canonical.returns import CreditMemo, GoodsReturn
from crossdock.kernel.money import usd
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
    assert life.troubles()


def test_an_authorisation_that_ends_in_the_year_one_is_at_its_end_and_parks_nothing() -> None:
    life = Directed(capture_when="shipped")
    life.say("shop", "order", order(line("A", 1, 1000), payment="authorised"))
    told: dict[str, Any] = {"id": "pi", "tender": "card", "authorised": usd(1000), "authorised_at": T0}
    ended = T0.replace(year=1, month=1, day=1)
    life.say("psp", "payment", PaymentAuthorization(status="open", expires_at=ended, **told))
    assert [cause.partition(":")[0] for cause in life.troubles()] == ["authorisation_expires"]


def _fetched(handed_over: int) -> Directed:
    life = Directed()
    life.say("shop", "order", order(line("A", 2, 1000), payment="authorised", pickup_at="EAST"))
    life.pay(2000, captured=False)
    life.say("till", "pickup", fetched(handed_over, of=2))
    return life
