"""Money and goods given back in the shop: refunds, by a clerk or over the API, and store credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crossdock.simulators.shop_actions import Trading
from crossdock.simulators.shop_packing import close_shipped, expect_fewer
from crossdock.simulators.shop_records import Refund, RefundedLine, Transaction
from crossdock.simulators.shop_refund_webhooks import refund_body
from crossdock.simulators.shop_state import Line, NotPossible, Order

STORE_CREDIT = "shopify_store_credit"
Restock = Literal["return", "no_restock", "cancel"]


@dataclass(frozen=True)
class LineToRefund:
    line: Line
    units: int
    restock: str
    location: int | None = None


@dataclass(frozen=True)
class Pay:
    """Money of a refund: back on a payment, or as store credit where there is no parent."""

    minor: int
    gateway: str
    parent: int | None


@dataclass(frozen=True)
class Wanted:
    """A refund as somebody asks for it."""

    lines: Sequence[LineToRefund] = ()
    shipping: int = 0
    payments: Sequence[Pay] = ()
    note: str | None = None
    return_id: int | None = None
    by: str = "hand"
    told_customer: bool = False
    over_refunding: bool = False


class Refunds(Trading):
    """Refunds lower what an order holds now; `quantity` still counts every unit ever ordered."""

    def refund_by_hand(
        self,
        order: int,
        lines: dict[int, int] | None = None,
        restock: Restock = "return",
        shipping: str = "0",
        amount: str | None = None,
        note: str | None = None,
    ) -> Refund:
        """A clerk refunds units by line id; the amount is what they and the shipping come to, unless one is given."""
        found = self._order(order)
        parts = [LineToRefund(found.line(number), units, restock) for number, units in (lines or {}).items()]
        wanted = Wanted(parts, self._minor(shipping), note=note)
        due = self.worth(found, wanted) if amount is None else self._minor(amount)
        return self.refund(found, Wanted(parts, wanted.shipping, payments_for(found, due), note))

    def cancel_units(self, order: int, line: int, units: int, refund: bool | None = None) -> Refund:
        """A clerk cancels units that have not left; the shop pays them back unless an outside provider took the money."""
        found = self._order(order)
        refund = not found.manual_gateway if refund is None else refund
        wanted = Wanted([LineToRefund(found.line(line), units, "cancel")])
        due = min(self.worth(found, wanted), found.captured - found.given_back) if refund else 0
        return self.refund(found, Wanted(wanted.lines, payments=payments_for(found, due)))

    def worth(self, order: Order, wanted: Wanted) -> int:
        """What the refunded units and the shipping come to, with tax."""
        added = 0 if order.taxes_included else 1
        goods = sum(_subtotal(each) + added * _tax(each) for each in wanted.lines)
        return goods + wanted.shipping + added * _shipping_tax(order, wanted.shipping)

    def refund(self, order: Order, wanted: Wanted, *, event: str | None = None) -> Refund:
        """Make the refund, or raise `NotPossible` and do nothing."""
        _check_lines(order, wanted.lines)
        _check_money(order, wanted)
        event = event or self._event()
        paid = [self._pay_back(order, each, event) for each in wanted.payments]
        made = Refund(
            id=self.world.next_id("Refund"),
            order=order.id,
            created_at=self.now(),
            note=wanted.note,
            lines=[self._refunded(order, each) for each in wanted.lines],
            shipping=wanted.shipping,
            shipping_tax=_shipping_tax(order, wanted.shipping),
            transactions=[each.id for each in paid],
            return_id=wanted.return_id,
        )
        order.refunds.append(made)
        order.updated_at = self.now()
        if paid:
            order.financial_status = "refunded" if order.given_back >= order.captured else "partially_refunded"
        close_shipped(order, self.now())
        self._write_down(order, made, wanted, paid)
        self._tell_webhook("refunds/create", refund_body(made, order), event)
        self._tell_order("orders/updated", order, event)
        return made

    def _write_down(self, order: Order, made: Refund, wanted: Wanted, paid: Sequence[Transaction]) -> None:
        self.ledger.append(
            "refund_created",
            str(order.id),
            id=str(made.id),
            lines=[{"line": str(part.line), "units": part.units, "restock": part.restock} for part in made.lines],
            shipping=made.shipping,
            amount=sum(each.minor for each in paid),
            note=made.note,
            by=wanted.by,
            told_customer=wanted.told_customer,
        )

    def _pay_back(self, order: Order, asked: Pay, event: str) -> Transaction:
        if asked.gateway == STORE_CREDIT:
            assert order.customer is not None
            self.world.store_credit[order.customer] += asked.minor
            self.ledger.append("store_credit_issued", str(order.customer), order=str(order.id), amount=asked.minor)
        return self.transact(order, "refund", asked.minor, event, parent=asked.parent, gateway=asked.gateway)

    def _refunded(self, order: Order, asked: LineToRefund) -> RefundedLine:
        """Without a word on restocking, units that have left go first."""
        line, subtotal, tax = asked.line, _subtotal(asked), _tax(asked)
        left = 0 if asked.restock == "cancel" else min(asked.units, max(0, _with_buyer(order, line)))
        line.current -= asked.units
        expect_fewer(order, line, asked.units - left)
        number = self.world.next_id("RefundLineItem")
        return RefundedLine(number, line.id, asked.units, asked.restock, asked.location, subtotal, tax, left)


def payments_for(order: Order, minor: int) -> list[Pay]:
    """The amount back on the payments it came in on, oldest first."""
    payments, left = list[Pay](), minor
    for taken in order.transactions:
        if left and taken.kind in ("sale", "capture") and taken.succeeded:
            part = min(left, refundable(order, taken))
            left -= part
            payments += [Pay(part, taken.gateway, taken.id)] if part else []
    if left:
        raise NotPossible(f"{left} minor units more than was captured and not given back yet")
    return payments


def refundable(order: Order, taken: Transaction) -> int:
    back = sum(each.minor for each in order.transactions if each.kind == "refund" and each.parent == taken.id)
    return taken.minor - back


def _with_buyer(order: Order, line: Line) -> int:
    return order.fulfilled(line.id) - order.returned(line.id)


def _check_lines(order: Order, lines: Sequence[LineToRefund]) -> None:
    units: dict[int, int] = {}
    for each in lines:
        units[each.line.id] = units.get(each.line.id, 0) + each.units
        if each.units < 1 or units[each.line.id] > each.line.current:
            raise NotPossible(f"Quantity cannot refund more items than were purchased: line {each.line.id}")
        if each.restock == "cancel" and each.units > order.to_ship(each.line.id) and each.line.product.ships:
            raise NotPossible(f"line {each.line.id} has not as many units that are still to leave")
        if each.restock == "return" and each.units > _with_buyer(order, each.line) and each.line.product.ships:
            raise NotPossible(f"line {each.line.id} has not as many units that have left")


def _check_money(order: Order, wanted: Wanted) -> None:
    if wanted.shipping > sum(charge.discounted for charge in order.shipping_lines) - order.shipping_refunded:
        raise NotPossible("Shipping refund is more than was paid for it and not refunded yet")
    for parent in {each.parent for each in wanted.payments}:
        whole = sum(each.minor for each in wanted.payments if each.parent == parent)
        if parent is not None and whole > refundable(order, order.transaction(parent)):
            raise NotPossible("Transactions can't refund more than the payment has left")
    total = sum(each.minor for each in wanted.payments)
    if total > order.captured - order.given_back and not wanted.over_refunding:
        raise NotPossible("Refund amount is greater than net payment received")
    if any(each.gateway == STORE_CREDIT for each in wanted.payments) and order.customer is None:
        raise NotPossible("Store credit needs an order with a customer")


def _subtotal(asked: LineToRefund) -> int:
    return asked.line.worth(asked.line.current) - asked.line.worth(asked.line.current - asked.units)


def _tax(asked: LineToRefund) -> int:
    return asked.line.taxed(asked.line.current) - asked.line.taxed(asked.line.current - asked.units)


def _shipping_tax(order: Order, shipping: int) -> int:
    whole = sum(charge.discounted for charge in order.shipping_lines)
    tax = sum(tax.minor for charge in order.shipping_lines for tax in charge.taxes)
    return round(tax * shipping / whole) if whole else 0
