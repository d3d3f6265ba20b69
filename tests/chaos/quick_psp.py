"""Stripe's connector as it would be for a provider that is quick to show what it did: as in `quick_shop`, hours are seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossdock.connect.effects import Effect, Searchable
from crossdock.connectors.stripe import connector as stripe


def _quick(effect: Effect) -> Effect:
    if not isinstance(effect, Searchable):
        return effect
    return Searchable(by=effect.by, visible_after=timedelta(seconds=0.3), max_travel=timedelta(seconds=2.6))


connector = replace(
    stripe,
    capabilities={
        noun: replace(each, effects=tuple(map(_quick, each.effects))) for noun, each in stripe.capabilities.items()
    },
)
