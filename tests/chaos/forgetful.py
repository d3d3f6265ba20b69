"""Stripe's connector as it would be for a provider that keeps no keys: whatever is in doubt is searched for first.

Hours are seconds here: a request travels for `MAX_TRAVEL` at most, and a listing shows what it did `VISIBLE_AFTER` later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossdock.connect.effects import Searchable
from crossdock.connectors.stripe import connector as stripe

MAX_TRAVEL = timedelta(seconds=1.6)
VISIBLE_AFTER = timedelta(seconds=1.4)

_SEARCHED = (Searchable(by="metadata.crossdock_key", visible_after=VISIBLE_AFTER, max_travel=MAX_TRAVEL),)

connector = replace(
    stripe,
    capabilities={noun: replace(each, effects=_SEARCHED) for noun, each in stripe.capabilities.items()},
)
