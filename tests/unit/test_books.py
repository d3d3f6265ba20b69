"""An order's money, worked out: worth, billing, entitlements, tenders and the ledger."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.books.amounts import Position, Value, allocations, between, gross_of
from crossdock.books.billing import billed, difference, to_be_billed
from crossdock.books.entitlements import ORDER, SURPLUS, entitlements, given_away_by_others, settled_in_all
from crossdock.books.postings import customer_balance, entries, trial_balance
from crossdock.books.pricing import line_worth
from crossdock.books.record import Asked, Record, Returned, Taken, Tendered
from crossdock.books.tenders import balances, spread
from crossdock.books.units import came_back
from crossdock.books.worth import to_capture, to_cover, worth_of
from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.canonical.payment import (
    Capture,
    Dispute,
    PaymentAuthorization,
    PaymentCapture,
    Refund,
    Tender,
)
from crossdock.canonical.returns import Allowance, BillingLine, CreditMemo, Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.kernel.money import AnyMoney, Money, usd

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITY = "order:shop:1"


def line(id_: str, units: int, price: int, tax: int = 0, rate: str = "0.2", off: int = 0) -> OrderLine:
    taxes = (Tax(title="VAT", rate=rate, amount=usd(tax)),) if tax else ()
    discount: AnyMoney | None = usd(off) if off else None
    return OrderLine(
        id=id_, sku=f"SKU-{id_}", title=id_, ordered=units, unit_price=usd(price), discount=discount, taxes=taxes
    )


def order(*lines: OrderLine, delivery: int = 0, **more: Any) -> Order:
    shipping = (ShippingCharge(title="Post", price=usd(delivery)),) if delivery else ()
    return Order(
        id="1", number="#1", placed_at=DAY, currency="USD", lines=lines, total=usd(0), shipping=shipping, **more
    )


def parcel(id_: str, **units: int) -> Shipment:
    lines = tuple(ShipmentLine(line=name, sku=f"SKU-{name}", units=count) for name, count in units.items())
    return Shipment(id=id_, reference=ENTITY, location="MAIN", lines=lines, shipped_at=DAY)


def returned(id_: str, days: int = 1, fee: int = 0, settle_by: Any = "refund", **units: int) -> Returned:
    lines = tuple(
        ReturnLine(id=name, line=name, sku=f"SKU-{name}", units=count, received=count, disposition="sellable")
        for name, count in units.items()
    )
    body = Return(id=id_, returned_at=DAY + timedelta(days=days), lines=lines, settle_by=settle_by)
    return Returned(f"return:pos:{id_}", body, fee=fee)


def paid(id_: str, amount: int, tender: Tender = "card", authorised: int | None = None) -> tuple[Tendered, Capture]:
    body = PaymentAuthorization(
        id=id_, tender=tender, authorised=usd(authorised or amount), status="captured", authorised_at=DAY
    )
    capture = Capture(id=f"ch_{id_}", payment=id_, tender=tender, amount=usd(amount), captured_at=DAY)
    return Tendered(f"payment:psp:{id_}", "psp", body), capture


def refund(id_: str, amount: int, reference: str = "", payment: str = "p", **more: Any) -> tuple[str, Refund]:
    body = Refund(
        id=id_,
        payment=payment,
        tender="card",
        amount=usd(amount),
        status=more.pop("status", "succeeded"),
        refunded_at=DAY,
        reference=reference,
        **more,
    )
    return f"refund:psp:{id_}", body


def record(
    bought: Order, *shipments: Shipment, payments: tuple[tuple[Tendered, Capture], ...] = (), **more: Any
) -> Record:
    return Record(
        entity=ENTITY,
        order=bought,
        shipments=shipments,
        payments=tuple(tendered for tendered, _ in payments),
        captures=tuple(capture for _, capture in payments),
        **{"sold": (bought,), **more},
    )


def _taken_next(of: Record) -> int:
    return to_capture(of, settled_in_all(of))


def owed(of: Record) -> dict[str, int]:
    return {each.cause: each.open for each in entitlements(of).of if each.open}


# --- worth -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(0, 10**7), st.integers(0, 10**6), st.booleans(), st.data())
def test_units_given_out_one_by_one_sum_to_the_line_to_the_cent(
    units: int, price: int, tax: int, tax_included: bool, data: st.DataObject
) -> None:
    of = line("a", units, price, tax)
    cuts = sorted({0, units, *data.draw(st.lists(st.integers(0, units)))})

    def worth(count: int) -> int:
        return gross_of(line_worth(of, count, tax_included=tax_included))

    parts = [worth(end) - worth(start) for start, end in itertools.pairwise(cuts)]
    assert sum(parts) == price * units + (0 if tax_included else tax)


def test_the_third_of_three_thirds_takes_the_cent() -> None:
    thirds = line("a", 3, 333, off=-1)  # 10.00 for three
    assert [gross_of(line_worth(thirds, n, tax_included=False)) for n in (1, 2, 3)] == [333, 667, 1000]


def test_what_was_given_back_does_not_change_when_more_of_the_line_ships() -> None:
    thirds = order(line("a", 3, 333, off=-1))
    two, three = parcel("P1", a=2), parcel("P2", a=1)
    before = worth_of(record(thirds, two, returns=(returned("R", a=1),))).given
    after = worth_of(record(thirds, two, three, returns=(returned("R", a=1),))).given
    assert before == after


def test_delivery_is_given_back_with_the_last_of_the_goods_and_never_twice() -> None:
    of = order(line("a", 2, 1000), delivery=500)
    one = record(of, parcel("P", a=2), returns=(returned("R1", a=1),))
    both = record(of, parcel("P", a=2), returns=(returned("R1", a=1), returned("R2", days=2, a=1)))
    assert [each.worth for each in worth_of(one).given] == [1000]
    assert [each.worth for each in worth_of(both).given] == [1000, 1500]


def test_delivery_stays_billed_when_what_was_delivered_is_taken_off_the_order() -> None:
    of = record(order(line("a", 0, 1000), line("b", 1, 700), delivery=500), parcel("P", a=2))
    assert gross_of(to_be_billed(of)) == 500


def test_more_units_than_left_are_nobodys_and_worth_nothing() -> None:
    of = record(order(line("a", 3, 1000)), parcel("P", a=1), returns=(returned("R", a=2),))
    [back] = came_back(of)
    assert back.strangers == (("a", 1),)
    assert [each.worth for each in worth_of(of).given] == [1000]


def test_a_till_that_knows_only_the_sku_means_any_line_that_holds_it() -> None:
    lines = (line("a", 1, 1000), msgspec.structs.replace(line("b", 2, 900), sku="SKU-a"))
    body = Return(
        id="R",
        returned_at=DAY,
        lines=(ReturnLine(id="1", line="", sku="SKU-a", units=2, received=2, disposition="damaged"),),
    )
    of = record(order(*lines), parcel("P", a=1, b=2), returns=(Returned("return:pos:R", body),))
    [back] = came_back(of)
    assert dict(back.units) == {"a": 1, "b": 1}
    assert not back.strangers


# --- billing -----------------------------------------------------------------------------------------------------------


def test_a_parcel_is_billed_by_its_sale_and_needs_no_correction() -> None:
    of = record(order(line("a", 3, 333, 200), delivery=500), parcel("P", a=2))
    assert difference(of).size == 0
    assert gross_of(billed(of)) == gross_of(to_be_billed(of))


def test_signs_never_net() -> None:
    sold = order(line("a", 1, 1000, 200), line("b", 1, 1000, 50, rate="0.05"))
    now = order(line("a", 1, 500, 100), line("b", 1, 2000, 100, rate="0.05"))
    of = record(now, parcel("P", a=1, b=1), sold=(sold,))
    found = difference(of)
    assert found.to_credit == {Position("a", "goods", ("0.2",)): Value(500, (100,))}
    assert found.to_bill == {Position("b", "goods", ("0.05",)): Value(1000, (50,))}


def test_another_tax_rate_is_a_credit_at_the_old_and_an_invoice_at_the_new_one() -> None:
    sold, now = order(line("a", 1, 1000, 200)), order(line("a", 1, 1000, 50, rate="0.05"))
    found = difference(record(now, parcel("P", a=1), sold=(sold,)))
    assert found.to_credit == {Position("a", "goods", ("0.2",)): Value(1000, (200,))}
    assert found.to_bill == {Position("a", "goods", ("0.05",)): Value(1000, (50,))}


def test_a_credit_memo_that_was_sealed_is_not_owed_again() -> None:
    of = record(order(line("a", 2, 1000, 400)), parcel("P", a=2), returns=(returned("R", a=1),))
    assert difference(of).size == 1200
    memo = CreditMemo(
        number="#1",
        sold_by="shop",
        currency="USD",
        memo_date=DAY,
        reason="",
        lines=(
            BillingLine(
                component="goods", net=usd(1000), line="a", taxes=(Tax(title="VAT", rate="0.2", amount=usd(200)),)
            ),
        ),
    )
    assert difference(_with(of, corrections=(memo,))).size == 0


def _with(of: Record, **more: Any) -> Record:
    return dataclasses.replace(of, **more)


def test_a_fee_that_is_kept_is_billed_and_not_taken_off_the_credit() -> None:
    of = record(order(line("a", 1, 1000)), parcel("P", a=1), returns=(returned("R", fee=300, a=1),))
    found = difference(of)
    assert gross_of(found.to_credit) == 1000
    assert found.to_bill == {Position("", "fee", ()): Value(300)}


# --- entitlements ------------------------------------------------------------------------------------------------------


def test_a_return_entitles_to_what_was_paid_for_it_less_the_fee() -> None:
    of = record(
        order(line("a", 2, 1000, 400)),
        parcel("P", a=2),
        payments=(paid("p", 2400),),
        returns=(returned("R", fee=300, a=1),),
    )
    assert owed(of) == {"return:pos:R": 900}


def test_what_was_asked_for_counts_until_its_fact_says_how_it_ended() -> None:
    of = record(order(line("a", 2, 1000)), parcel("P", a=2), payments=(paid("p", 2000),), returns=(returned("R", a=1),))
    asked = Asked("refund:return:pos:R|p:1", "return:pos:R", 1000, "p")
    key = f"{ENTITY}/refund:return:pos:R|p:1/return:pos:R/1"
    assert owed(_with(of, asked=(asked,))) == {}
    assert owed(_with(of, asked=(asked,), refunds=(refund("re_1", 1000, key),))) == {}
    assert owed(_with(of, asked=(asked,), refunds=(refund("re_1", 1000, key, status="failed"),))) == {
        "return:pos:R": 1000
    }


def test_a_clerks_refund_settles_the_oldest_cause_and_what_is_too_much_is_said() -> None:
    of = record(
        order(line("a", 3, 1000)),
        parcel("P", a=3),
        payments=(paid("p", 3000),),
        returns=(returned("R1", a=1), returned("R2", days=2, a=1)),
    )
    assert owed(_with(of, refunds=(refund("re_1", 1000),))) == {"return:pos:R2": 1000}
    found = entitlements(_with(of, refunds=(refund("re_1", 2500),)))
    assert (found.open, found.overpaid) == (0, 500)


def test_a_till_that_paid_out_itself_settles_its_own_return() -> None:
    of = record(
        order(line("a", 3, 1000)),
        parcel("P", a=3),
        payments=(paid("p", 3000),),
        returns=(returned("R1", a=1), returned("R2", days=2, a=1)),
        refunds=(refund("re_1", 1000, payment="till", for_return="R2"),),
    )
    assert owed(of) == {"return:pos:R1": 1000}


def test_what_was_never_paid_is_not_given_back_and_then_nobody_waits_for_it() -> None:
    of = record(order(line("a", 2, 1000)), parcel("P", a=2), payments=(paid("p", 1500),), returns=(returned("R", a=1),))
    found = entitlements(of)
    assert (found.open, found.unpaid) == (500, 0)


def test_what_the_buyer_still_has_to_pay_is_less_what_a_dearer_return_would_give_back() -> None:
    """Two units at 10.00 were paid and one came back; now they cost 11.00 each, so that 1.00 is missing, and not 2.00."""
    of = record(
        order(line("a", 2, 1100)),
        parcel("P", a=2),
        sold=(order(line("a", 2, 1000)),),
        payments=(paid("p", 2000),),
        returns=(returned("R", a=1),),
        asked=(Asked("refund:return:pos:R|p:1", "return:pos:R", 1000, "p"),),
    )
    found = entitlements(of)
    assert (found.open, found.unpaid) == (0, 100)


def test_an_order_that_was_lowered_after_it_was_sold_gives_back_the_difference() -> None:
    sold = order(line("a", 2, 1000))
    of = record(order(line("a", 1, 1000)), parcel("P", a=1), sold=(sold,), payments=(paid("p", 2000),))
    assert owed(of) == {ORDER: 1000}


def test_what_a_clerk_gave_back_settles_what_a_lowered_order_is_owed() -> None:
    sold = order(line("a", 2, 1000))
    of = record(order(line("a", 1, 1000)), parcel("P", a=1), sold=(sold,), payments=(paid("p", 2000),))
    assert owed(_with(of, refunds=(refund("re_1", 400),))) == {ORDER: 600}
    assert owed(_with(of, refunds=(refund("re_1", 1000),))) == {}
    assert entitlements(_with(of, refunds=(refund("re_1", 1300),))).overpaid == 300


def test_an_order_that_was_lowered_before_it_was_sold_gives_back_the_same_where_its_channel_remembers() -> None:
    bought = order(line("a", 1, 1000), ever_ordered=usd(2000))
    assert owed(record(bought, payments=(paid("p", 2000),))) == {ORDER: 1000}
    assert owed(record(bought, payments=(paid("p", 2000), paid("q", 500)))) == {ORDER: 1000, SURPLUS: 500}


def test_money_that_nothing_explains_is_a_surplus_and_no_entitlement_of_the_order() -> None:
    of = record(order(line("a", 1, 1000)), payments=(paid("p", 1000), paid("q", 1000)))
    assert owed(of) == {SURPLUS: 1000}


def test_a_cancelled_order_gives_everything_back() -> None:
    of = record(order(line("a", 2, 1000), delivery=500, cancelled_at=DAY), payments=(paid("p", 2500),), sold=())
    assert owed(of) == {ORDER: 2500}


def test_an_allowance_is_not_given_back_once_more_with_the_cancelled_order() -> None:
    kind = Allowance(id="A", amount=usd(400), reason="late", granted_by="mara", granted_at=DAY)
    of = record(
        order(line("a", 1, 1000), cancelled_at=DAY),
        payments=(paid("p", 1000),),
        allowances=(("allowance:people:A", kind),),
    )
    assert owed(of) == {ORDER: 1000}
    assert not difference(of).size
    gone = Asked("refund:allowance:people:A|p:1", "allowance:people:A", 400, "p")
    assert owed(_with(of, asked=(gone,))) == {ORDER: 600}


def test_a_lost_dispute_settles_what_was_owed_and_the_rest_is_a_loss() -> None:
    lost = Dispute(id="dp", payment="p", amount=usd(3000), status="lost", opened_at=DAY)
    of = record(
        order(line("a", 3, 1000)),
        parcel("P", a=3),
        payments=(paid("p", 3000),),
        returns=(returned("R", a=1),),
        disputes=(lost,),
    )
    found = entitlements(of)
    assert (found.open, found.overpaid, found.lost) == (0, 0, 2000)


def test_a_return_settled_by_nothing_moves_no_money() -> None:
    of = record(
        order(line("a", 1, 1000)),
        parcel("P", a=1),
        payments=(paid("p", 1000),),
        returns=(returned("R", settle_by="nothing", a=1),),
    )
    assert owed(of) == {}
    assert difference(of).size == 0


def test_an_allowance_on_a_line_is_in_the_shape_of_its_tax() -> None:
    kind = Allowance(id="A", amount=usd(60), reason="late", granted_by="mara", granted_at=DAY, line="a")
    of = record(order(line("a", 1, 1000, 200)), parcel("P", a=1), allowances=(("allowance:people:A", kind),))
    assert difference(of).to_credit == {Position("a", "discount", ("0.2",)): Value(50, (10,))}


# --- tenders -----------------------------------------------------------------------------------------------------------


def test_refunds_go_to_tenders_in_the_order_of_the_terms_and_never_above_what_was_taken() -> None:
    of = record(
        order(line("a", 1, 3000)),
        payments=(paid("card", 2000), paid("gift", 1000, "gift_card")),
        refunds=(refund("re_1", 1900, payment="card"),),
    )
    parts = spread(2000, balances(of), ("gift_card", "card"))
    assert [(balance.payment.body.id, amount) for balance, amount in parts] == [("gift", 1000), ("card", 100)]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 90)), min_size=1, max_size=5), st.data())
def test_parts_of_an_amount_never_overlap_and_sum_to_it(cells: list[tuple[int, int]], data: st.DataObject) -> None:
    amounts = {Position(str(n), "goods", ("0.2",)): Value(net, (tax,)) for n, (net, tax) in enumerate(cells)}
    whole = gross_of(amounts)
    cuts = sorted({0, whole, *data.draw(st.lists(st.integers(0, whole)))})
    for start, end in itertools.pairwise(cuts):
        part = between(amounts, start, end)
        assert sum(each.amount.minor for each in allocations(part, "USD")) == end - start


def test_what_is_taken_is_what_left_and_is_kept() -> None:
    of = record(
        order(line("a", 3, 333, off=-1), delivery=500),
        parcel("P", a=2),
        payments=(),
        capture_when="shipped",
    )
    assert _taken_next(of) == 667 + 500
    taken = Taken(PaymentCapture(payment="p", amount=usd(1167), final=False))
    assert _taken_next(_with(of, taken=(taken,))) == 0


@pytest.mark.parametrize("answered", [None, "found/by/reference", "ch_p"])
def test_a_capture_counts_once_whether_its_fact_or_its_answer_comes_first(answered: str | None) -> None:
    held = paid("p", 1000, authorised=3000)
    asked = Taken(PaymentCapture(payment="p", amount=usd(1000), final=False), answered)
    of = record(order(line("a", 3, 1000)), parcel("P", a=2), payments=(held,), capture_when="shipped", taken=(asked,))
    assert _taken_next(of) == 1000
    assert _taken_next(_with(of, captures=())) == 1000
    assert _taken_next(_with(of, taken=(asked, Taken(asked.body)))) == 0


def test_what_a_clerk_gave_away_is_not_taken_once_more() -> None:
    held = paid("p", 2000, authorised=5000)
    of = record(order(line("a", 5, 1000)), parcel("P", a=2), payments=(held,), capture_when="shipped")
    of = _with(of, refunds=(refund("re_1", 700),))
    assert given_away_by_others(of) == 700
    assert _taken_next(of) == 0


def test_what_a_lost_dispute_settled_is_not_taken_off_what_leaves_next() -> None:
    """An allowance that the bank took by force has been given."""
    held = paid("p", 1000, authorised=5000)
    kind = Allowance(id="A", amount=usd(300), reason="late", granted_by="mara", granted_at=DAY)
    lost = Dispute(id="dp", payment="p", amount=usd(400), status="lost", opened_at=DAY)
    of = record(order(line("a", 5, 1000)), parcel("P", a=2), payments=(held,), capture_when="shipped")
    of = _with(of, disputes=(lost,), allowances=(("allowance:people:A", kind),))
    assert _taken_next(of) == 1000


def test_what_an_edit_made_dearer_has_to_be_covered_before_it_leaves() -> None:
    of = record(order(line("a", 3, 1000), delivery=500), parcel("P", a=1), capture_when="shipped")
    assert (_taken_next(of), to_cover(of, settled_in_all(of))) == (1500, 3500)


# --- the ledger --------------------------------------------------------------------------------------------------------


def test_every_entry_balances_and_the_buyers_account_is_settled_in_the_end() -> None:
    of = record(
        order(line("a", 2, 1000, 400), delivery=500),
        parcel("P", a=2),
        payments=(paid("p", 2900),),
        returns=(returned("R", a=2),),
        refunds=(refund("re_1", 2900),),
    )
    memo_lines = tuple(
        BillingLine(
            component=position.component,
            net=usd(value.net),
            line=position.line,
            taxes=tuple(
                Tax(title="VAT", rate=r, amount=usd(t)) for r, t in zip(position.rates, value.taxes, strict=True)
            ),
        )
        for position, value in difference(of).to_credit.items()
    )
    memo = CreditMemo(number="#1", sold_by="shop", currency="USD", memo_date=DAY, reason="", lines=memo_lines)
    settled = _with(of, corrections=(memo,))
    assert sum(trial_balance(entries(settled)).values()) == 0
    assert customer_balance(settled) == 0
    assert customer_balance(of) == 2900


def test_a_refund_at_another_rate_is_an_exchange_difference_and_not_the_buyers() -> None:
    tendered, capture = paid("p", 1000)
    in_euro = msgspec.structs.replace(capture, settled=Money(900, "EUR"))
    name, back = refund("re_1", 500)
    of = record(
        order(line("a", 1, 1000)),
        payments=((tendered, in_euro),),
        refunds=((name, msgspec.structs.replace(back, settled=Money(470, "EUR"))),),
    )
    assert trial_balance(entries(of))["EUR", "exchange differences"] == 20


def test_refunds_of_a_whole_payment_at_its_own_rate_leave_no_cent_of_an_exchange_difference() -> None:
    """Taken in two captures, given back in thirds: each share is rounded, and all of them are what came in."""
    (tendered, capture), (_, second) = paid("p", 600), paid("p", 400)
    settled = [(capture, 60), (msgspec.structs.replace(second, id="ch_2"), 40)]
    thirds = [refund(f"re_{n}", amount) for n, amount in enumerate((333, 333, 334))]
    of = _with(
        record(order(line("a", 1, 1000)), payments=((tendered, capture),)),
        captures=tuple(msgspec.structs.replace(c, settled=Money(came, "EUR")) for c, came in settled),
        refunds=tuple(
            (name, msgspec.structs.replace(back, settled=Money(cost, "EUR")))
            for (name, back), cost in zip(thirds, (33, 33, 34), strict=True)
        ),
    )
    assert trial_balance(entries(of))["EUR", "exchange differences"] == 0


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
def test_money_in_another_currency_is_counted_nowhere(currency: str) -> None:
    tendered, capture = paid("p", 1000)
    foreign = msgspec.structs.replace(capture, amount=Money(1000, currency))
    of = record(order(line("a", 1, 1000)), payments=((tendered, foreign),))
    assert entitlements(of).open == 0
    assert customer_balance(of) == 0
