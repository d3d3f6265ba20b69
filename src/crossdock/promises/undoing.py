"""What corrects an act that was done when its premise is withdrawn: said once for each noun, and every rule is held to it.

The promise named is owed by the rules themselves as soon as the facts are otherwise; nothing is undone by hand-written steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from crossdock.canonical.nouns import COMMANDS
from crossdock.canonical.order import OrderCancellation, SalesOrder
from crossdock.canonical.payment import PaymentCapture, PaymentRefund, PaymentVoid, StoreCredit
from crossdock.canonical.pickup import PickupNotice, PickupOrder
from crossdock.canonical.returns import CreditMemo, GoodsReturn, RefundNotice, ReturnRecord, SupplementaryInvoice
from crossdock.canonical.shipment import Fulfilment, GoodsIssue, InvoicePosting, ParcelNotice, ShipmentOrder

NEVER = "never"
"""The hub doesn't: it is a case, and a person sees to it."""
NOTHING = ""
"""It told somebody what was so then; there is nothing to correct."""

UNDONE_BY: Mapping[type[msgspec.Struct], str] = {
    SalesOrder: "open_units",
    ShipmentOrder: "shipment_lines",
    PickupOrder: "pickup_release",
    GoodsIssue: "goods_return",
    InvoicePosting: "credit_memo",
    SupplementaryInvoice: "credit_memo",
    CreditMemo: "supplementary_invoice",
    Fulfilment: "return_record",
    PaymentCapture: "refund",
    PaymentVoid: NEVER,
    PaymentRefund: NEVER,
    StoreCredit: NEVER,
    GoodsReturn: NEVER,
    ReturnRecord: NEVER,
    OrderCancellation: NEVER,
    ParcelNotice: NOTHING,
    PickupNotice: NOTHING,
    RefundNotice: NOTHING,
}
"""The first word of the correcting promise's name, by the noun of the act."""


def undone_by(noun: str) -> str | None:
    """The same by the noun's name; None for what is no act, for a state is simply made another."""
    return UNDONE_BY.get(COMMANDS[noun]) if noun in COMMANDS else None
