"""What an order makes us owe before anything has left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from crossdock.books.record import Record
from crossdock.books.units import units_to_leave
from crossdock.canonical.order import ErpAddress, Order, OrderReference, SalesOrder
from crossdock.canonical.shipment import ShipmentLine, ShipmentOrder, ShipTo
from crossdock.kernel.money import AnyMoney, Money, total
from crossdock.promises.billing import owed_corrections
from crossdock.promises.captures import owed_captures
from crossdock.promises.changes import order_record, owed_at_warehouse, owed_for_changes
from crossdock.promises.exchanges import owed_for_exchanges, with_goods_of
from crossdock.promises.held import troubles_with_unsold, troubles_with_what_is_held
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Act, Kept, Obligation, Priority, State, Trouble, Wait
from crossdock.promises.picked import PICKUP_ORDER, as_fetched, is_fetched
from crossdock.promises.pickups import owed_for_pickup
from crossdock.promises.policy import Policy, due
from crossdock.promises.reads import owed_reads
from crossdock.promises.recognition import invoiced_by, owed_for_sales, pinned
from crossdock.promises.refunds import money_going_back, owed_refunds
from crossdock.promises.returns import owed_for_returns
from crossdock.promises.shipments import owed_for_shipments
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.taken_back import owed_for_taken_back
from crossdock.promises.unheard import owed_for_unheard
from crossdock.promises.unordered import owed_for_unordered
from crossdock.promises.vanished import owed_for_vanished

SHIPMENT_ORDER = "shipment_order"
_MONEY = ("payment", "capture", "refund", "dispute", "allowance")


def owed_for_order(standing: Standing, policy: Policy) -> Iterator[Obligation]:
    """Everything an order makes us owe, in the order it becomes due."""
    stated = standing.one("order")
    yield from owed_reads(standing, "order", policy)
    if stated is None:
        yield from owed_for_vanished(standing, policy)
        return
    if policy.orders_from is not None and stated.body.placed_at < policy.orders_from:
        return
    standing, order_fact = as_fetched(standing, stated)
    order: Order = order_fact.body
    erp = standing.pins.get("erp", policy.roles.erp)
    record = order_record(standing, order, policy)
    order_fact = with_goods_of(standing, order_fact, record)
    order = record.order
    yield from _other_currencies(standing, record)
    if erp is not None and _to_be_sold(standing, order, policy):
        yield from _sale(standing, order_fact, record, policy, erp)
        yield from owed_for_changes(standing, order_fact, record, policy, erp)
        yield from owed_for_sales(standing, order_fact, record, policy, erp)
        yield from troubles_with_what_is_held(standing, policy, erp)
    elif erp is not None and order.cancelled_at is not None:
        yield from troubles_with_unsold(standing, erp)
    if _to_be_shipped(standing, order, policy):
        yield from _shipment_order(standing, order_fact, record, policy, erp)
        yield from owed_at_warehouse(standing, order_fact, record, policy, erp)
    if PICKUP_ORDER in standing.sealed or _to_be_sold(standing, stated.body, policy):
        yield from owed_for_pickup(standing, stated, record, policy, erp)
    yield from owed_for_shipments(standing, order_fact, record, policy, erp)
    yield from _parcels_expected(standing, order_fact, record, policy)
    yield from owed_for_unordered(standing, record, policy)
    yield from owed_for_unheard(standing, order_fact, record, policy)
    yield from owed_for_exchanges(standing, record, policy)
    refunds = list(owed_refunds(standing, order_fact, record, policy))
    yield from owed_for_returns(standing, record, policy, erp, money_going_back(refunds))
    yield from owed_for_taken_back(standing, record)
    if erp is not None and _to_be_sold(standing, order, policy):
        yield from owed_corrections(standing, order_fact, record, policy, erp)
    yield from owed_captures(standing, order_fact, record, policy)
    yield from refunds


def _sale(standing: Standing, fact: Fact, record: Record, policy: Policy, erp: str) -> Iterator[Obligation]:
    """One sale in the ERP, under the buyer's account there; the channel is told its number."""
    order: Order = fact.body
    account = {"party": Kept(order.customer, f"party_account@{erp}")} if order.customer else {}
    yield Act(
        name=SALE,
        to=erp,
        body=SalesOrder(order=order, sold_by=standing.source, invoice=invoiced_by(record)),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.sale_minutes),
        priority=Priority.ORDERS,
        document="sale",
        needs=account,
        pins={"erp": erp, "tax": str(_tax(order)), **pinned(record)},
    )
    if policy.tell_shop_erp_number and standing.shows(OrderReference):
        yield State(
            name="order_reference",
            to=standing.source,
            body=OrderReference(order=order.id),
            cause=fact,
            by=due(fact.recorded_at, policy.deadlines.shop_minutes),
            priority=Priority.NOTICES,
            needs={"sale": Kept(standing.entity, SALE)},
        )
    sold = standing.sealed.get(SALE)
    moved = sold and (sold.content.order.ship_to != order.ship_to or "erp_address" in standing.sealed)
    if order.ship_to and moved and units_to_leave(record):
        yield State(
            name="erp_address",
            to=erp,
            body=ErpAddress(ship_to=order.ship_to),
            cause=fact,
            by=due(standing.as_of, policy.deadlines.goods_issue_minutes),
            priority=Priority.ORDERS,
            document="sale",
            needs={"sale": Kept(standing.entity, SALE)},
        )


def _shipment_order(
    standing: Standing, fact: Fact, record: Record, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """The warehouse is asked once to ship; later it is kept in step with the address."""
    order: Order = fact.body
    warehouse = standing.pins.get("warehouse", policy.roles.warehouse)
    lines = _to_ship(order)
    if warehouse is None or order.ship_to is None or not lines:
        return
    yield Act(
        name=SHIPMENT_ORDER,
        to=warehouse,
        body=ShipmentOrder(reference=standing.entity, number=order.number, ship_to=order.ship_to, lines=lines),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.shipment_order_minutes),
        priority=Priority.ORDERS,
        document="shipment_order",
        needs={"sale": Kept(standing.entity, SALE)} if erp else {},
        pins={"warehouse": warehouse},
    )
    asked = standing.sealed.get(SHIPMENT_ORDER)
    moved = asked and (asked.content.ship_to != order.ship_to or "ship_to" in standing.sealed)
    if moved and units_to_leave(record):
        yield State(
            name="ship_to",
            to=warehouse,
            body=ShipTo(reference=standing.entity, address=order.ship_to),
            cause=fact,
            by=due(standing.as_of, policy.deadlines.shipment_order_minutes),
            priority=Priority.ORDERS,
            document="shipment_order",
            needs={"shipment_order": Kept(standing.entity, SHIPMENT_ORDER)},
        )


def _parcels_expected(standing: Standing, fact: Fact, record: Record, policy: Policy) -> Iterator[Obligation]:
    """An order is not done before all of it has left; until then we wait for the warehouse."""
    order = record.order
    warehouse = standing.pins.get("warehouse", policy.roles.warehouse)
    if warehouse is None or order.ship_to is None:
        return
    missing = units_to_leave(replace(record, order=_as_bought(order)))
    if missing > 0 and _to_be_shipped(standing, order, policy):
        yield Wait(
            name="parcels",
            on=warehouse,
            what=f"{missing} unit{'' if missing == 1 else 's'} to leave",
            until=due(order.placed_at, policy.deadlines.parcels_minutes),
        )


def _other_currencies(standing: Standing, record: Record) -> Iterator[Obligation]:
    """Money in another currency than the order's is counted nowhere, so somebody has to look at it."""
    for fact in standing.facts:
        amount = getattr(fact.body, "authorised" if fact.kind == "payment" else "amount", None)
        if fact.kind in _MONEY and isinstance(amount, Money) and amount.currency != record.currency:
            yield Trouble(
                cause=f"other_currency:{fact.connection}:{record.currency}:{amount.currency}",
                title=f"Money in {amount.currency} on orders in {record.currency}",
                remedy=f"Correct the {fact.kind} at {fact.connection}, or bind it to the order it belongs to.",
                detail=f"order {record.order.number}: {fact.kind} {fact.id} over {amount}",
            )


def _to_ship(order: Order) -> tuple[ShipmentLine, ...]:
    return tuple(
        ShipmentLine(line=line.id, sku=line.sku, units=line.ordered)
        for line in order.lines
        if line.ships and line.ordered > 0
    )


def _to_be_sold(standing: Standing, order: Order, policy: Policy) -> bool:
    if SALE in standing.sealed:
        return True
    # What is fetched is paid for when it is handed over: authorised is all it will ever be before.
    paid = order.payment == "paid" or (order.pickup_at and order.payment == "authorised")
    return order.cancelled_at is None and (policy.sell_when == "placed" or bool(paid))


def _to_be_shipped(standing: Standing, order: Order, policy: Policy) -> bool:
    if SHIPMENT_ORDER in standing.sealed:
        return True
    to_be_fetched = is_fetched(standing, order)
    return not to_be_fetched and order.cancelled_at is None and _to_be_sold(standing, order, policy)


def _as_bought(order: Order) -> Order:
    """Without new goods in exchange, which have a time of their own to leave in."""
    return msgspec.structs.replace(order, lines=tuple(line for line in order.lines if not line.replaces))


def _tax(order: Order) -> AnyMoney:
    goods = [tax.amount for line in order.lines for tax in line.taxes]
    delivery = [tax.amount for charge in order.shipping for tax in charge.taxes]
    return total(goods + delivery, order.currency)
