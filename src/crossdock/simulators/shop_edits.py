"""What support changes on an order after it was placed, with the webhooks Shopify sends of it."""

from __future__ import annotations

from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_packing import expect, set_units
from crossdock.simulators.shop_prices import tax_again
from crossdock.simulators.shop_refunds import LineToRefund, Refunds, Wanted, payments_for
from crossdock.simulators.shop_state import Line, NotPossible, Order, totals
from crossdock.simulators.shop_webhooks import edit_body


class Edits(Refunds):
    """Edits and cancellations; each tells `orders/edited` or `orders/cancelled`, and then `orders/updated`."""

    def edit_order(
        self, order: int, quantities: dict[int, int] | None = None, add: list[Bought] | None = None
    ) -> Order:
        """Set the current units of lines, by line id, and add lines; units that left already can't be taken off."""
        found = self._order(order)
        added, removed = dict[int, int](), dict[int, int]()
        for number, units in (quantities or {}).items():
            delta = set_units(self.world, found, found.line(number), units, self.now())
            (added if delta > 0 else removed)[number] = abs(delta)
        for bought in add or []:
            line = self._line(bought)
            found.lines.append(line)
            expect(self.world, found, line, line.quantity, self.now())
            added[line.id] = line.quantity
        return self._edited(found, added, removed)

    def add_line(
        self, order: int, sku: str, quantity: int = 1, tax_rate: str = "0", tax_title: str = "Sales tax"
    ) -> Order:
        """A further line, taxed at that rate."""
        found = self._order(order)
        line = self._line(Bought(sku, quantity), tax_rate, tax_title, included=found.taxes_included)
        found.lines.append(line)
        expect(self.world, found, line, quantity, self.now())
        return self._edited(found, {line.id: quantity}, {})

    def remove_line(self, order: int, line: int) -> Order:
        """All of a line that has not left yet."""
        found = self._order(order)
        return self.edit_order(order, {line: found.fulfilled(line) - found.returned(line)})

    def set_quantity(self, order: int, line: int, quantity: int) -> Order:
        """So many units as the order is to hold now."""
        return self.edit_order(order, {line: quantity})

    def change_price(self, order: int, line: int, price: str) -> Order:
        """A lower price for each unit, which an edit can only give as a discount on the line."""
        found = self._order(order)
        changed, less = found.line(line), found.line(line).price - self._minor(price)
        if less < 0:
            raise NotPossible("an edit can't raise the price of a line: add another line")
        return self._discounted(found, [(changed, less * changed.quantity)])

    def add_discount(self, order: int, amount: str) -> Order:
        """An amount off the whole order, spread over its lines by value."""
        found = self._order(order)
        return self._discounted(found, self._spread(found.lines, self._minor(amount)))

    def cancel_order(
        self,
        order: int,
        reason: str = "customer",
        refund: bool | None = None,
        by: str = "hand",
        staff_note: str | None = None,
        told_customer: bool = False,
    ) -> Order:
        """Cancel what hasn't left. The shop pays back what it holds, unless an outside provider took it."""
        found = self._order(order)
        refund = not found.manual_gateway if refund is None else refund
        paid = found.financial_status in ("paid", "partially_refunded")
        unsent = [LineToRefund(line, self._unsent(found, line), "cancel") for line in found.lines]
        unsent = [each for each in unsent if each.units]
        shipping = 0 if found.fulfilments else sum(each.discounted for each in found.shipping_lines)
        wanted = Wanted(unsent, shipping - found.shipping_refunded if shipping else 0)
        due = min(self.worth(found, wanted), found.captured - found.given_back) if refund and paid else 0
        event = self._event()
        found.cancelled_at = found.updated_at = self.now()
        found.cancel_reason, found.staff_note = reason, staff_note
        if not paid:
            found.financial_status = "voided"
        self.ledger.append("order_cancelled", str(order), by=by, staff_note=staff_note, told_customer=told_customer)
        if due:
            self.refund(found, Wanted(unsent, wanted.shipping, payments_for(found, due)), event=event)
        else:
            for line in found.lines:
                set_units(self.world, found, line, line.current - self._unsent(found, line), self.now())
            self._tell_order("orders/updated", found, event)
        self._tell_order("orders/cancelled", found, event)
        return found

    @staticmethod
    def _unsent(order: Order, line: Line) -> int:
        return line.current - (order.fulfilled(line.id) - order.returned(line.id))

    def _discounted(self, order: Order, parts: list[tuple[Line, int]]) -> Order:
        if any(sum(line.discounts) + minor > line.price * line.quantity for line, minor in parts):
            raise NotPossible("more off a line than it costs")
        for line, minor in parts:
            line.discounts = [sum(line.discounts) + minor]
            tax_again(line, included=order.taxes_included)
        self.ledger.append("discounted", str(order.id), lines={str(line.id): minor for line, minor in parts})
        return self._edited(order, {}, {})

    def _edited(self, order: Order, added: dict[int, int], removed: dict[int, int]) -> Order:
        order.updated_at = self.now()
        if order.financial_status == "paid" and totals(order, current=True).total > order.captured - order.given_back:
            order.financial_status = "partially_paid" if order.captured else "pending"
        self.ledger.append("order_edited", str(order.id), added=added, removed=removed)
        event = self._event()
        edit = edit_body(self.world.next_id("OrderEdit"), order, added, removed)
        self._tell_webhook("orders/edited", edit, event)
        self._tell_order("orders/updated", order, event)
        return order
