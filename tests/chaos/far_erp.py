"""The stand-in as an ERP that is far away: what is sent there may take effect for seconds after its answer was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossdock.canonical.shipment import GoodsIssue
from crossdock.connect.effects import Searchable
from tests.standin import connector as standin

MAX_TRAVEL = timedelta(seconds=6)

_SEARCHED = (Searchable(by="reference", visible_after=timedelta(seconds=0.1), max_travel=MAX_TRAVEL),)

connector = replace(
    standin,
    capabilities=standin.capabilities | {GoodsIssue: replace(standin.capabilities[GoodsIssue], effects=_SEARCHED)},
)
