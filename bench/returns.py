"""Returns through the whole loop: from the stored return to the buyer's refund, the credit note, the stock and the shop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from bench import webhooks
from bench.facts import told
from bench.figures import show
from bench.orders import RUNS, WORK, Run, disturbance, since, used
from bench.stage import Cast, Stage, Stuck, staged
from crossdock.canonical.order import Order
from crossdock.canonical.payment import Capture, PaymentAuthorization
from crossdock.canonical.returns import Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connect.documents import Document, Origin
from crossdock.connectors.shopify import connector as shopify
from crossdock.kernel.moments import system_clock
from crossdock.store.inbox import Message

ORDERS, WARM_ORDERS = 2000, 200
_WAIT_SECONDS = 180.0
_MONEY = Cast(standins=("payments", "till"), roles={"payments": "payments"})
_LEFT = ("invoices", "fulfilments")
_DONE = ("refunds", "credit-memos", "goods-returns", "return-records")


def measure() -> None:
    """Each order has a sale, one parcel that left and was invoiced, and a captured card; one unit of one line comes back."""
    with staged(_MONEY) as stage:
        stage.start_hubs(WORK, WORK)
        time.sleep(3)  # the two share the entities from their next beat on, after 2.5 s
        _run(stage, 0, WARM_ORDERS)
        runs = [_run(stage, WARM_ORDERS + n * ORDERS, ORDERS) for n in range(RUNS)]
    rates, others = [run.rate for run in runs], disturbance(runs)
    show("returns", "returns per second", rates, "1/s", cores_used_by_others=others)
    both = [run.ms(run.hub + run.postgres) for run in runs]
    show("returns", "hub and PostgreSQL", both, "CPU-ms/return", calls_each=len(_DONE))
    show("returns", "hub", [run.ms(run.hub) for run in runs], "CPU-ms/return")
    show("returns", "PostgreSQL", [run.ms(run.postgres) for run in runs], "CPU-ms/return")
    show("returns", "stand-in", [run.ms(run.standin) for run in runs], "CPU-ms/return")


def _run(stage: Stage, first: int, count: int) -> Run:
    """Sell and ship; then store the returns, and wait until the four things each owes are done and recorded.

    The clock starts when all returns become visible in the inbox. `Stuck` when one of the four was done other than once.
    """
    orders = _sold(stage, first, count)
    done = stage.told().done
    back = (returned(entity, order) for entity, order in orders.items())
    before = webhooks.store_messages(stage.url, back, lambda: used(stage))
    for kind in _DONE:
        stage.wait_for_done(kind, first + count, _WAIT_SECONDS)
    stage.settle_down()
    after, ledger = used(stage), stage.told()
    if any(ledger.done[kind] - done.get(kind, 0) != count for kind in _DONE):
        raise Stuck(f"{count} returns became {ledger.done}, from {done}")
    return since(before, after, count, ledger.last_at)


def _sold(stage: Stage, first: int, count: int) -> dict[str, Order]:
    """That many orders that were sold, paid, shipped and invoiced, by their entity."""
    webhooks.store(stage.url, first, count, lambda: None)
    stage.wait_for_done("references", first + count, _WAIT_SECONDS)
    orders = {webhooks.entity_of(n): order_of(n) for n in range(first, first + count)}
    facts = (fact for entity, order in orders.items() for fact in left_and_paid(entity, order))
    webhooks.store_messages(stage.url, facts, lambda: None)
    for kind in _LEFT:
        stage.wait_for_done(kind, first + count, _WAIT_SECONDS)
    stage.settle_down()
    return orders


def order_of(n: int) -> Order:
    """The order as the hub reads it from its webhook."""
    _, body = next(webhooks.webhooks(n, 1))
    origin = Origin(connection="shop", received_at=system_clock())
    stated = next(shopify.topics["orders/create"](body, origin))
    assert isinstance(stated, Document)
    assert isinstance(stated.body, Order)
    return stated.body


def left_and_paid(entity: str, order: Order, payments: str = "payments") -> Iterator[Message]:
    """All of it left in one parcel a day after it was placed, and its card was charged; `payments` tells so."""
    parcel = Shipment(
        id=f"s{order.id}",
        reference=entity,
        location="MAIN",
        lines=tuple(ShipmentLine(line=line.id, sku=line.sku, units=line.ordered) for line in order.lines),
        shipped_at=order.placed_at + timedelta(days=1),
    )
    yield told("warehouse", entity, "shipment", parcel, parcel.id)
    card = PaymentAuthorization(
        id=f"pi{order.id}", tender="card", authorised=order.total, status="captured", authorised_at=order.placed_at
    )
    yield told(payments, entity, "payment", card, card.id)
    charge = Capture(
        id=f"ch{order.id}", payment=card.id, tender="card", amount=order.total, captured_at=order.placed_at
    )
    yield told(payments, entity, "capture", charge, charge.id)


def returned(entity: str, order: Order) -> Message:
    """One unit of the first line, handed in and looked at within its window."""
    line = order.lines[0]
    back = ReturnLine(id="1", sku=line.sku, line=line.id, units=1, received=1, disposition="sellable", location="MAIN")
    record = Return(id=f"R{order.id}", returned_at=order.placed_at + timedelta(days=5), lines=(back,))
    return told("till", entity, "return", record, record.id)
