"""An edit of one line of an order with up to 10,000: what it costs must grow with the lines, not with their square.

No shop has such orders; they come from a desk that sells to companies, which tells them in the retail language. Every line
has two units, one of which has left and is invoiced; all is paid. An edit takes one unit of one line away, so that all of
the order is worked out anew, and the ERP, the warehouse and the card are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import msgspec

from bench import webhooks
from bench.facts import told
from bench.figures import show
from bench.orders import RUNS, WORK, used
from bench.stage import Cast, Stage, staged
from crossdock.canonical.order import Order, OrderLine, Tax
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, PaymentAuthorization
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.kernel.money import usd
from crossdock.store.inbox import Message

SIZES = (1000, 2000, 5000, 10_000)
_WAIT_SECONDS = 120.0
_DESK = Cast(standins=("desk", "payments"), roles={"payments": "payments"})
_PLACED_AT = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
_TOLD_OF_EDIT = ("open-units", "shipment-lines", "refunds")
_PRICE, _TAX = 1000, 100
"""Cents a unit."""


@dataclass
class Edited:
    """What one edit took, from storing its message to the last receipt."""

    hub_ms: float
    postgres_ms: float
    wal_bytes: float


def measure() -> None:
    found = {size: _edits_of(size) for size in SIZES}
    for size, edits in found.items():
        both = [edit.hub_ms + edit.postgres_ms for edit in edits]
        apart = {"hub": round(median(e.hub_ms for e in edits)), "postgres": round(median(e.postgres_ms for e in edits))}
        a_line = round(median(both) / size, 4)
        show("wide", f"edit of {size} lines, hub and PostgreSQL", both, "CPU-ms", **apart, per_line=a_line)
        logged = [edit.wal_bytes for edit in edits]
        show("wide", f"edit of {size} lines, write-ahead log", logged, "bytes", per_line=round(median(logged) / size))
    _compare(found[SIZES[0]], found[SIZES[-1]])


def _compare(few: list[Edited], many: list[Edited]) -> None:
    """A line of the largest order over a line of the smallest: 1 where cost grows with the lines, 10 with their square."""
    shorter = SIZES[0] / SIZES[-1]
    of = f"a line of {SIZES[-1]} over one of {SIZES[0]}"
    usual = median(edit.hub_ms + edit.postgres_ms for edit in few)
    show("wide", f"{of}, hub and PostgreSQL", [(e.hub_ms + e.postgres_ms) / usual * shorter for e in many], "ratio")
    logged = median(edit.wal_bytes for edit in few)
    show("wide", f"{of}, write-ahead log", [e.wal_bytes / logged * shorter for e in many], "ratio")


def _edits_of(size: int) -> list[Edited]:
    """One hub process: with more of them their own idling would be a larger part of so short a measurement."""
    with staged(_DESK) as stage:
        stage.start_hubs(WORK)
        entity, order = f"order:desk:{size}", _order(size)
        _tell(stage, [told("desk", entity, "order", order, order.id)], "references")
        _tell(stage, _left_and_paid(entity, order), "invoices")
        _edit(stage, entity, order, 1)  # the first finds the caches cold
        return [_edit(stage, entity, order, nth) for nth in range(2, RUNS + 2)]


def _edit(stage: Stage, entity: str, order: Order, nth: int) -> Edited:
    """The nth edit: one of the two units of another line is taken away."""
    lines = (*(_line(at, 1) for at in range(nth)), *order.lines[nth:])
    total = usd((_PRICE + _TAX) * (2 * len(lines) - nth))
    edited = msgspec.structs.replace(order, lines=lines, total=total)
    message = told("desk", entity, "order", edited, order.id, token=1 + nth)
    before, log_before = used(stage), webhooks.wal_position(stage.sql)
    webhooks.store_messages(stage.url, iter([message]), lambda: None)
    for kind in _TOLD_OF_EDIT:
        stage.wait_for_done(kind, nth, _WAIT_SECONDS)
    stage.settle_down()
    after, log_after = used(stage), webhooks.wal_position(stage.sql)
    hub, postgres = after.hub - before.hub, after.postgres - before.postgres
    return Edited(1000 * hub, 1000 * postgres, log_after - log_before)


def _tell(stage: Stage, messages: Iterator[Message] | list[Message], until: str) -> None:
    webhooks.store_messages(stage.url, iter(messages), lambda: None)
    stage.wait_for_done(until, 1, _WAIT_SECONDS)
    stage.settle_down()


def _order(size: int) -> Order:
    return Order(
        id=str(size),
        number=f"B{size}",
        placed_at=_PLACED_AT,
        currency="USD",
        lines=tuple(_line(at, 2) for at in range(size)),
        total=usd((_PRICE + _TAX) * 2 * size),
        ship_to=Address(name="Archer Ltd", street=("12 Harbour Street",), city="Portland", country="US"),
        payment="paid",
    )


def _line(at: int, units: int) -> OrderLine:
    tax = Tax(title="Tax", rate="0.1", amount=usd(_TAX * units))
    return OrderLine(
        id=f"{at:05}", sku=f"SKU-{at:05}", title=f"Article {at}", ordered=units, unit_price=usd(_PRICE), taxes=(tax,)
    )


def _left_and_paid(entity: str, order: Order) -> Iterator[Message]:
    left_at = order.placed_at + timedelta(days=1)
    lines = tuple(ShipmentLine(line=line.id, sku=line.sku, units=1) for line in order.lines)
    parcel = Shipment(id=f"s{order.id}", reference=entity, location="MAIN", lines=lines, shipped_at=left_at)
    yield told("warehouse", entity, "shipment", parcel, parcel.id)
    card = PaymentAuthorization(
        id="pi", tender="card", authorised=order.total, status="captured", authorised_at=_PLACED_AT
    )
    yield told("payments", entity, "payment", card, card.id)
    charge = Capture(id="ch", payment=card.id, tender="card", amount=order.total, captured_at=_PLACED_AT)
    yield told("payments", entity, "capture", charge, charge.id)
