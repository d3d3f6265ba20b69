"""Returns as a shop keeps them: asked for, approved, looked at when they come in, closed."""

from __future__ import annotations

from typing import Literal

from crossdock.simulators.shop_edits import Edits
from crossdock.simulators.shop_records import Disposed, Return, ReturnedLine
from crossdock.simulators.shop_refund_webhooks import return_body, return_closed_body, return_edited_body
from crossdock.simulators.shop_state import NotPossible, Order


class Returns(Edits):
    """A return has its own life beside the order's: it may be closed without money, and money may go back without one."""

    def request_return(
        self, order: int, lines: dict[int, int], reason: str = "UNWANTED", approved: bool = False
    ) -> Return:
        """A buyer asks to send units back, by line id; a clerk who enters it approves it at once."""
        found = self._order(order)
        for number, units in lines.items():
            free = found.fulfilled(number) - found.returned(number) - _coming_back(found, number)
            if not 1 <= units <= free:
                raise NotPossible(f"{free} units of line {number} can come back, not {units}")
        made = Return(
            id=self.world.next_id("Return"),
            order=order,
            name=f"{found.name}-R{len(found.returns) + 1}",
            status="OPEN" if approved else "REQUESTED",
            created_at=self.now(),
            lines=[
                ReturnedLine(self.world.next_id("ReturnLineItem"), number, units, reason)
                for number, units in lines.items()
            ],
        )
        found.returns.append(made)
        self._tell_return("returns/approve" if approved else "returns/request", found, made)
        return made

    def approve_return(self, return_id: int) -> Return:
        return self._turn(return_id, "REQUESTED", "OPEN", "returns/approve")

    def decline_return(self, return_id: int) -> Return:
        return self._turn(return_id, "REQUESTED", "DECLINED", "returns/decline")

    def cancel_return(self, return_id: int) -> Return:
        return self._turn(return_id, "OPEN", "CANCELED", "returns/cancel")

    def close_return(self, return_id: int) -> Return:
        return self._turn(return_id, "OPEN", "CLOSED", "returns/close")

    def receive_return(
        self,
        return_id: int,
        line: int,
        units: int,
        disposition: Literal["RESTOCKED", "NOT_RESTOCKED", "PROCESSING_REQUIRED", "MISSING"] = "RESTOCKED",
        location: int | None = None,
    ) -> Return:
        """Somebody has looked at units of a return, by order line id. No webhook we read names the return's order then."""
        order, found = self._return(return_id)
        part = next((each for each in found.lines if each.line == line), None)
        left = 0 if part is None else part.units - sum(each.units for each in part.disposed)
        if found.status != "OPEN" or part is None or not 1 <= units <= left:
            raise NotPossible(f"{left} units of line {line} are left to receive on return {return_id}")
        part.disposed.append(Disposed(disposition, units, location or next(iter(self.world.locations))))
        order.updated_at = self.now()
        details = {"line": str(line), "units": units, "disposition": disposition}
        self.ledger.append("return_received", str(order.id), id=str(return_id), **details)
        self._tell_order("orders/updated", order, self._event())
        return found

    def remove_from_return(self, return_id: int, line: int, units: int) -> Return:
        """A clerk takes units off that are not coming after all, by order line id.

        The webhook names no order, and nobody publishes that the order's time of change moves; here it doesn't.
        """
        order, found = self._return(return_id)
        part = next((each for each in found.lines if each.line == line), None)
        left = 0 if part is None else part.units - sum(each.units for each in part.disposed)
        if found.status != "OPEN" or part is None or not 1 <= units <= left:
            raise NotPossible(f"{left} units of line {line} can be taken off return {return_id}")
        part.units -= units
        found.lines = [each for each in found.lines if each.units]
        self.ledger.append("return_edited", str(order.id), id=str(return_id), line=str(line), removed=units)
        self._tell_webhook("returns/update", return_edited_body(found, part, units), self._event())
        return found

    def _turn(self, return_id: int, before: str, after: str, topic: str) -> Return:
        order, found = self._return(return_id)
        if found.status != before:
            raise NotPossible(f"return {return_id} is {found.status}")
        found.status = after
        found.closed_at = self.now() if after == "CLOSED" else None
        self._tell_return(topic, order, found)
        return found

    def _tell_return(self, topic: str, order: Order, told: Return) -> None:
        order.updated_at = self.now()
        lines = {str(part.line): part.units for part in told.lines}
        self.ledger.append(topic.replace("s/", "_"), str(order.id), id=str(told.id), lines=lines)
        event = self._event()
        ended = topic in ("returns/close", "returns/cancel")
        body = return_closed_body(told) if ended else return_body(told)
        self._tell_webhook(topic, body, event)
        self._tell_order("orders/updated", order, event)

    def _return(self, number: int) -> tuple[Order, Return]:
        for order in self.world.orders.values():
            for each in order.returns:
                if each.id == number:
                    return order, each
        raise NotPossible(f"there is no return {number}")


def _coming_back(order: Order, line: int) -> int:
    """Units of returns under way that were not refunded yet."""
    standing = (each for each in order.returns if each.status in ("REQUESTED", "OPEN"))
    return sum(part.units for each in standing for part in each.lines if part.line == line)
