"""What was sent to a subscriber and what its receiver answered, and an event to try it with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crossdock.gateway.cursors import cursor, position_of
from crossdock.gateway.feed import CloudEvent, FactTold
from crossdock.gateway.problems import conflicting, unknown
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.gateway.subscribing import seen
from crossdock.kernel.ids import new_id
from crossdock.store import settling, subscriptions
from crossdock.store.events import Position
from crossdock.store.subscriptions import TEST_TYPE, Notice

State = Literal["waiting", "delivered", "given_up"]
_OUTCOMES = {"delivered": ("delivered",), "given_up": ("given up",)}


class DeliveriesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries."""

    state: State = "waiting"
    """Those on their way, in their order; or those that were taken or given up, the latest first."""
    after: Annotated[str, Meta(max_length=500)] = ""
    """The `next` of an earlier answer."""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class AttemptTold(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, and what was answered."""

    at: Moment
    outcome: str
    """delivered, refused, unreachable, gone or given up"""
    status: int | None
    answer: str
    """The beginning of what was answered, or why nothing was."""
    seconds: float


class DeliveryTold(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way, or at its end."""

    event: str
    """The event's id, which `webhook-id` repeats."""
    href: str
    type: str
    subject: str
    state: State
    attempts: int
    next_at: Moment | None
    """When it is sent (again) at the earliest."""
    last: AttemptTold | None


class DeliveriesTold(msgspec.Struct, frozen=True, kw_only=True):
    """A page of deliveries."""

    deliveries: list[DeliveryTold]
    next: str
    """Send it as `after`; empty when there are no more."""


class DeliveryWithAttempts(msgspec.Struct, frozen=True, kw_only=True):
    """One event, and each attempt at it, the first first."""

    delivery: DeliveryTold
    attempts: list[AttemptTold]


async def tell_deliveries(call: Call) -> Reply:
    held, asked = await seen(call), call.query
    bound = f"{call.caller.id}\0{held.id}\0{asked.state}"
    before = position_of(asked.after, bound, call.house.secrets, "after") if asked.after else None
    found = await _page(call, held.id, asked, before)
    more = cursor(_place(found[-1]), bound, call.house.secrets) if len(found) == asked.limit else ""
    return Reply(DeliveriesTold(deliveries=[_told(held.id, each, asked.state) for each in found], next=more))


async def _page(call: Call, id_: str, asked: DeliveriesAsked, before: Position | None) -> list[Notice]:
    if asked.state == "waiting":
        return await subscriptions.on_the_way(call.tx, id_, before.id if before else 0, asked.limit)
    since = (before.at, before.id) if before is not None and before.at is not None else None
    return await subscriptions.ended(call.tx, id_, _OUTCOMES[asked.state], since, asked.limit)


def _place(notice: Notice) -> Position:
    return Position(0, "0", notice.id, notice.at)


async def tell_delivery(call: Call) -> Reply:
    held = await seen(call)
    waiting, attempts = await subscriptions.of_event(call.tx, held.id, call.parts["event"])
    last = attempts[-1] if attempts else None
    shown = waiting or last
    if shown is None:
        raise unknown("nothing is known of this event here (any more); what was sent is kept for some days")
    if waiting is not None and last is not None:
        shown = Notice(*waiting[:6], *last[6:])
    told = _told(held.id, shown, _state(waiting, shown))
    return Reply(DeliveryWithAttempts(delivery=told, attempts=[_attempt(each) for each in attempts]))


async def send_test(call: Call) -> Reply:
    """An event that says nothing, sent like any other."""
    held = await seen(call)
    if held.state != "active":
        raise conflicting(f"it is {held.state}; let it go on first, or nothing is sent")
    id_ = f"test-{new_id()}"
    event = silent_event(id_, held.id, await settling.now(call.tx))
    await subscriptions.add_one(call.tx, held.id, id_, event.subject, msgspec.json.encode(event))
    waiting, _ = await subscriptions.of_event(call.tx, held.id, id_)
    assert waiting is not None
    return Reply(_told(held.id, waiting, "waiting"))


def silent_event(id_: str, subscription: str, at: datetime) -> CloudEvent:
    """The event that says nothing."""
    return CloudEvent(
        specversion="1.0",
        id=id_,
        source="/subscriptions",
        type=TEST_TYPE,
        subject=f"test:{id_}",
        time=at,
        datacontenttype="application/json",
        dataref=f"/v1/subscriptions/{subscription}",
        data=FactTold(fact=f"test:{id_}", kind="test", told_by="the hub", document=id_),
    )


def _state(waiting: Notice | None, shown: Notice) -> State:
    if waiting is not None:
        return "waiting"
    return "delivered" if shown.outcome == "delivered" else "given_up"


def _told(subscription: str, notice: Notice, state: State) -> DeliveryTold:
    return DeliveryTold(
        event=notice.event,
        href=f"/v1/subscriptions/{subscription}/deliveries/{notice.event}",
        type=notice.type,
        subject=notice.entity,
        state=state,
        attempts=notice.attempts,
        next_at=notice.due_at,
        last=None if notice.outcome is None else _attempt(notice),
    )


def _attempt(notice: Notice) -> AttemptTold:
    assert notice.at is not None
    assert notice.outcome is not None
    return AttemptTold(
        at=notice.at,
        outcome=notice.outcome,
        status=notice.status,
        answer=notice.detail or "",
        seconds=notice.seconds or 0.0,
    )
