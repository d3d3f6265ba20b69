"""What is taken when it leaves, in the smallest cases that went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crossdock.canonical.order import Order, OrderLine, SalesOrder
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentCapture
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
