"""Cancelling an order in its shop: whole, once, and for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from crossdock.canonical.order import OrderCancellation
from crossdock.connect.connector import Command
from crossdock.connect.effects import Effect, Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.connectors.shopify.graphql import UserError, ask
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import gid
from crossdock.kernel.faults import Rejected, Unknown

# An order can be cancelled once only, and says itself that it is. A request ends within 30 s or not at all; the job behind it
# takes seconds.
ONCE: Sequence[Effect] = [
    Searchable(by="the order's cancelledAt", visible_after=timedelta(seconds=30), max_travel=timedelta(seconds=60))
]
_ASK_AFTER = timedelta(seconds=2)
_NOTE_LENGTH_MAX = 255


class _Order(msgspec.Struct, rename="camel"):
    legacy_resource_id: str
    cancelled_at: str | None


class _Job(msgspec.Struct):
    done: bool
    id: str = ""


class _Known(msgspec.Struct):
    order: _Order | None
    job: _Job | None = None


class _Payload(msgspec.Struct, rename="camel"):
    job: _Job | None
    order_cancel_user_errors: list[UserError]


class _Cancelled(msgspec.Struct, rename="camel"):
    order_cancel: _Payload | None


async def cancel_order(command: Command[OrderCancellation], link: Link[Settings]) -> Outcome:
    """Cancel it and let Shopify tell the buyer; done as well when it is cancelled already."""
    wanted = command.body
    order = (await ask("WhetherCancelled", {"id": gid("Order", wanted.order)}, _Known, link)).order
    if order is None:
        return Rejected(f"the shop has no order {wanted.order}", field="order")
    if order.cancelled_at is not None:
        return Confirmed(id=order.legacy_resource_id)
    variables = {
        "id": gid("Order", wanted.order),
        "reason": "OTHER",
        "refund": {"originalPaymentMethodsRefund": wanted.refund},
        "note": wanted.reason[:_NOTE_LENGTH_MAX],
    }
    payload = (await ask("OrderCancel", variables, _Cancelled, link, safe=False)).order_cancel
    if payload is not None and payload.order_cancel_user_errors:
        return payload.order_cancel_user_errors[0].rejected()
    if payload is None or payload.job is None:
        raise Unknown("Shopify answered neither a job nor an error")
    return await ask_about(command, payload.job.id, link)


async def ask_about(command: Command[OrderCancellation], job: str, link: Link[Settings]) -> Outcome:
    """Whether the job is over, and whether the order is cancelled then."""
    asked = {"id": job, "order": gid("Order", command.body.order)}
    found = await ask("Job", asked, _Known, link)
    if found.order is not None and found.order.cancelled_at is not None:
        return Confirmed(id=found.order.legacy_resource_id)
    if found.job is not None and not found.job.done:
        return Accepted(job=job, ask_after=_ASK_AFTER)
    return Rejected("Shopify's job is over, and the order is not cancelled: look at it in the shop", field="order")


async def find_cancelled(commands: Sequence[Command[OrderCancellation]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The orders that are cancelled, whoever did it: nobody could do it again."""
    found: dict[str, Outcome] = {}
    for command in commands:
        order = (await ask("WhetherCancelled", {"id": gid("Order", command.body.order)}, _Known, link)).order
        if order is not None and order.cancelled_at is not None:
            found[command.key] = Confirmed(id=order.legacy_resource_id)
    return found
