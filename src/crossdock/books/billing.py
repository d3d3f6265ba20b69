"""What the ERP should have billed for an order and what it has, position by position; only differences are posted."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from crossdock.books.amounts import Amounts, Position, Value, added, less
from crossdock.books.pricing import charges_worth, goods_worth
from crossdock.books.record import Record
from crossdock.books.units import Units, arrived_parcels, billed_units
from crossdock.books.worth import worth_of
from crossdock.canonical.order import Order
from crossdock.canonical.returns import BillingLine, CreditMemo, SupplementaryInvoice


class Difference(NamedTuple):
    """What is still to be posted, all amounts positive; signs never net."""

    to_credit: Amounts
    to_bill: Amounts

    @property
    def size(self) -> int:
        """Minor units, both sides together."""
        return sum(value.gross for side in self for value in side.values())


def to_be_billed(record: Record) -> Amounts:
    """What counts as sold, by the order as it is now, less what was given back and plus what is kept of that."""
    worth = worth_of(record)
    return less(worth.recognised, worth.given_amounts)


def billed(record: Record) -> Amounts:
    """What the ERP bills: each parcel at the prices its sale was sealed with, and every correction since."""
    return added(with_parcels(record), *(corrected(each) for each in record.corrections))


def difference(record: Record) -> Difference:
    """What would make them equal; worked out only where something has left or was given, for most orders are new."""
    happened = record.shipments or record.corrections or record.allowances or record.returns
    if not (happened or record.recognised == "ordered"):
        return Difference({}, {})
    missing = less(to_be_billed(record), billed(record))
    to_bill = {position: value.above_zero() for position, value in missing.items()}
    to_credit = {position: value.negated().above_zero() for position, value in missing.items()}
    return Difference(_something(to_credit), _something(to_bill))


def _something(amounts: Amounts) -> Amounts:
    return {position: value for position, value in amounts.items() if not value.nothing}


def with_parcels(record: Record) -> Amounts:
    """The first units of a line are those of the first sale; delivery and tip come with the first parcel.

    Sales that are invoiced as they are ordered are billed whole, whatever is cancelled of them since.
    """
    if not record.sold:
        return {}
    if record.recognised == "ordered":
        whole = (goods_worth(each, {line.id: line.ordered for line in each.lines}) for each in record.sold)
        return added(*whole, charges_worth(record.sold[0]))
    left = billed_units(record)
    sums = [_of_sale(order, _held(record, nth), left) for nth, order in enumerate(record.sold)]
    parcels = arrived_parcels(record) if record.recognised == "delivered" else record.shipments
    charges = charges_worth(record.sold[0]) if parcels else {}
    return added(*sums, charges)


def _held(record: Record, nth: int) -> Units:
    """What of a sale was not cancelled since."""
    if nth < len(record.held):
        return record.held[nth]
    return {line.id: line.ordered for line in record.sold[nth].lines}


def _of_sale(order: Order, held: Units, left: Counter[str]) -> Amounts:
    """Takes the units it bills out of `left`."""
    units = {line.id: min(held.get(line.id, 0), max(left[line.id], 0)) for line in order.lines}
    left.subtract(units)
    return goods_worth(order, units)


def corrected(correction: CreditMemo | SupplementaryInvoice) -> Amounts:
    """What a correction bills; below zero for a credit memo."""
    amounts = added(*({_position(line): _value(line)} for line in correction.lines))
    return less({}, amounts) if isinstance(correction, CreditMemo) else amounts


def _position(line: BillingLine) -> Position:
    return Position(line.line, line.component, tuple(sorted(tax.rate for tax in line.taxes)))


def _value(line: BillingLine) -> Value:
    """Taxes of one rate keep their order, as they were asked for."""
    return Value(line.net.minor, tuple(tax.amount.minor for tax in sorted(line.taxes, key=lambda tax: tax.rate)))
