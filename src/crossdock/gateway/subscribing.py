"""Subscriptions by the API: made, edited, paused and ended by the consumer they tell, and shown to whom it concerns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crossdock.canonical.nouns import FACTS
from crossdock.connect.outward import BadUrl, checked_url
from crossdock.gateway.cursors import position_of
from crossdock.gateway.feed import WHAT, check_kept
from crossdock.gateway.paging import paged, place_asked
from crossdock.gateway.problems import conflicting, unfit, unknown
from crossdock.gateway.returning import Text
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.gateway.signing import new_secret
from crossdock.gateway.versions import check_matches, tag_of
from crossdock.govern.strongbox import strongbox_of
from crossdock.kernel.ids import new_id
from crossdock.store import cases, settling, subscriptions
from crossdock.store.decisions import Decider
from crossdock.store.events import Position
from crossdock.store.subscriptions import SecretKept, Subscription, Wanted

EventType = Annotated[str, Meta(pattern=rf"^crossdock\.({'|'.join(FACTS)})\.({'|'.join(WHAT)})$")]
_ROTATION_HOURS_MAX = 168
SUBSCRIPTIONS = "/v1/subscriptions"


class SubscriptionAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to be told, and where."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    """Where each event is posted: https, at an address that everybody can reach."""
    types: Annotated[list[EventType], Meta(max_length=100)] = []
    """Only events of these types; empty: all."""
    note: Text = ""
    """For people."""
    paused: bool = False
    """Nothing is sent while it is; what happens meanwhile is sent when it goes on."""


class SubscriptionTold(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it stands."""

    id: str
    href: str
    consumer: str
    url: str
    types: list[str]
    note: str
    state: Literal["active", "paused", "disabled"]
    """`disabled`: by the hub, for `reason`; an edit lets it go on."""
    reason: str
    made_at: Moment
    changed_at: Moment
    followed_to: Moment
    """What happened until then was sent, is on its way, or was not asked for."""
    waiting: int
    """How many events are on their way."""
    failing_since: Moment | None
    """Since when its receiver has taken nothing of what it was sent."""
    succeeded_at: Moment | None


class SecretTold(msgspec.Struct, frozen=True, kw_only=True):
    """What deliveries are signed with."""

    secret: str
    """`whsec_` and base64, as Standard Webhooks has it."""
    made_at: Moment
    ends_at: Moment | None
    """When it stops signing, where another follows it."""


class SecretsTold(msgspec.Struct, frozen=True, kw_only=True):
    """Every live secret, the newest first: each delivery is signed with all of them."""

    secrets: list[SecretTold]


class RotationAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new secret."""

    keep_hours: Annotated[int, Meta(ge=0, le=_ROTATION_HOURS_MAX)] = 24
    """How long the present one signs beside it."""


class ReplayAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From where on it is told, again or for the first time: one of both."""

    after: Annotated[str, Meta(max_length=500)] = ""
    """The `next` of an answer of GET /v1/events without a kind."""
    since: Moment | None = None
    """Everything that happened from this time on."""


async def subscribe(call: Call) -> Reply:
    asked: SubscriptionAsked = call.asked
    consumer, most = call.caller.id, call.house.settings.subscriptions.each_max
    wanted = _wanted(call, asked)
    if await subscriptions.count(call.tx, consumer) >= most:
        raise conflicting(f"{consumer} has {most} subscriptions, and may have no more; end one first")
    id_ = f"sub_{new_id().replace('-', '')}"
    await subscriptions.add(call.tx, id_, consumer, wanted)
    await _add_secret(call, id_, 0)
    await Decider(call.tx, consumer).record("subscribe", subscription=id_, before=None, after=wanted._asdict())
    return await _told(call, id_)


async def tell_subscriptions(call: Call) -> Reply:
    """A consumer's own; people see those of every consumer of their tenants."""
    caller, place = call.caller, place_asked(call, SUBSCRIPTIONS)
    found = await subscriptions.held(
        call.tx,
        consumer="" if caller.person else caller.id,
        tenants=None if caller.tenants is None else sorted(caller.tenants),
        after=(place.at, place.xid),
        limit=call.query.limit + 1,
    )
    return paged(call, SUBSCRIPTIONS, found, _place, as_told)


def _place(held: Subscription) -> Position:
    return Position(0, held.id, 0, held.made_at)


async def tell_subscription(call: Call) -> Reply:
    return _reply(await seen(call))


async def change_subscription(call: Call) -> Reply:
    held = await _mine(call)
    check_matches(call.if_match, held.revision)
    wanted = _wanted(call, call.asked)
    await subscriptions.change(call.tx, held.id, wanted)
    await _close_cases(call, held.id)
    decider = Decider(call.tx, call.caller.id)
    await decider.record("change subscription", subscription=held.id, before=_as_was(held), after=wanted._asdict())
    return await _told(call, held.id)


async def unsubscribe(call: Call) -> Reply:
    """What it was is told once more."""
    held = await _mine(call)
    await subscriptions.close(call.tx, held.id)
    await _close_cases(call, held.id)
    await Decider(call.tx, call.caller.id).record(
        "end subscription", subscription=held.id, before=_as_was(held), after=None
    )
    return Reply(as_told(held))


async def tell_secrets(call: Call) -> Reply:
    held = await _mine(call)
    box = strongbox_of(call.house.settings)
    kept = await subscriptions.secrets(call.tx, held.id)
    return Reply(SecretsTold(secrets=[_secret(each, box.open(each.sealed, each.name)) for each in kept]))


async def rotate_secret(call: Call) -> Reply:
    """The new secret is told by `tell_secrets` alone: answers to a POST are kept."""
    held = await _mine(call)
    await _add_secret(call, held.id, call.asked.keep_hours * 3600)
    keeps = call.asked.keep_hours
    await Decider(call.tx, call.caller.id).record("rotate secret", subscription=held.id, keeps_hours=keeps)
    return await _told(call, held.id)


async def replay(call: Call) -> Reply:
    held, asked = await _mine(call), call.asked
    if bool(asked.after) is (asked.since is not None):
        raise unfit("after", "say either after or since")
    if asked.after:
        to = position_of(asked.after, f"{call.caller.id}\0", call.house.secrets, "after")
        await check_kept(call, to)
    else:
        await _check_since(call, asked.since)
        to = await subscriptions.place_of(call.tx, asked.since)
    await subscriptions.move(call.tx, held.id, to)
    # That it is disabled, if it is, it stays: only an edit lets it go on.
    await cases.close(call.tx, subscriptions.causes(held.id)[1], call.caller.id)
    decider = Decider(call.tx, call.caller.id)
    await decider.record("replay", subscription=held.id, before=held.at, since=asked.since or to.at)
    return await _told(call, held.id)


async def _check_since(call: Call, since: datetime) -> None:
    now = await settling.now(call.tx)
    days = call.house.settings.hub.keep_inbox_days
    if not 0 <= (now - since).total_seconds() <= days * 86400:
        raise unfit("since", f"it lies within the last {days} days")


async def seen(call: Call) -> Subscription:
    """The one that is named, if it is the caller's to see; `Problem` otherwise."""
    caller = call.caller
    tenants = None if caller.tenants is None else sorted(caller.tenants)
    found = await subscriptions.held(
        call.tx, id_=call.parts["subscription"], consumer="" if caller.person else caller.id, tenants=tenants
    )
    if not found:
        raise unknown("there is no such subscription of yours")
    return found[0]


async def _mine(call: Call) -> Subscription:
    await subscriptions.lock(call.tx, call.parts["subscription"])
    return await seen(call)


async def _close_cases(call: Call, id_: str) -> None:
    """Its consumer sees to it."""
    for cause in subscriptions.causes(id_):
        await cases.close(call.tx, cause, call.caller.id)


def _as_was(held: Subscription) -> dict[str, object]:
    """For the audit."""
    return Wanted(held.url, held.types, held.note, held.state)._asdict()


def _wanted(call: Call, asked: SubscriptionAsked) -> Wanted:
    try:
        url = checked_url(asked.url, call.house.settings.reach)
    except BadUrl as error:
        raise unfit("url", str(error)) from error
    return Wanted(url, sorted(set(asked.types)), asked.note, "paused" if asked.paused else "active")


async def _add_secret(call: Call, id_: str, old_ends_seconds: float) -> None:
    name = f"subscription/{id_}/{new_id()}"
    sealed = strongbox_of(call.house.settings).seal(new_secret(), name)
    await subscriptions.add_secret(call.tx, id_, name, sealed, old_ends_seconds)


def _secret(kept: SecretKept, secret: str) -> SecretTold:
    return SecretTold(secret=secret, made_at=kept.made_at, ends_at=kept.ends_at)


async def _told(call: Call, id_: str) -> Reply:
    [held] = await subscriptions.held(call.tx, id_=id_)
    return _reply(held)


def _reply(held: Subscription) -> Reply:
    return Reply(as_told(held), tag=tag_of(held.revision))


def as_told(held: Subscription) -> SubscriptionTold:
    return SubscriptionTold(
        id=held.id,
        href=f"/v1/subscriptions/{held.id}",
        consumer=held.consumer,
        url=held.url,
        types=held.types,
        note=held.note,
        state=held.state,
        reason=held.reason,
        made_at=held.made_at,
        changed_at=held.changed_at,
        followed_to=held.at,
        waiting=held.waiting,
        failing_since=held.failing_since,
        succeeded_at=held.succeeded_at,
    )
