"""An order that its source has no more: people are told of what is not done, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from crossdock.canonical.lookup import Lookup
from crossdock.canonical.order import OpenLine, OpenUnits, SalesOrder
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentRefund, Refund
from crossdock.canonical.returns import Allowance, Return, ReturnLine
from crossdock.canonical.shipment import GoodsIssue, InvoicePosting
from crossdock.kernel.money import usd
from crossdock.promises.money import slots
from crossdock.promises.obligations import Fetch, Trouble
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing
from tests.stage import order, shipment

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
POLICY = Policy(roles=Roles(erp="erp", warehouse="wms", payments="psp"))
ORDER = order("1", units=3)
SOLD = Sealed("sale", SalesOrder(order=ORDER, sold_by="shop"), confirmed=True)
PARCEL = shipment("s1", ORDER, units=3)
ISSUED = Sealed("goods_issue:s1", GoodsIssue(shipment=PARCEL), confirmed=True)
BILLED = Sealed("invoice:s1", InvoicePosting(shipment="s1", invoice_date=NOW), confirmed=True)
DONE = (SOLD, ISSUED, BILLED)
NONE = (OpenLine(line="1-0", sku="MUG", units=0),)
GONE = Standing("order:shop:1", (), NOW, gone=True)
CAPTURE = Capture(id="c1", payment="p1", tender="card", amount=usd(3000), captured_at=NOW)
PAYMENT = PaymentAuthorization(id="p1", tender="card", authorised=usd(3000), status="captured", authorised_at=NOW)
REFUND = Refund(id="r1", payment="p1", tender="card", amount=usd(3000), status="succeeded", refunded_at=NOW)


def fact(kind: str, body: Any) -> Fact:
    return Fact(f"{kind}:psp:{body.id}", kind, "psp", NOW, NOW, body)


def said(*facts: Fact, sealed: tuple[Sealed, ...] = (), gone: bool = True) -> list[str]:
    standing = replace(GONE, facts=facts, sealed={each.name: each for each in sealed}, gone=gone)
    found = [each for each in owed_for_order(standing, POLICY) if isinstance(each, Trouble)]
    assert {each.cause for each in found} <= {"order_gone:shop"}
    return [each.detail.removeprefix("order:shop:1: ") for each in found]


def test_nobody_reads_an_order_again_that_its_source_has_no_more() -> None:
    def read(connection: str, kind: str, id_: str, *, gone: bool = True) -> bool:
        lookup = Lookup(kind=kind, id=id_)
        hint = Fact(f"hint:{kind}:{connection}:{id_}", kind, connection, NOW, NOW, lookup)
        owed = owed_for_order(replace(GONE, facts=(), hints=(hint,), gone=gone), POLICY)
        return any(isinstance(each, Fetch) and each.body == lookup and each.name != "fetch:order" for each in owed)

    assert not read("shop", "order", "1")
    assert read("shop", "order", "1", gone=False)
    assert read("psp", "payment", "p1")


def test_what_was_sold_and_has_not_left_is_told() -> None:
    assert said(sealed=(SOLD,)) == ["3 of it have not left"]


def test_what_left_and_is_not_in_the_books_is_told_and_what_is_there_is_not() -> None:
    assert said(fact("shipment", PARCEL), sealed=(SOLD,)) == ["parcel s1 left and is not in the books"]
    assert said(fact("shipment", PARCEL), sealed=(SOLD, ISSUED)) == ["parcel s1 is not invoiced"]
    assert said(fact("shipment", PARCEL), sealed=DONE) == []


def test_what_was_taken_off_before_does_not_have_to_leave() -> None:
    none = OpenUnits(lines=NONE, by_sale=(NONE,))
    assert said(sealed=(SOLD, Sealed("open_units", none, confirmed=True))) == []


def test_money_for_what_was_never_sold_is_told_unless_it_went_back() -> None:
    assert said(fact("capture", CAPTURE)) == ["30.00 USD was paid for it, and it was never sold"]
    assert said(fact("capture", CAPTURE), fact("refund", REFUND)) == []


def test_money_for_what_was_taken_off_is_told_until_it_went_back() -> None:
    off = (SOLD, Sealed("open_units", OpenUnits(lines=NONE, by_sale=(NONE,)), confirmed=True))
    assert said(fact("capture", CAPTURE), sealed=off) == ["30.00 USD is owed back"]
    assert said(fact("capture", CAPTURE), fact("refund", REFUND), sealed=off) == []


def test_what_is_owed_back_is_told_until_it_was_asked_for_whatever_another_one_of_a_longer_name_got() -> None:
    granted = fact("allowance", Allowance(id="1", amount=usd(500), reason="late", granted_by="us", granted_at=NOW))
    other = fact("allowance", Allowance(id="10", amount=usd(300), reason="late", granted_by="us", granted_at=NOW))
    body = PaymentRefund(payment="p1", tender="card", amount=usd(300), reason="late")
    asked = Sealed(f"{slots('refund', 'allowance:psp:10')}p1:1", body, confirmed=True)
    done = (fact("shipment", PARCEL), fact("payment", PAYMENT), fact("capture", CAPTURE), other)
    assert said(*done, granted, sealed=(*DONE, asked)) == ["5.00 USD is owed back"]
    assert said(*done, sealed=(*DONE, asked)) == []


def test_a_return_counts_as_come_when_goods_were_handed_in_and_nobody_turned_it_down() -> None:
    def back(received: int, **rest: Any) -> list[str]:
        line = ReturnLine(id="0", sku="MUG", line="1-0", units=1, received=received, disposition="sellable")
        body = Return(id="R1", returned_at=NOW, lines=(line,), settle_by="nothing", **rest)
        return said(fact("shipment", PARCEL), fact("return", body), sealed=DONE)

    assert back(received=1) == ["return R1 came and is not in the books"]
    assert back(received=0) == []
    assert back(received=1, status="cancelled") == []
    assert back(received=0, status="requested") == []


def test_goods_that_were_refunded_and_kept_came_nowhere_and_are_paid_for() -> None:
    line = ReturnLine(id="0", sku="MUG", line="1-0", units=1, keeps_goods=True)
    kept = fact("return", Return(id="R1", returned_at=NOW, lines=(line,)))
    done = (fact("shipment", PARCEL), fact("payment", PAYMENT), fact("capture", CAPTURE), kept)
    assert said(*done, sealed=DONE) == ["10.00 USD is owed back"]


def test_what_needs_no_parcel_does_not_have_to_leave() -> None:
    lines = tuple(structs.replace(line, ships=False) for line in ORDER.lines)
    engraved = Sealed("sale", SalesOrder(order=structs.replace(ORDER, lines=lines), sold_by="shop"), confirmed=True)
    assert said(sealed=(engraved,)) == []


def test_an_order_that_was_only_heard_of_and_one_that_is_not_gone_are_nobodys_trouble() -> None:
    assert said() == []
    assert said(fact("capture", CAPTURE), gone=False) == []
