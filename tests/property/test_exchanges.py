"""New goods set against what comes back: nothing is given twice, nothing is lost, and an even exchange is even to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from crossdock.books.entitlements import entitlements
from crossdock.books.exchanges import price_of
from crossdock.books.record import Asked, Exchanged, Record, Returned, Tendered
from crossdock.books.worth import worth_of
from crossdock.canonical.order import Order, OrderLine, Tax
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, PaymentAuthorization
from crossdock.canonical.returns import Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.gateway.returning import LineAsked, ReplacementAsked, ReturnAsked, opened
from crossdock.kernel.money import portion, usd

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOME = Address(name="Ada Example", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
CAUSE = "return:hub:R1"


@st.composite
def orders(draw: Any) -> Order:
    """One line of some units, discounted and taxed in any way, its prices with or without their taxes."""
    units, price = draw(st.integers(1, 7)), draw(st.integers(1, 9_999))
    discount = draw(st.integers(0, units * price))
    charged, included = units * price - discount, draw(st.booleans())
    rates = draw(st.lists(st.sampled_from(["0.0625", "0.0825", "0.19", "0.07"]), max_size=2, unique=True))
    taxes = tuple(
        Tax(title="tax", rate=rate, amount=usd(portion(charged, int(float(rate) * 10_000), 10_000))) for rate in rates
    )
    line = OrderLine(
        id="1", sku="MUG", title="Mug", ordered=units, unit_price=usd(price), discount=usd(discount), taxes=taxes
    )
    gross = charged if included else charged + sum(tax.amount.minor for tax in taxes)
    return Order(
        id="1", number="#1", placed_at=DAY, currency="USD", lines=(line,), total=usd(gross), tax_included=included,
        ship_to=HOME,
    )  # fmt: skip


def exchanged(order: Order, back: int, new: ReplacementAsked, captured: int, *, received: int) -> Record:
    """So many units are announced to come back for the new goods, and so many of them are there."""
    asked = ReturnAsked(lines=(LineAsked(units=back, line="1"),), settle_by="exchange", replacements=(new,))
    agreed = opened(asked, "R1", order, [], DAY + timedelta(days=1))
    line = ReturnLine(id="1", line="1", sku="MUG", units=back, received=received, disposition="sellable")
    body: Return = msgspec.structs.replace(agreed, lines=(line,))
    lines = tuple(each.line for each in body.replacements)
    parcel = Shipment(
        id="s1", reference="order:shop:1", location="EAST", shipped_at=DAY,
        lines=(ShipmentLine(line="1", sku="MUG", units=order.lines[0].ordered),),
    )  # fmt: skip
    card = PaymentAuthorization(id="p", tender="card", authorised=usd(captured), status="captured", authorised_at=DAY)
    return Record(
        entity="order:shop:1",
        order=order,
        sold=(order,),
        shipments=(parcel,),
        returns=(Returned(CAUSE, body, open=True, awaited=True),),
        payments=(Tendered("payment:psp:p", "psp", card),),
        captures=(Capture(id="c", payment="p", tender="card", amount=usd(captured), captured_at=DAY),),
        exchanges=(Exchanged(CAUSE, lines, lines),),
    )


@given(orders(), st.data())
def test_an_even_exchange_is_even_to_the_cent(order: Order, data: Any) -> None:
    back = data.draw(st.integers(1, order.lines[0].ordered))
    record = exchanged(order, back, ReplacementAsked(sku="CAP"), order.total.minor, received=back)
    [given] = worth_of(record).given
    found = entitlements(record)
    assert price_of(record, record.exchanges[0].lines) == given.worth
    assert (found.open, found.to_collect, found.unpaid, found.overpaid) == (0, 0, 0, 0)


@given(orders(), st.data())
def test_new_goods_refunds_and_what_is_to_be_paid_come_to_what_came_back(order: Order, data: Any) -> None:
    back = data.draw(st.integers(1, order.lines[0].ordered))
    price, units = data.draw(st.integers(0, 20_000)), data.draw(st.integers(1, 3))
    new = ReplacementAsked(sku="CAP", units=units, price=f"{price / 100:.2f}")
    record = exchanged(order, back, new, order.total.minor, received=back)
    [given] = worth_of(record).given
    found, cost = entitlements(record), price_of(record, record.exchanges[0].lines)
    assert found.open - found.to_collect == given.worth - cost
    assert min(found.open, found.to_collect) == 0
    assert found.entitled + sum(each.exchanged for each in found.of) == given.worth


@given(orders(), st.data())
def test_what_is_awaited_pays_like_what_is_there_and_is_called_lent(order: Order, data: Any) -> None:
    back = data.draw(st.integers(1, order.lines[0].ordered))
    price = data.draw(st.integers(0, 20_000))
    new = ReplacementAsked(sku="CAP", price=f"{price / 100:.2f}")
    there, awaited = (exchanged(order, back, new, order.total.minor, received=got) for got in (back, 0))
    [a], [b] = entitlements(there).exchanges, entitlements(awaited).exchanges
    assert (a.taken, a.advanced) == (b.taken, 0)
    assert b.advanced == b.taken
    assert entitlements(awaited).open == 0
    lapsed = replace(awaited, returns=(replace(awaited.returns[0], awaited=False),))
    assert [each.taken for each in entitlements(lapsed).exchanges] == [0]
    assert entitlements(lapsed).to_collect == price_of(lapsed, lapsed.exchanges[0].lines)


@given(orders(), st.data())
def test_what_was_given_back_already_pays_for_no_new_goods(order: Order, data: Any) -> None:
    back = data.draw(st.integers(1, order.lines[0].ordered))
    price = data.draw(st.integers(1, 20_000))
    new = ReplacementAsked(sku="CAP", price=f"{price / 100:.2f}")
    record = exchanged(order, back, new, order.total.minor, received=back)
    [given] = worth_of(record).given
    refunded = data.draw(st.integers(0, given.worth))
    paid = replace(record, asked=(Asked(f"refund:{CAUSE}|p:1", CAUSE, refunded, "p"),))
    found, cost = entitlements(paid), price_of(paid, paid.exchanges[0].lines)
    assert refunded + found.exchanges[0].taken <= max(given.worth, refunded)
    assert refunded + found.open - found.to_collect == given.worth - cost
