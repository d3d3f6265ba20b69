"""`[outside]` and `[subscriptions]` of the settings: where the hub may go because others say so, and how long it tries."""

from __future__ import annotations

import ipaddress

import msgspec

from crossdock.connect.outward import Reach
from crossdock.govern.shaping import BadSettings, shaped


class OutsideSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[outside]`: what the hub may connect to because somebody names it."""

    allow: tuple[str, ...] = ()
    """Networks inside, such as `10.0.0.0/8`, that subscriptions' receivers and the names of connections may lie in. Without
    any, only public addresses are connected to, and a private one that a connection's own `url` writes out."""


class SubscriptionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[subscriptions]`: how events are delivered to those who subscribed."""

    timeout_seconds: float = 15.0
    """How long a receiver has to answer, at most 25."""
    retry_seconds: tuple[float, ...] = (5, 30, 300, 1800, 7200, 21600, 43200)
    """How long after each refusal an event is sent again, a fifth more or less by chance; the last one counts from then on."""
    give_up_hours: float = 72.0
    """A subscription whose receiver took nothing for so long is disabled, with a case; one event that was refused for so
    long while others were taken is given up, with a case."""
    each_max: int = 20
    """How many subscriptions one consumer may have."""


_TIMEOUT_SECONDS_MAX = 25.0


def reach_from(told: object) -> Reach:
    """`BadSettings` names the network that is none."""
    outside = shaped(OutsideSettings, told, "outside")
    try:
        return Reach(tuple(map(ipaddress.ip_network, outside.allow)))
    except ValueError as error:
        raise BadSettings(f'outside.allow: {error}; write a network as "10.0.0.0/8"') from error


def subscriptions_from(told: object) -> SubscriptionSettings:
    terms = shaped(SubscriptionSettings, told, "subscriptions")
    if not 0 < terms.timeout_seconds <= _TIMEOUT_SECONDS_MAX:
        raise BadSettings(f"subscriptions.timeout_seconds: not between 0 and {_TIMEOUT_SECONDS_MAX:g}")
    if not terms.retry_seconds or min(terms.retry_seconds) <= 0 or terms.give_up_hours <= 0:
        raise BadSettings("subscriptions: retry_seconds has at least one, and all times are above 0")
    return terms
