"""What comes back, what is owed for it and how that is told: returns, allowances and the decisions of people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from crossdock.canonical.order import OrderLine, Tax
from crossdock.canonical.payment import Component
from crossdock.kernel.money import AnyMoney

Disposition = Literal["sellable", "damaged", "vendor"]


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Units of one order line: asked for, and received of them; the disposition says what became of the goods.

    Who takes goods back may know only their SKU: `line` is empty then, and the books take the order's lines of that SKU,
    in the order's own sequence, as far as each has units left to return.
    """

    id: str
    sku: str
    line: str = ""
    units: int
    received: int = 0
    disposition: Disposition | None = None
    location: str = ""
    """Where the goods were handed in."""
    keeps_goods: bool = False
    """Refunded without the goods coming back."""
    reason: str = ""


class Replacement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """New goods for what comes back: an order line of its own, priced and taxed for as many units as were agreed on.

    `given_up` of them will not be sent any more, as far as they have not left: out of stock, or not wanted after all.
    """

    line: OrderLine
    given_up: int = 0


class Return(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A return as the place that takes it states it; `settle_by` is what the customer wants for it.

    An exchange with `replacements` is for other goods, which cost what they cost; without any it is for credit.
    """

    id: str
    returned_at: datetime
    lines: tuple[ReturnLine, ...]
    status: Literal["requested", "authorised", "closed", "cancelled"] = "authorised"
    settle_by: Literal["refund", "store_credit", "exchange", "nothing"] = "refund"
    number: str = ""
    """What the customer was told: the RMA or receipt number."""
    channel: str = ""
    """Where it was handed in: store, post, locker."""
    paid_out: AnyMoney | None = None
    """What the place itself paid out for it, where it says so with the return; its refunds are facts of their own."""
    replacements: tuple[Replacement, ...] = ()
    """What the customer gets for it, where it is settled by exchange."""


class Allowance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money given without goods: somebody's decision to be kind."""

    id: str
    amount: AnyMoney
    reason: str
    granted_by: str
    granted_at: datetime
    line: str = ""


class Approval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One person's word on one thing, bound to the digest of its amount, payee and cause."""

    digest: str
    verdict: Literal["approved", "rejected"]
    by: str
    role: str
    decided_at: datetime
    expires_at: datetime
    note: str = ""


class GoodsReturnLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Units that came back, and the location they go to."""

    line: str
    sku: str
    units: int
    location: str
    disposition: Disposition


class GoodsReturn(msgspec.Struct, frozen=True, kw_only=True):
    """The command that makes the ERP receive what came back of a sale, which comes as reference `sale`; moves no money."""

    return_id: str
    number: str
    received_at: datetime
    lines: tuple[GoodsReturnLine, ...]


class BillingLine(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A difference on one line: net and its taxes, all positive; `line` and `sku` are empty for delivery, tips and fees."""

    component: Component
    net: AnyMoney
    line: str = ""
    sku: str = ""
    title: str = ""
    units: int = 0
    """Units it is for; 0 where only the price changed."""
    taxes: tuple[Tax, ...] = ()


class CreditMemo(msgspec.Struct, frozen=True, kw_only=True):
    """The command that posts a credit note for what was billed and is not owed any more; its sale comes as `sale`."""

    number: str
    """The order's number, as people know it."""
    sold_by: str
    currency: str
    memo_date: datetime
    reason: str
    lines: tuple[BillingLine, ...]


class SupplementaryInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """The command that bills what is owed beyond what was billed; its sale comes as reference `sale`."""

    number: str
    sold_by: str
    currency: str
    invoice_date: datetime
    reason: str
    lines: tuple[BillingLine, ...]


class ReturnedUnits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    line: str
    units: int
    restock: Disposition | Literal["none"]


class ReturnRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that shows on the order in its channel what came back and what was paid for it, elsewhere."""

    order: str
    return_id: str
    lines: tuple[ReturnedUnits, ...]
    amount: AnyMoney
    """Given back in all, tax and delivery included; zero where it was settled by other means."""
    shipping: AnyMoney
    """The part of it that is for delivery."""
    note: str = ""


class RefundNotice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command that tells the customer once about money given back."""

    to: str
    name: str
    order_number: str
    amount: AnyMoney
    tender: str
    lines: tuple[tuple[str, int], ...] = ()
    """(title, units)"""
