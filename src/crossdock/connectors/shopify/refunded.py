"""What an order line still counts as ordered once units of it were refunded: a return lowers nothing, a cancellation does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from crossdock.canonical.order import OrderLine
from crossdock.connect.documents import Untranslatable
from crossdock.connectors.shopify.money_facts import key_in

Restock = Literal["return", "no_restock", "cancel", "legacy_restock"]
_UNSAID = ("no_restock", "legacy_restock")


@dataclass(frozen=True, slots=True)
class Back:
    """Refunded units by line: those that came back, and those of which Shopify doesn't say whether they had ever left."""

    returned: Counter[str] = field(default_factory=Counter[str])
    unsaid: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])
    """Units in parcels that stand, and no fewer than we wrote down as brought back; needed for what is unsaid only."""

    def ordered(self, line: str, current: int, to_leave: int) -> int:
        """Units as last edited or cancelled.

        Shopify's current count leaves out every refunded unit. Returned ones are added again. What was refunded without
        restocking may have been sent (damaged, kept by the buyer) or not (cancelled): what left and what is to leave tells.
        """
        least = current + self.returned[line]
        unsaid = self.unsaid[line]
        return least if not unsaid else min(max(self.left[line] + to_leave, least), least + unsaid)


NOTHING = Back()


def back_of(refunded: Iterable[tuple[str, str, int, str | None]], parcels: Callable[[], Counter[str]]) -> Back:
    """Counted from (line, restock type, units, note) of every refund; `parcels` is asked only when something is unsaid.

    What we wrote down came back, so it had left, also where the shop knows no more of the parcel: taken for never sent, it
    would be paid back once more.
    """
    returned, unsaid, ours = Counter[str](), Counter[str](), Counter[str]()
    for line, restock, units, note in refunded:
        if restock == "return":
            returned[line] += units
        elif restock in _UNSAID:
            unsaid[line] += units
            ours[line] += units if key_in(note) else 0
    return Back(returned, unsaid, parcels() | ours if unsaid else Counter[str]())


def counted(make: Callable[[int], OrderLine], current: int, units: int, *, included: bool) -> tuple[OrderLine, int]:
    """The line with the units it counts, and by how many minor units that is more than its current ones come to."""
    made = make(units)
    if units == current:
        return made, 0
    return made, _worth(made, included=included) - _worth(make(current), included=included)


def _worth(line: OrderLine, *, included: bool) -> int:
    taxes = 0 if included else sum(tax.amount.minor for tax in line.taxes)
    worth = line.unit_price.minor * line.ordered - (line.discount.minor if line.discount else 0) + taxes
    if abs(worth) >= 2**63:
        raise Untranslatable(f"line {line.id} comes to {worth} minor units")
    return worth
