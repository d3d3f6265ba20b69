"""What a simulated shop writes down about an order's money and about goods that come back. Amounts in minor units."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Transaction:
    """Money asked for, taken or given back; `authorization` is the payment provider's own id of it."""

    id: int
    kind: str
    status: str
    gateway: str
    minor: int
    created_at: datetime
    parent: int | None = None
    authorization: str | None = None
    manual: bool = False

    @property
    def succeeded(self) -> bool:
        return self.status == "success"


@dataclass
class RefundedLine:
    id: int
    line: int
    units: int
    restock: str
    location: int | None
    subtotal: int
    tax: int
    left: int
    """How many of the units had left the shop before."""


@dataclass
class Refund:
    id: int
    order: int
    created_at: datetime
    note: str | None
    lines: list[RefundedLine]
    shipping: int
    shipping_tax: int
    transactions: list[int]
    return_id: int | None = None

    def of_left(self, line: int) -> int:
        return sum(part.left for part in self.lines if part.line == line)


@dataclass
class Disposed:
    """Units of a return somebody has looked at: RESTOCKED, NOT_RESTOCKED, PROCESSING_REQUIRED or MISSING."""

    kind: str
    units: int
    location: int


@dataclass
class ReturnedLine:
    id: int
    line: int
    units: int
    reason: str
    disposed: list[Disposed] = field(default_factory=list["Disposed"])


@dataclass
class Return:
    id: int
    order: int
    name: str
    status: str
    created_at: datetime
    lines: list[ReturnedLine]
    closed_at: datetime | None = None

    @property
    def looked_at(self) -> bool:
        """Somebody has said of every unit what became of it."""
        return all(sum(each.units for each in part.disposed) == part.units for part in self.lines)
