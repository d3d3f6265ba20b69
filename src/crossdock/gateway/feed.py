"""The feed of events: CloudEvents that say what changed and where to read it, and hold no personal data."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crossdock.canonical.nouns import FACTS
from crossdock.gateway.callers import Caller
from crossdock.gateway.cursors import cursor, position_of
from crossdock.gateway.problems import Problem
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.govern.settings import Settings
from crossdock.store import events, settling
from crossdock.store.events import BEGINNING, Event, Position

WHAT = ("recorded", "changed", "gone")
Kind = Annotated[str, Meta(pattern=f"^({'|'.join(FACTS)})$")]


class EventsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    after: Annotated[str, Meta(max_length=500)] = ""
    """The `next` of an earlier answer; without it, the oldest that are kept."""
    kind: Kind | None = None
    """Only facts of this kind."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class FactTold(msgspec.Struct, frozen=True, kw_only=True):
    """Which fact it was: its identity, and the system and document that told it."""

    fact: str
    kind: str
    told_by: str
    document: str


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """CloudEvents 1.0, in JSON."""

    specversion: Literal["1.0"]
    id: str
    """The same however often it is read."""
    source: str
    type: str
    """`crossdock.<kind>.recorded`, `.changed` or `.gone`."""
    subject: str
    """The entity it is about, such as an order's key."""
    time: Moment
    datacontenttype: Literal["application/json"]
    dataref: str
    """Where it can be read how things stand now; empty where the API tells nothing of it."""
    data: FactTold


class EventsTold(msgspec.Struct, frozen=True, kw_only=True):
    """Events in an order that nothing is ever added before."""

    events: list[CloudEvent]
    next: str
    """Send it as `after`, now or next week."""
    more: bool
    """More can be read at once."""


async def tell_events(call: Call) -> Reply:
    asked: EventsAsked = call.query
    bound = f"{call.caller.id}\0{asked.kind or ''}"
    position = position_of(asked.after, bound, call.house.secrets, "after") if asked.after else BEGINNING
    await check_kept(call, position)
    found = await events.after(
        call.tx, position, channels_of(call.caller, call.house.settings), asked.kind or "", limit=asked.limit
    )
    told = EventsTold(
        events=[as_cloud_event(each) for each in found.events],
        next=cursor(found.next, bound, call.house.secrets),
        more=not found.whole,
    )
    return Reply(told)


async def check_kept(call: Call, position: Position) -> None:
    """Nothing is skipped in silence: events past retention are gone, and so are cursors that stand among them."""
    days = call.house.settings.hub.keep_inbox_days
    if position.at is not None and position.at < await settling.now(call.tx) - timedelta(days=days):
        raise Problem(
            "too-old", f"events are kept for {days} days; read how things stand, and begin without `after`", "after"
        )


def channels_of(caller: Caller, settings: Settings) -> list[str] | None:
    """The channels whose events the caller may see; None: all."""
    if caller.tenants is None and not caller.connection:
        return None
    return [name for name in settings.connections if caller.sees(f"order:{name}:", settings)]


def as_cloud_event(event: Event) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=f"{event.past}-{event.id}",
        source=f"/connections/{event.connection}",
        type=f"crossdock.{event.kind}.{event.what}",
        subject=event.entity,
        time=event.at,
        datacontenttype="application/json",
        dataref=f"/v1/orders/{event.entity}" if event.entity.startswith("order:") else "",
        data=FactTold(fact=event.fact, kind=event.kind, told_by=event.connection, document=event.document),
    )
