"""Money that went back elsewhere, or was taken without our hearing of it: nothing is paid twice, and nothing is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from crossdock.canonical.order import Order, OrderLine, SalesOrder, ShippingCharge
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentRefund, Refund
from crossdock.canonical.returns import Allowance, RefundNotice, Return, ReturnLine, ReturnRecord
from crossdock.canonical.shipment import Shipment, ShipmentLine, ShipmentOrder
from crossdock.kernel.money import usd
from crossdock.promises.difference import Basis, Book, difference
from crossdock.promises.obligations import Act, Fetch, Obligation, Trouble, Wait
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITY = "order:shop:1"
POLICY = Policy(roles=Roles(erp="erp", warehouse="warehouse", payments="psp"))
LINE = OrderLine(id="a", sku="MUG", title="Mug", ordered=3, unit_price=usd(1000))
ORDER = Order(id="1", number="#1", placed_at=AT, currency="USD", lines=(LINE,), total=usd(3000), payment="paid")
BACK = ReturnLine(id="1", line="a", sku="MUG", units=1, received=1, disposition="sellable", location="EAST")
RETURN = Return(id="R1", returned_at=AT, lines=(BACK,))


def fact(kind: str, connection: str, body: Any, changed_at: datetime = AT) -> Fact:
    return Fact(f"{kind}:{connection}:{body.id}", kind, connection, AT, changed_at, body)


def captured(amount: int = 3000) -> tuple[Fact, Fact]:
    held = PaymentAuthorization(id="p", tender="card", authorised=usd(amount), status="captured", authorised_at=AT)
    taken = Capture(id="c", payment="p", tender="card", amount=usd(amount), captured_at=AT)
    return fact("payment", "psp", held), fact("capture", "psp", taken)


def left(units: int) -> Fact:
    lines = (ShipmentLine(line="a", sku="MUG", units=units),)
    return fact(
        "shipment", "warehouse", Shipment(id="s1", reference=ENTITY, location="EAST", lines=lines, shipped_at=AT)
    )


def refunded(amount: int, connection: str = "till", **more: Any) -> Fact:
    body = Refund(id="re", payment="p", tender="cash", amount=usd(amount), status="succeeded", refunded_at=AT, **more)
    return fact("refund", connection, body)


def standing(*facts: Fact, order: Order = ORDER, sealed: tuple[Sealed, ...] = (), at: datetime = AT) -> Standing:
    known = [Sealed("sale", SalesOrder(order=ORDER, sold_by="shop"), confirmed=True), *sealed]
    return Standing(ENTITY, (fact("order", "shop", order), *facts), at, sealed={each.name: each for each in known})


def owed(of: Standing, policy: Policy = POLICY) -> list[Obligation]:
    return list(owed_for_order(of, policy))


def refunds(found: list[Obligation]) -> list[int]:
    return [each.body.amount.minor for each in found if isinstance(each, Act) and isinstance(each.body, PaymentRefund)]


def waits(found: list[Obligation], name: str) -> list[str]:
    return [each.what for each in found if isinstance(each, Wait) and each.name.startswith(name)]


def troubles(found: list[Obligation]) -> dict[str, str]:
    return {each.cause.partition(":")[0]: each.detail for each in found if isinstance(each, Trouble)}


# --- a refund of a time that was forgotten -----------------------------------------------------------------------------


def test_whoever_we_refunded_in_a_forgotten_time_is_told_as_if_nobody_had() -> None:
    roles, order = msgspec.structs.replace(POLICY.roles, mail="mail"), msgspec.structs.replace(ORDER, email="a@b.test")
    name = "refund:return:till:R1|p:1"
    ours = refunded(1000, "psp", reference=f"{ENTITY}/{name}/return:till:R1/1")
    came = (*captured(), left(3), fact("return", "till", RETURN))

    def notices(*more: Fact, sealed: tuple[Sealed, ...] = ()) -> dict[str, bool]:
        found = owed(standing(*came, *more, order=order, sealed=sealed), msgspec.structs.replace(POLICY, roles=roles))
        told = [each for each in found if isinstance(each, Act) and isinstance(each.body, RefundNotice)]
        return {each.name: bool(each.needs) for each in told}

    asked = PaymentRefund(payment="p", tender="card", amount=usd(1000), reason="return R1")
    assert notices(ours) == {f"refund_notice:{name}": False}
    assert notices(ours, sealed=(Sealed(name, asked, confirmed=True),)) == {f"refund_notice:{name}": True}
    assert notices(refunded(1000, "psp")) == {}


def test_a_refund_of_a_forgotten_time_counts_for_what_it_was_made_for_and_its_name_is_never_used_again() -> None:
    """Otherwise it settled the oldest cause, and what was left of its own was asked for under its key, at another amount."""
    back = fact("return", "till", RETURN)
    granted = Allowance(id="A", amount=usd(700), reason="late", granted_by="us", granted_at=AT)
    came = (*captured(), left(3), back, fact("allowance", "api", granted))
    name = "refund:allowance:api:A|p:1"
    part = refunded(300, "psp", reference=f"{ENTITY}/{name}/allowance:api:A/1")
    found = [each for each in owed(standing(*came, part)) if isinstance(each, Act)]
    asked = {each.name: each.body.amount.minor for each in found if isinstance(each.body, PaymentRefund)}
    assert asked == {"refund:return:till:R1|p:1": 1000, "refund:allowance:api:A|p:2": 400}


# --- a payment that was heard of late ----------------------------------------------------------------------------------


def test_what_goes_back_on_a_payment_heard_of_under_new_rules_is_owed_by_them_and_is_no_campaign() -> None:
    held, taken = captured()
    late = AT + timedelta(hours=2)
    heard = (replace(held, recorded_at=late, changed_at=late), replace(taken, recorded_at=late, changed_at=late))
    of = standing(*heard, left(3), fact("return", "till", RETURN))
    settled_before = Basis(b"new", AT + timedelta(hours=1), b"old", AT + timedelta(minutes=30))
    found = difference(owed_for_order(of, POLICY), Book(), settled_before, {}, 3)
    money = {"refund:return:till:R1|p:1", "return_record:R1:1"}
    assert money <= {each.owed.name for each in found.opened}
    assert not any(name in money for name in found.withheld)
    # Known before, and told more of since: that is no new money.
    known = standing(held, replace(taken, changed_at=late), left(3), fact("return", "till", RETURN))
    assert money <= set(difference(owed_for_order(known, POLICY), Book(), settled_before, {}, 3).withheld)


def test_what_goes_back_on_a_payment_known_before_is_owed_since_the_money_for_all_of_it_was_heard_of() -> None:
    """The channel says paid, so nobody waited for anything; and nobody is given back what they never paid."""
    late = AT + timedelta(hours=2)
    held = PaymentAuthorization(id="q", tender="card", authorised=usd(2000), status="captured", authorised_at=AT)
    taken = Capture(id="d", payment="q", tender="card", amount=usd(2000), captured_at=AT)
    other = (
        replace(fact("payment", "psp", held), recorded_at=late),
        replace(fact("capture", "psp", taken), recorded_at=late),
    )
    came = (*captured(1000), left(3), fact("return", "till", RETURN))
    assert refunds(owed(standing(*came))) == []
    settled_before = Basis(b"new", AT + timedelta(hours=1), b"old", AT + timedelta(minutes=30))
    found = difference(owed_for_order(standing(*came, *other), POLICY), Book(), settled_before, {}, 3)
    assert {"refund:return:till:R1|p:1", "return_record:R1:1"} <= {each.owed.name for each in found.opened}
    assert not any(name.startswith(("refund:", "return_record:")) for name in found.withheld)
    # Money beyond what it takes lets nothing of older rules through.
    beyond = (*captured(3000), left(3), fact("return", "till", RETURN), *other)
    withheld = difference(owed_for_order(standing(*beyond), POLICY), Book(), settled_before, {}, 3).withheld
    assert "refund:return:till:R1|p:1" in withheld


# --- a till that paid out ----------------------------------------------------------------------------------------------


def test_a_return_that_says_it_was_paid_out_waits_for_that_payout() -> None:
    paid_out = fact("return", "till", msgspec.structs.replace(RETURN, paid_out=usd(400)))
    found = owed(standing(*captured(), left(3), paid_out))
    assert refunds(found) == []
    assert waits(found, "payout:") == ["to tell of 4.00 USD that were paid out for return R1"]
    found = owed(standing(*captured(), left(3), paid_out, refunded(400, for_return="R1")))
    assert refunds(found) == [600]
    assert waits(found, "payout:") == []


# --- what left though it was not ordered any more ------------------------------------------------------------------------


def _ordered(units: int, **more: Any) -> Order:
    return msgspec.structs.replace(ORDER, lines=(msgspec.structs.replace(LINE, ordered=units),), **more)


def _asked(units: int) -> Sealed:
    lines = (ShipmentLine(line="a", sku="MUG", units=units),)
    home = Address(name="Ada", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
    return Sealed(
        "shipment_order", ShipmentOrder(reference=ENTITY, number="#1", ship_to=home, lines=lines), confirmed=True
    )


def test_what_was_picked_before_it_was_cancelled_is_a_case_with_its_amount_and_is_refunded_all_the_same() -> None:
    of = standing(*captured(), left(3), order=_ordered(1), sealed=(_asked(3),))
    found = owed(of)
    assert troubles(found) == {"left_unordered": "order #1: 2 MUG worth 20.00 USD"}
    assert refunds(found) == [2000]
    assert troubles(owed(of, msgspec.structs.replace(POLICY, left_unordered="keep"))) == {}


def test_what_is_taken_back_for_nothing_or_left_to_the_buyer_is_no_case() -> None:
    for units, told in ((1, {"left_unordered": "order #1: 1 MUG worth 10.00 USD"}), (2, {})):
        lines = (msgspec.structs.replace(BACK, units=units, received=0, keeps_goods=True),)
        nothing = msgspec.structs.replace(RETURN, lines=lines, settle_by="nothing")
        of = standing(*captured(), left(3), fact("return", "till", nothing), order=_ordered(1), sealed=(_asked(3),))
        assert troubles(owed(of)) == told


def test_what_the_warehouse_was_never_asked_for_is_not_called_cancelled() -> None:
    of = standing(*captured(), left(3), order=_ordered(2), sealed=(_asked(2),))
    assert "left_unordered" not in troubles(owed(of))


# --- an order of which nothing is left ----------------------------------------------------------------------------------


def test_delivery_of_an_emptied_order_is_a_case_or_given_back() -> None:
    delivery = (ShippingCharge(title="Post", price=usd(500)),)
    sold = msgspec.structs.replace(ORDER, shipping=delivery)
    sale = Sealed("sale", SalesOrder(order=sold, sold_by="shop"), confirmed=True)
    of = standing(*captured(3500), order=_ordered(0, shipping=delivery), sealed=(sale,))
    found = owed(of)
    assert refunds(found) == [3000]
    assert troubles(found) == {"emptied": "order #1: 5.00 USD is held for it"}
    found = owed(of, msgspec.structs.replace(POLICY, emptied="refund"))
    assert refunds(found) == [3500]
    assert troubles(found) == {}
    delivered = replace(of, facts=(*of.facts, left(1)))
    assert refunds(owed(delivered, msgspec.structs.replace(POLICY, emptied="refund"))) == [3000]


# --- what the shop shows of a return ------------------------------------------------------------------------------------


def _shown(found: list[Obligation]) -> list[tuple[int, list[int], list[str]]]:
    """(amount, units, what it waits for) of each return the shop is told of."""
    return [
        (
            each.body.amount.minor,
            [line.units for line in each.body.lines],
            sorted(need.name for need in each.needs.values()),
        )
        for each in found
        if isinstance(each, Act) and isinstance(each.body, ReturnRecord)
    ]


REFUND = "refund:return:shop:R1|p:1"


def test_a_return_the_shop_announced_is_shown_its_refund_once_and_not_its_goods() -> None:
    of = standing(*captured(), left(3), fact("return", "shop", RETURN))
    assert _shown(owed(of)) == [(1000, [], [REFUND])]
    told = ReturnRecord(order="1", return_id="R1", lines=(), amount=usd(1000), shipping=usd(0))
    gone = PaymentRefund(payment="p", tender="card", amount=usd(1000), reason="")
    sealed = (Sealed(REFUND, gone, confirmed=True), Sealed("return_record:R1:1", told, confirmed=True))
    assert _shown(owed(standing(*captured(), left(3), fact("return", "shop", RETURN), sealed=sealed))) == []


def test_what_the_shop_refunded_itself_it_is_not_told_again() -> None:
    of = standing(*captured(), left(3), fact("return", "shop", RETURN), refunded(1000, "shop", for_return="R1"))
    assert _shown(owed(of)) == []
    credit = fact("return", "till", msgspec.structs.replace(RETURN, settle_by="store_credit"))
    name = "store_credit:return:till:R1|:1"
    assert _shown(owed(standing(*captured(), left(3), credit))) == [(0, [1], ["fulfilment:s1", name])]


def test_a_return_is_shown_after_the_parcel_it_came_in() -> None:
    till = "refund:return:till:R1|p:1"
    of = standing(*captured(), left(3), fact("return", "till", RETURN))
    assert _shown(owed(of)) == [(1000, [1], ["fulfilment:s1", till])]


def test_a_return_is_shown_without_waiting_for_a_refund_that_was_made_in_a_forgotten_time() -> None:
    """It waited for a promise that nobody here ever makes again."""
    ours = refunded(1000, "psp", reference=f"{ENTITY}/{REFUND}/return:shop:R1/1")
    of = standing(*captured(), left(3), fact("return", "shop", RETURN), ours)
    assert _shown(owed(of)) == [(1000, [], [])]


# --- a payment nobody told of -------------------------------------------------------------------------------------------


def _unheard(*facts: Fact, after: timedelta, order: Order = ORDER, can_read: bool = True) -> list[Obligation]:
    of = standing(left(3), *facts, order=order, at=AT + after)
    return owed(replace(of, readable=frozenset({("psp", "order_payments")} if can_read else ())))


def _reads(found: list[Obligation]) -> list[str]:
    return [each.name for each in found if isinstance(each, Fetch)]


def test_a_payment_that_was_never_told_of_is_waited_for_then_looked_for_and_in_the_end_a_case() -> None:
    told = "to tell of 30.00 USD that were paid"
    early = _unheard(after=timedelta(0))
    assert (waits(early, "payment_unheard"), _reads(early), troubles(early)) == ([told], [], {})
    later = _unheard(after=timedelta(minutes=10))
    assert (waits(later, "payment_unheard"), _reads(later), troubles(later)) == ([told], ["fetch:order_payments:1"], {})
    late = _unheard(after=timedelta(days=1))
    assert waits(late, "payment_unheard") == []
    assert _reads(late) == ["fetch:order_payments:1", "fetch:order_payments:2"]
    assert troubles(late) == {"payment_unheard": "order #1: 30.00 USD"}
    assert _reads(_unheard(after=timedelta(days=1), can_read=False)) == []


def test_a_return_of_an_order_without_any_known_payment_is_never_passed_over_in_silence() -> None:
    unsaid = msgspec.structs.replace(ORDER, payment="pending")
    assert waits(_unheard(after=timedelta(0), order=unsaid), "payment_unheard") == []
    back = fact("return", "till", RETURN)
    assert waits(_unheard(back, after=timedelta(0), order=unsaid), "payment_unheard")
    late = _unheard(back, after=timedelta(days=1), order=unsaid)
    assert troubles(late) == {"payment_unheard": "order #1: 30.00 USD"}


def test_of_a_payment_in_two_parts_the_part_that_is_missing_is_asked_for() -> None:
    found = _unheard(*captured(2000), after=timedelta(0))
    assert waits(found, "payment") == ["to tell of 10.00 USD that were paid"]
    unpaid = msgspec.structs.replace(ORDER, payment="pending")
    assert waits(_unheard(*captured(2000), after=timedelta(0), order=unpaid), "payment") == ["to collect 10.00 USD"]


def test_nothing_is_missing_of_what_is_known_or_costs_nothing() -> None:
    assert waits(_unheard(*captured(), after=timedelta(0)), "payment") == []
    free = standing(order=_ordered(0), sealed=(Sealed("sale", SalesOrder(order=_ordered(0), sold_by="shop"), True),))
    assert waits(owed(free), "payment") == []
