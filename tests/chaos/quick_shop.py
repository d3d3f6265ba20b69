"""Shopify's connector as it would be for a shop that is quick: hours are seconds here, as in `forgetful`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossdock.connect.effects import Searchable
from crossdock.connectors.shopify import connector as shopify

_SEARCHED = (Searchable(by="reference", visible_after=timedelta(seconds=0.3), max_travel=timedelta(seconds=2.6)),)

connector = replace(
    shopify,
    capabilities={
        noun: replace(each, effects=_SEARCHED if each.effects else ()) for noun, each in shopify.capabilities.items()
    },
)
