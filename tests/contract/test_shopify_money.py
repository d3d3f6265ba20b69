"""Refunds, returns and the money of an order: what the shop says of them, and what it is told, each counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.order import Order
from crossdock.canonical.payment import Capture, PaymentAuthorization, Refund
from crossdock.canonical.returns import Return
from crossdock.connect.connector import Command
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Translated
from crossdock.connect.effects import Keyed, Searchable
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.shopify import connector
from crossdock.connectors.shopify.money_facts import note_of
from crossdock.connectors.shopify.reads import list_orders, read_order
from crossdock.connectors.shopify.refunded import back_of
from crossdock.connectors.shopify.refunds import find_refunds, give_store_credit, record_return
from crossdock.connectors.shopify.return_reads import read_return
from crossdock.kernel.faults import Rejected, Unknown
from crossdock.kernel.money import usd
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Order as ShopOrder
from crossdock.simulators.shop_state import totals
from tests.contract.shopify_examples import ADA, Recorded, sent_back
from tests.contract.shopify_site import ORIGIN, Site, credit, record, site

PSP = msgspec.structs.replace(ORIGIN, payments="psp")


def translated(topic: str, body: bytes, origin: Origin = ORIGIN) -> list[Translated]:
    return list(connector.topics[topic](body, origin))


def bodies(items: list[Translated], kind: str) -> list[Any]:
    return [item.body for item in items if isinstance(item, Document) and item.kind == kind]


def order_told(shop: Recorded) -> Order:
    (order,) = bodies(translated("orders/updated", shop.last("orders/updated")), "order")
    assert isinstance(order, Order)
    return order


def shop_with(*skus: str) -> Recorded:
    shop = Recorded()
    for sku in skus or ("MUG", "TEA"):
        shop.add_product(sku, sku.title(), "12.50")
    return shop


def shipped(shop: Recorded, units: int = 3, **given: Any) -> ShopOrder:
    order = shop.place_order(
        [Bought("MUG", units)],
        paid=True,
        tax_rate="0.1",
        discount="1.00",
        shipping="5.00",
        shipping_address=ADA,
        **given,
    )
    shop.fulfil_by_hand(order.id, {order.lines[0].id: units})
    return order


# ---- what still counts as ordered


@pytest.mark.parametrize("restock", ["return", "no_restock"])
def test_units_that_came_back_or_were_refunded_after_they_left_still_count_as_ordered(restock: Any) -> None:
    shop = shop_with()
    order = shipped(shop)
    before = order_told(shop)
    shop.refund_by_hand(order.id, {order.lines[0].id: 2}, restock, shipping="5.00")
    assert order.lines[0].current == 1
    after = order_told(shop)
    assert (after.lines, after.total, after.shipping) == (before.lines, before.total, before.shipping)


def test_units_cancelled_or_refunded_before_they_left_count_no_more() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG", 5)], paid=True, tax_rate="0.1")
    (line,) = order.lines
    shop.cancel_units(order.id, line.id, 1)
    shop.refund_by_hand(order.id, {line.id: 1}, "no_restock")
    told = order_told(shop)
    assert (told.lines[0].ordered, told.total.minor) == (3, totals(order, current=True).total)
    shop.fulfil_by_hand(order.id, {line.id: 3})
    shop.refund_by_hand(order.id, {line.id: 1}, "no_restock")
    assert order_told(shop).lines[0].ordered == 3


def test_what_we_wrote_down_as_brought_back_had_left_whatever_the_shop_knows_of_its_parcel() -> None:
    shop = shop_with()
    order = shipped(shop)
    shop.cancel_fulfilment(order.fulfilments[0].id)
    note = note_of("order:shop:1/return_record:return:till:R1:1/1")
    shop.refund_by_hand(order.id, {order.lines[0].id: 1}, "no_restock", amount="0", note=note)
    assert order_told(shop).lines[0].ordered == 3
    shop.refund_by_hand(order.id, {order.lines[0].id: 1}, "no_restock", amount="0")
    assert order_told(shop).lines[0].ordered == 2


def test_no_more_counts_as_ordered_than_left_and_is_to_leave_where_a_read_lags_behind_our_own_refund() -> None:
    """An order's lines and its refunds are two reads; what changes between them in one second shows in the second only."""
    ours = [("1", "no_restock", 1, note_of("order:shop:1/return_record:R1:1/1"))] * 2
    assert back_of(ours, lambda: Counter({"1": 2})).ordered("1", current=1, to_leave=0) == 2


def test_an_edit_after_a_return_is_seen_and_the_return_is_not() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG", 4)], paid=True)
    (line,) = order.lines
    shop.fulfil_by_hand(order.id, {line.id: 2})
    shop.refund_by_hand(order.id, {line.id: 1})
    shop.set_quantity(order.id, line.id, 2)
    assert (line.quantity, line.current, order_told(shop).lines[0].ordered) == (4, 2, 3)
    shop.remove_line(order.id, line.id)
    assert (line.current, order_told(shop).lines[0].ordered) == (1, 2)


def test_an_order_cancelled_in_part_says_when_and_keeps_what_left() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG", 3), Bought("TEA", 1)], paid=True, shipping="5.00", shipping_address=ADA)
    shop.fulfil_by_hand(order.id, {order.lines[0].id: 1})
    shop.cancel_order(order.id)
    told = order_told(shop)
    assert told.cancelled_at == order.cancelled_at
    assert [line.ordered for line in told.lines] == [1, 0]
    assert order.given_back == 3750


def test_a_cancellation_leaves_the_money_to_the_provider_that_took_it() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG", 3)], paid=True, gateway="psp", payment="pi_1", manual_gateway=True)
    shop.cancel_order(order.id)
    assert (order.given_back, order_told(shop).payment) == (0, "paid")


def test_a_lower_price_and_a_discount_after_placing_are_stated_on_the_lines_with_their_tax() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG", 2), Bought("TEA", 1)], tax_rate="0.1")
    shop.change_price(order.id, order.lines[0].id, "10.00")
    shop.add_discount(order.id, "3.00")
    mug, tea = order_told(shop).lines
    assert (mug.discount, tea.discount) == (usd(700), usd(100))
    assert (mug.taxes[0].amount, tea.taxes[0].amount) == (usd(180), usd(115))
    assert order_told(shop).total == usd(1800 + 180 + 1150 + 115)


def test_a_tip_is_told_and_no_tip_is_nothing() -> None:
    shop = shop_with()
    shop.edit_order(shop.place_order([Bought("MUG")], tip="2.50").id)
    assert (order_told(shop).tip, order_told(shop).total) == (usd(250), usd(1500))
    shop.edit_order(shop.place_order([Bought("MUG")]).id)
    assert order_told(shop).tip is None


def test_the_refunded_example_reads_and_is_told_alike() -> None:
    shop, order, _ = sent_back()
    told, _ = translated("orders/updated", shop.last("orders/updated"))
    read, *_ = translated("graphql/order", shop.order_read(order))
    assert told == read
    assert isinstance(read, Document)
    assert isinstance(read.body, Order)
    assert [line.ordered for line in read.body.lines] == [4, 2]


# ---- the shop's money


def test_where_the_shop_takes_the_money_it_tells_tender_capture_and_refunds() -> None:
    shop, order, back = sent_back()
    items = translated("graphql/order", shop.order_read(order))
    (payment,) = bodies(items, "payment")
    (capture,) = bodies(items, "capture")
    refunds = bodies(items, "refund")
    assert isinstance(payment, PaymentAuthorization)
    assert isinstance(capture, Capture)
    assert (payment.status, payment.tender, payment.label) == ("captured", "card", "Visa 4242")
    assert (capture.payment, capture.amount) == (payment.id, payment.authorised)
    assert len(refunds) == 3
    assert all(isinstance(each, Refund) and each.payment == payment.id for each in refunds)
    assert sum(each.amount.minor for each in refunds) == shop.world.orders[order].given_back
    assert {item.entity for item in items if isinstance(item, Document)} >= {f"order:shop:{order}"}
    assert back


def test_where_a_provider_takes_the_money_the_shop_tells_none_of_it() -> None:
    shop, order, _ = sent_back()
    items = translated("graphql/order", shop.order_read(order), PSP)
    assert {item.kind for item in items if isinstance(item, Document)} == {"order", "customer"}
    assert translated("order_transactions/create", shop.last("order_transactions/create"), PSP) == [
        Ignore("money is told by its provider")
    ]
    echo = translated("refunds/create", shop.last("refunds/create"), PSP)
    assert {type(item) for item in echo} == {Ignore, Hint}


def test_a_refund_or_a_transaction_of_the_shop_is_a_hint_to_fetch_its_order() -> None:
    shop, order, _ = sent_back()
    hint = Hint(kind="order", id=str(order), entity=f"order:shop:{order}")
    for topic in ("refunds/create", "order_transactions/create"):
        assert translated(topic, shop.last(topic)) == [hint]


def test_an_authorisation_is_open_until_it_is_captured() -> None:
    shop = shop_with()
    order = shop.place_order([Bought("MUG")], authorised=True)
    (held,) = bodies(translated("graphql/order", shop.order_read(order.id)), "payment")
    assert (held.status, held.authorised) == ("open", usd(1250))
    shop.pay_order(order.id)
    items = translated("graphql/order", shop.order_read(order.id))
    (taken,) = bodies(items, "payment")
    assert (taken.status, [each.payment for each in bodies(items, "capture")]) == ("captured", [taken.id])


# ---- returns


def test_a_return_is_told_with_what_came_and_what_became_of_it() -> None:
    shop, order, back = sent_back()
    (document,) = translated("graphql/return", shop.return_read(back))
    assert isinstance(document, Document)
    assert document.entity == f"order:shop:{order}"
    told = document.body
    assert isinstance(told, Return)
    assert (told.status, told.number, told.settle_by) == ("closed", "#1001-R1", "refund")
    assert sorted((line.units, line.received, line.disposition) for line in told.lines) == [
        (1, 1, "damaged"),
        (1, 1, "sellable"),
    ]
    assert len({line.id for line in told.lines}) == 2


def test_a_return_line_keeps_its_id_until_somebody_has_decided_on_its_units() -> None:
    shop = shop_with()
    order = shipped(shop)
    (line,) = order.lines
    back = shop.request_return(order.id, {line.id: 3})

    def lines() -> list[tuple[int, int, str | None]]:
        (told,) = bodies(translated("graphql/return", shop.return_read(back.id)), "return")
        assert isinstance(told, Return)
        return [(each.units, each.received, each.disposition) for each in told.lines]

    assert lines() == [(3, 0, None)]
    shop.approve_return(back.id)
    shop.receive_return(back.id, line.id, 1, "PROCESSING_REQUIRED")
    assert lines() == [(3, 1, None)]
    shop.receive_return(back.id, line.id, 1, "RESTOCKED")
    shop.receive_return(back.id, line.id, 1, "MISSING")
    assert lines() == [(2, 1, None), (1, 1, "sellable")]


def test_every_turn_of_a_return_is_a_hint_and_one_that_names_no_order_is_ignored() -> None:
    shop = shop_with()
    order = shipped(shop)
    (line,) = order.lines
    declined = shop.request_return(order.id, {line.id: 1})
    shop.decline_return(declined.id)
    back = shop.request_return(order.id, {line.id: 1}, approved=True)
    shop.close_return(back.id)
    entity = f"order:shop:{order.id}"
    for topic, number in [("returns/decline", declined.id), ("returns/approve", back.id), ("returns/close", back.id)]:
        assert translated(topic, shop.last(topic)) == [Hint(kind="return", id=str(number), entity=entity)]
    for topic in ("returns/update", "returns/process"):
        assert [type(item) for item in translated(topic, b"{}")] == [Ignore]


# ---- over the API


async def paid(at: Site, units: int = 3, **given: Any) -> ShopOrder:
    """An order that a provider was paid for, of which all has left."""
    buyer = at.shop.create_customer(email="ada@example.com")
    terms = {"paid": True, "manual_gateway": True, "gateway": "external", "payment": "pi_1", "shipping": "5.00"} | given
    order = at.shop.place_order([Bought("MUG", units)], customer=buyer.id, **terms)
    at.shop.fulfil_by_hand(order.id, {order.lines[0].id: units})
    return order


def made(at: Site) -> list[Mapping[str, Any]]:
    return [entry.details for entry in at.shop.ledger.select("refund_created")]


async def told(command: Command[Any], at: Site) -> Outcome:
    act = connector.capabilities[type(command.body)].one
    assert act is not None
    return await act(command, at.link)


async def test_a_return_is_shown_with_its_goods_its_shipping_and_the_money_paid_elsewhere() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        asked = record(order, {0: (2, "sellable")}, 3000, shipping=500)
        outcome = await told(asked, at)
        assert isinstance(outcome, Confirmed)
        (refund,) = made(at)
        assert (refund["amount"], refund["shipping"], refund["told_customer"]) == (3000, 500, False)
        assert [(each["units"], each["restock"]) for each in refund["lines"]] == [(2, "return")]
        assert asked.key in refund["note"]
        assert "30.00 USD" in refund["note"]
        assert (order.given_back, order.financial_status) == (3000, "partially_refunded")
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        (document, _buyer) = translated(reading.topic, reading.body, PSP)
        assert isinstance(document, Document)
        assert isinstance(document.body, Order)
        assert (document.body.lines[0].ordered, document.body.payment) == (3, "paid")


async def test_a_return_of_a_parcel_that_the_shop_knows_no_more_lowers_nothing() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        at.shop.cancel_fulfilment(order.fulfilments[0].id)
        await told(record(order, {0: (1, "damaged")}, 1250), at)
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        (ordered,) = bodies(translated(reading.topic, reading.body), "order")
        assert ordered.lines[0].ordered == 3


async def test_damaged_and_sellable_units_of_one_line_are_told_apart_and_still_count_as_ordered() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        await told(record(order, {0: (1, "damaged")}, 1250), at)
        await told(record(order, {0: (1, "sellable")}, 0, return_id="R8"), at)
        assert [[each["restock"] for each in refund["lines"]] for refund in made(at)] == [["no_restock"], ["return"]]
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        (ordered,) = bodies(translated(reading.topic, reading.body), "order")
        assert (order.lines[0].current, ordered.lines[0].ordered) == (1, 3)


async def test_the_shop_never_calls_a_gateway_for_money_that_was_given_back_elsewhere() -> None:
    async with site(payments="psp") as at:
        order = await paid(at, manual_gateway=False, gateway="shopify_payments")
        assert isinstance(await told(record(order, {0: (1, "none")}, 1250), at), Confirmed)
        (refund,) = made(at)
        assert (refund["amount"], order.given_back) == (0, 0)
        assert "12.50 USD given back" in refund["note"]


async def test_no_more_is_written_on_a_payment_than_it_has_left() -> None:
    async with site(payments="psp") as at:
        order = await paid(at, units=1, shipping=None)
        await told(record(order, {}, 1000), at)
        await told(record(order, {0: (1, "none")}, 1250, return_id="R8"), at)
        assert [refund["amount"] for refund in made(at)] == [1000, 250]


async def test_an_order_in_another_currency_than_the_shops_gets_no_amount_made_up() -> None:
    async with site(payments="psp") as at:
        order = await paid(at, presentment_currency="GBP", presentment_rate=0.79)
        assert isinstance(await told(record(order, {0: (1, "none")}, 1250, shipping=100), at), Confirmed)
        (refund,) = made(at)
        assert (refund["amount"], refund["shipping"]) == (0, 0)


async def test_store_credit_is_given_once_on_the_order_and_needs_a_customer() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        asked = credit(order, 2000)
        first, again = await told(asked, at), await told(asked, at)
        assert isinstance(first, Confirmed)
        assert first == again
        assert at.shop.world.store_credit[order.customer or 0] == 2000
        assert len(at.shop.ledger.select("store_credit_issued")) == 1
        nobody = msgspec.structs.replace(asked.body, customer=None)
        outcome = await told(msgspec.structs.replace(asked, body=nobody), at)
        assert isinstance(outcome, Rejected)
        assert outcome.field == "customer"


async def test_in_a_shop_with_its_own_payments_our_records_echo_nothing_and_store_credit_carries_our_key() -> None:
    async with site() as at:
        order = await paid(at)
        await told(record(order, {0: (1, "none")}, 1000), at)
        asked = credit(order, 500)
        await told(asked, at)
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        (refund,) = bodies(translated(reading.topic, reading.body), "refund")
        assert (refund.reference, refund.tender, refund.amount) == (asked.key, "store_credit", usd(500))


@pytest.mark.parametrize("how", ["commit_then_drop", "commit_then_status", "commit_then_timeout", "garbage", "late"])
@pytest.mark.parametrize("what", ["record", "credit"])
async def test_a_refund_whose_answer_is_lost_is_found_and_sent_again_it_stays_one(how: Any, what: str) -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        asked: Command[Any] = record(order, {0: (1, "sellable")}, 1250) if what == "record" else credit(order, 1250)
        at.shop.mischief.arm(FaultRule(match="RefundCreate", kind=how, status=502, seconds=2.5, times=1))
        with pytest.raises(Unknown):
            await told(asked, at)
        await at.shop.mischief.settled()
        outcome = await told(asked, at)
        assert isinstance(outcome, Confirmed)
        assert await find_refunds([asked], at.link) == {asked.key: outcome}
        assert len(made(at)) == 1


async def test_a_refund_sent_again_while_the_first_still_travels_is_one_refund() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        asked = record(order, {0: (1, "sellable")}, 1250)
        at.shop.mischief.arm(FaultRule(match="RefundCreate", kind="late", status=502, seconds=0.3, times=1))
        with pytest.raises(Unknown):
            await told(asked, at)
        assert isinstance(await told(asked, at), Confirmed)
        await at.shop.mischief.settled()
        assert len(made(at)) == 1
        assert len(at.shop.ledger.select("refund_repeated")) == 1


async def test_a_key_with_other_content_leaves_the_outcome_unknown_until_it_is_found() -> None:
    async with site(payments="psp") as at:
        order = await paid(at)
        asked = record(order, {0: (1, "sellable")}, 4000)
        await told(asked, at)
        order.refunds[0].note = "overwritten by a clerk"
        assert isinstance(await told(asked, at), Unknown)
        assert len(made(at)) == 1


async def test_more_than_the_order_holds_is_rejected_and_nothing_is_done() -> None:
    async with site(payments="psp") as at:
        order = await paid(at, units=1)
        outcome = await told(record(order, {0: (2, "none")}, 0), at)
        assert isinstance(outcome, Rejected)
        assert made(at) == []
        gone = record(order, {}, 0)
        at.shop.delete_order(order.id)
        with pytest.raises(Rejected):
            await told(gone, at)


def test_refunds_are_declared_keyed_for_a_day_and_searchable_after_it() -> None:
    for act in (record_return, give_store_credit):
        capability = next(each for each in connector.capabilities.values() if each.one is act)
        keyed, searchable = capability.effects
        assert keyed == Keyed(timedelta(hours=24))
        assert isinstance(searchable, Searchable)


async def test_an_order_with_many_refunds_is_read_whole_and_listed_by_itself() -> None:
    async with site() as at:
        order = await paid(at, units=19, shipping=None)
        other = await paid(at)
        (line,) = order.lines
        for _ in range(9):
            at.shop.refund_by_hand(order.id, {line.id: 1}, "return")
            at.shop.refund_by_hand(order.id, {line.id: 1}, "no_restock")
        page = await list_orders("", at.link)
        assert {item.id for item in page.items} == {str(order.id), str(other.id)}
        listed = {item.id: translated(item.topic, item.body) for item in page.items}
        (ordered,) = bodies(listed[str(order.id)], "order")
        assert (line.current, ordered.lines[0].ordered) == (1, 19)
        assert len(bodies(listed[str(order.id)], "refund")) == 18


async def test_a_refund_of_many_lines_is_read_with_all_its_pages() -> None:
    async with site() as at:
        order = at.shop.place_order([Bought("MUG", 2)] * 30, paid=True)
        at.shop.fulfil_by_hand(order.id, {line.id: 2 for line in order.lines})
        at.shop.refund_by_hand(order.id, {line.id: 1 for line in order.lines[:25]}, "return")
        at.shop.refund_by_hand(order.id, {line.id: 1 for line in order.lines[5:]}, "no_restock")
        reading = await read_order(str(order.id), at.link)
        assert reading is not None
        (ordered,) = bodies(translated(reading.topic, reading.body), "order")
        assert {line.ordered for line in ordered.lines} == {2}


async def test_a_return_is_read_by_its_number_and_none_is_none() -> None:
    async with site() as at:
        order = await paid(at)
        back = at.shop.request_return(order.id, {order.lines[0].id: 1}, approved=True)
        reading = await read_return(str(back.id), at.link)
        assert reading is not None
        (document,) = translated(reading.topic, reading.body)
        assert isinstance(document, Document)
        assert (document.id, document.entity) == (str(back.id), f"order:shop:{order.id}")
        assert await read_return("4711", at.link) is None
