"""Which operations are to go, and who still asks for them."""

from __future__ import annotations

import msgspec

from crossdock.gateway.route import Call, Moment, Reply
from crossdock.govern.api_settings import Deprecation
from crossdock.store import deprecated


class CallerTold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asked for it although it is to go."""

    caller: str
    first_at: Moment
    last_at: Moment
    count: int


class DeprecationTold(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that is to go, and everybody who asked for it since."""

    operation: str
    since: Moment
    sunset: Moment | None
    """It may be gone from then on."""
    more: str
    """Where it is explained what to ask instead."""
    callers: list[CallerTold]
    """The one who asked last first."""


async def tell_deprecations(call: Call) -> Reply:
    calls = await deprecated.calls(call.tx)
    return Reply([_told(name, each, calls) for name, each in call.house.settings.api.deprecated.items()])


def _told(name: str, each: Deprecation, calls: list[deprecated.Called]) -> DeprecationTold:
    callers = [
        CallerTold(caller=one.caller, first_at=one.first_at, last_at=one.last_at, count=one.times)
        for one in calls
        if one.operation == name
    ]
    return DeprecationTold(
        operation=name,
        since=each.since,
        sunset=each.sunset,
        more=each.more,
        callers=callers,
    )
