"""Workflows: what belongs to each, and in which time it should be done."""

from __future__ import annotations

from crossdock.promises.policy import Deadlines
from crossdock.store.flow import Limit

# (workflow, names of its promises, the deadline of the policy that it is measured by)
WORKFLOWS = (
    ("Order to ERP", ("sale",), "sale_minutes"),
    ("Order to warehouse", ("shipment_order",), "shipment_order_minutes"),
    ("Order to store", ("pickup_order",), "pickup_order_minutes"),
    ("Parcel to ERP", ("goods_issue",), "goods_issue_minutes"),
    ("Parcel billed", ("invoice",), "invoice_minutes"),
    ("Parcel to shop", ("fulfilment",), "shop_minutes"),
    ("Buyer told", ("parcel_notice", "pickup_notice"), "notice_minutes"),
    ("Refund", ("refund", "store_credit", "pay_back"), "refund_minutes"),
    ("Return credited", ("credit_memo", "goods_return"), "credit_minutes"),
)


def limits_of(deadlines: Deadlines) -> list[Limit]:
    return [Limit(name, title, getattr(deadlines, key)) for title, names, key in WORKFLOWS for name in names]
