"""New goods for what comes back: when they may leave, what is still to be paid for them, and what becomes of it otherwise.

Once released they are lines of the order like any other: a further sale bills them, the warehouse ships them, and they can be
returned again. What they cost is set against what came back (`books.exchanges`); nothing is refunded for that part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from crossdock.books.entitlements import ORDER, SURPLUS, entitlements, settled_in_all
from crossdock.books.exchanges import counted, counting, lent, price_of
from crossdock.books.pricing import share_of
from crossdock.books.record import Exchanged, Record
from crossdock.books.tenders import capturable
from crossdock.books.worth import to_cover
from crossdock.canonical.order import Order, OrderLine, SalesOrder
from crossdock.canonical.returns import Return
from crossdock.canonical.shipment import Shipment, ShipmentLines, ShipmentOrder
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Obligation, Trouble, Wait
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms, terms_at

_LET_GO_BY = ("return", "payment", "capture", "approval")


def with_new_goods(standing: Standing, record: Record, policy: Policy) -> Record:
    """The record with every exchange in it; the new goods that may leave stand among the order's lines."""
    facts = _exchanges(standing)
    if not facts:
        return record
    gone, told = _left(record), _told_of(standing)
    agreed = [_wanted(standing, record, fact, policy, gone, told) for fact in facts]
    sold = SALE in standing.sealed
    counts = counting(_ordering(record, agreed, sold=sold))
    held = [each if each.cause in counts else _only_left(each, gone) for each in agreed]
    record = _ordering(record, held, sold=sold)
    found, short = {each.cause: each for each in entitlements(record).exchanges}, dict(_short(record, policy))
    there = counted(record)

    def may_leave(fact: Fact) -> bool:
        terms, exchange = _terms(fact, policy), found[fact.id]
        if terms.exchange_ships == "received" and (fact.id not in there or exchange.advanced):
            return False
        owed = terms.exchange_dearer == "owed" and exchange.taken > 0
        return owed or short[fact.id] <= policy.tolerance_minor

    lets = {fact.id: may_leave(fact) for fact in facts}
    released = [replace(each, released=each.released or lets[each.cause]) for each in held]
    return _ordering(record, released, sold=sold)


def with_goods_of(standing: Standing, order_fact: Fact, record: Record) -> Fact:
    """The order with its new goods, changed when what lets them leave was learned: a return, a payment, a word of people."""
    if not record.exchanges:
        return order_fact
    changed_at = max(fact.changed_at for fact in (order_fact, *(f for f in standing.facts if f.kind in _LET_GO_BY)))
    return replace(order_fact, body=record.order, changed_at=changed_at)


def _exchanges(standing: Standing) -> list[Fact]:
    return [fact for fact in standing.of("return") if fact.body.settle_by == "exchange" and fact.body.replacements]


def _terms(fact: Fact, policy: Policy) -> ReturnTerms:
    return terms_at(policy.returns, fact.body.returned_at)


def _left(record: Record) -> Counter[str]:
    units: Counter[str] = Counter()
    for each in record.shipments:
        for line in each.lines:
            units[line.line] += line.units
    return units


def _told_of(standing: Standing) -> set[str]:
    """The lines that an ERP or a warehouse was asked for: what was let go once is not held back again."""
    told: set[str] = set()
    for sealed in standing.sealed.values():
        match sealed.body:
            case SalesOrder(order=order):
                told.update(line.id for line in order.lines)
            case ShipmentOrder(lines=lines) | ShipmentLines(lines=lines):
                told.update(line.line for line in lines)
            case _:
                pass
    return told


def _wanted(
    standing: Standing, record: Record, fact: Fact, policy: Policy, gone: Counter[str], told: set[str]
) -> Exchanged:
    """As many of the new goods as are to leave, were what they replace to come back."""
    body: Return = fact.body
    agreed = tuple(_line(each.line, body) for each in body.replacements)
    stands = body.status in ("authorised", "closed") and standing.as_of < _given_up_at(fact, policy)
    deliverable = record.order.ship_to is not None and record.order.cancelled_at is None
    given_up = {line.id: each.given_up for line, each in zip(agreed, body.replacements, strict=True)}
    released = any(line.id in told or gone[line.id] for line in agreed)
    wanted = Exchanged(fact.id, agreed, agreed, released)
    if not (stands and deliverable):
        return _only_left(wanted, gone)
    lines = (share_of(line, max(line.ordered - given_up[line.id], gone[line.id], 0)) for line in agreed)
    return replace(wanted, lines=tuple(lines))


def _line(line: OrderLine, of: Return) -> OrderLine:
    return msgspec.structs.replace(line, replaces=of.id)


def _given_up_at(fact: Fact, policy: Policy) -> datetime:
    return fact.body.returned_at + timedelta(days=_terms(fact, policy).exchange_days)


def _only_left(exchange: Exchanged, gone: Counter[str]) -> Exchanged:
    return replace(exchange, lines=tuple(share_of(line, gone[line.id]) for line in exchange.agreed))


def _ordering(record: Record, exchanges: Sequence[Exchanged], *, sold: bool) -> Record:
    """The order with the new goods that may leave; a sale that is still to be made holds them, too."""
    own = tuple(line for line in record.order.lines if not line.replaces)
    new = tuple(line for each in exchanges if each.released for line in each.lines)
    was = price_of(record, (line for line in record.order.lines if line.replaces))
    total: AnyMoney = Money(record.order.total.minor - was + price_of(record, new), record.order.total.currency)
    order = msgspec.structs.replace(record.order, lines=(*own, *new), total=total)
    return replace(record, order=order, sold=record.sold if sold else (order,), exchanges=tuple(exchanges))


def _short(record: Record, policy: Policy) -> Iterator[tuple[str, int]]:
    """By exchange, minor units that nobody has paid yet, nor holds for us."""
    found = entitlements(record)
    missing = _uncovered(record, policy) if record.capture_when == "shipped" else found.to_collect
    for each in found.exchanges:
        part = min(missing, each.price - each.taken)
        missing -= part
        yield each.cause, part


def _uncovered(record: Record, policy: Policy) -> int:
    """Where the hub takes the money when goods leave: what no payment holds for what is ordered and these."""
    everything = _ordering(record, [replace(each, released=True) for each in record.exchanges], sold=True)
    held = sum(capturable(record, each) for each in record.payments if each.connection == policy.roles.payments)
    return max(to_cover(everything, settled_in_all(record) - lent(everything, left=False)) - held, 0)


# --- what is waited for ------------------------------------------------------------------------------------------------


def owed_for_exchanges(standing: Standing, record: Record, policy: Policy) -> Iterator[Obligation]:
    """What new goods still need before they leave; and who owes what when they have left for nothing."""
    if not record.exchanges:  # what is entitled to is costly to work out, and few orders have any
        return
    facts, short = {fact.id: fact for fact in _exchanges(standing)}, dict(_short(record, policy))
    gone = _left(record)
    for each in record.exchanges:
        fact = facts[each.cause]
        yield from _to_be_paid(standing, record, fact, each, short[each.cause], policy, gone)
        missing = sum(line.ordered - gone[line.id] for line in each.lines)
        if missing > 0:
            yield Wait(
                name=f"new_goods:{fact.id}",
                on=(policy.roles.warehouse if each.released else None) or standing.source,
                what=f"{missing} unit{'' if missing == 1 else 's'} to leave in exchange for return {_name(fact)}",
                until=_given_up_at(fact, policy),
            )


def _to_be_paid(
    standing: Standing, record: Record, fact: Fact, each: Exchanged, short: int, policy: Policy, gone: Counter[str]
) -> Iterator[Obligation]:
    if short <= policy.tolerance_minor or (each.released and record.capture_when == "shipped"):
        return
    amount: AnyMoney = Money(short, record.currency)
    yield Wait(
        name=f"difference:{fact.id}",
        on=standing.source,
        what=f"to collect {amount} for the new goods of return {_name(fact)}",
        until=due(fact.changed_at, policy.deadlines.payment_minutes),
    )
    back = next((mine for mine in record.returns if mine.cause == each.cause), None)
    if any(gone[line.id] for line in each.lines) and back is not None and not back.awaited:
        yield Trouble(
            cause=f"new_goods_unpaid:{standing.entity}:{fact.body.id}",
            title="New goods left in exchange, and what pays for them has not come",
            remedy="Have the buyer pay them or send back what they replace, or grant an allowance for the amount.",
            detail=f"order {record.order.number}: {amount} for return {_name(fact)}",
        )


def _name(fact: Fact) -> str:
    return fact.body.number or fact.body.id


def still_leaving(standing: Standing, record: Record, cause: str) -> int:
    """Units of new goods that were given up, and of which the warehouse hasn't said yet that they stay.

    What was paid for dearer ones comes back as the order's own money, whichever exchange it was for.
    """
    of = [each for each in record.exchanges if each.cause == cause or cause in (ORDER, SURPLUS)]
    return sum(_leaving(standing, each) for each in of)


def _leaving(standing: Standing, exchange: Exchanged) -> int:
    there = _at_warehouse(standing, exchange)
    return sum(max(there[line.id] - line.ordered, 0) for line in exchange.lines)


def _at_warehouse(standing: Standing, exchange: Exchanged) -> Counter[str]:
    """What it is to send as far as we know: as it said last; all that was agreed on, while it has not answered at all."""
    told = standing.sealed.get("shipment_lines") or standing.sealed.get("shipment_order")
    if told is None:
        return Counter()
    if told.held is None and isinstance(told.body, ShipmentLines):
        named = {line.line for line in told.body.lines}
        return Counter({line.id: line.ordered for line in exchange.agreed if line.id in named})
    body = told.body if told.held is None else told.held
    return Counter({line.line: line.units for line in body.lines})


def with_agreed(order: Order, returns: Sequence[Return], parcels: Iterable[Shipment]) -> Order:
    """The order as people see it who take returns: with the new goods that left, or are to, in exchange."""
    left: Counter[str] = Counter()
    for line in (line for parcel in parcels for line in parcel.lines):
        left[line.line] += line.units
    new = tuple(
        msgspec.structs.replace(share_of(each.line, units), replaces=held.id)
        for held in returns
        for each in held.replacements
        if (units := max(left[each.line.id], 0 if held.status == "cancelled" else each.line.ordered - each.given_up))
    )
    return msgspec.structs.replace(order, lines=(*order.lines, *new)) if new else order
