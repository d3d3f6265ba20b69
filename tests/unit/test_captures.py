"""What is taken when it leaves, in the smallest cases that went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.canonical.order import Order, OrderLine, SalesOrder
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentCapture, PaymentVoid
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Act
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITY = "order:shop:1"
POLICY = Policy(roles=Roles(erp="erp", warehouse="warehouse", payments="psp"), capture_when="shipped")
ORDER = Order(
    id="1",
    number="#1",
    placed_at=AT,
    currency="USD",
    lines=(OrderLine(id="a", sku="MUG", title="Mug", ordered=3, unit_price=usd(1000)),),
    total=usd(3000),
)


def fact(kind: str, connection: str, body: Any) -> Fact:
    return Fact(f"{kind}:{connection}:{body.id}", kind, connection, AT, AT, body)


def _held(id_: str, amount: int) -> Fact:
    body = PaymentAuthorization(id=id_, tender="card", authorised=usd(amount), status="open", authorised_at=AT)
    return fact("payment", "psp", body)


def test_a_capture_is_never_given_the_name_of_one_that_was_sent() -> None:
    """Of two that were owed at once the second was sent first, and the first was worked out anew."""
    sent = PaymentCapture(payment="q", amount=usd(500), final=False)
    done = [
        Sealed("sale", SalesOrder(order=ORDER, sold_by="shop"), confirmed=True),
        Sealed("capture:2", sent, confirmed=True, remote_id="c2"),
    ]
    lines = (ShipmentLine(line="a", sku="MUG", units=2),)
    left = Shipment(id="s1", reference=ENTITY, location="EAST", lines=lines, shipped_at=AT)
    taken = Capture(id="c2", payment="q", tender="card", amount=usd(500), captured_at=AT)
    facts = (
        fact("order", "shop", ORDER),
        fact("shipment", "warehouse", left),
        _held("p", 1000),
        _held("q", 2000),
        fact("capture", "psp", taken),
    )
    standing = Standing(ENTITY, facts, AT, sealed={each.name: each for each in done})
    found = [each for each in owed_for_order(standing, POLICY) if isinstance(each, Act)]
    captures = {each.name: each.body.amount.minor for each in found if isinstance(each.body, PaymentCapture)}
    assert captures == {"capture:1": 1000, "capture:3": 500}


def _all_left_but_what_was_taken_off(*sent: Sealed, taken: int = 2000) -> list[str]:
    """Two of three mugs have left and were taken of the 30.00 held; the third was taken off the order then."""
    fewer = msgspec.structs.replace(ORDER, lines=(msgspec.structs.replace(ORDER.lines[0], ordered=2),), total=usd(2000))
    lines = (ShipmentLine(line="a", sku="MUG", units=2),)
    left = Shipment(id="s1", reference=ENTITY, location="EAST", lines=lines, shipped_at=AT)
    capture = Capture(id="c1", payment="p", tender="card", amount=usd(taken), captured_at=AT)
    facts = (
        fact("order", "shop", fewer),
        fact("shipment", "warehouse", left),
        _held("p", 3000),
        *([fact("capture", "psp", capture)] if taken else []),
    )
    done = (Sealed("sale", SalesOrder(order=ORDER, sold_by="shop"), confirmed=True), *sent)
    standing = Standing(ENTITY, facts, AT, sealed={each.name: each for each in done})
    found = [each for each in owed_for_order(standing, POLICY) if isinstance(each, Act)]
    return [each.name for each in found if isinstance(each.body, PaymentVoid)]


def _sent(*, final: bool) -> Sealed:
    body = PaymentCapture(payment="p", amount=usd(2000), final=final)
    return Sealed("capture:1", body, confirmed=True, remote_id="c1")


def test_what_captures_leave_of_an_authorisation_is_let_go_when_nothing_more_will_leave() -> None:
    assert _all_left_but_what_was_taken_off(_sent(final=False)) == ["void:p"]


def test_the_last_capture_lets_go_of_the_rest_by_itself() -> None:
    assert _all_left_but_what_was_taken_off(_sent(final=True)) == []


def test_nothing_is_let_go_while_a_capture_is_under_way() -> None:
    assert _all_left_but_what_was_taken_off(_sent(final=False), taken=0) == []
