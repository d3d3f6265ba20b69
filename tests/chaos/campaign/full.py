"""What a full campaign has yet to play: every fault as often as its count says, over as many runs as that takes."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chaos.campaign.fault import FAULTS, SEPARATOR, by_side

COUNTED_AS = {
    "ambiguous answers of one system": "ambiguous ",
    "ambiguous answers of the mail server": "ambiguous success: done, then the connection reset",
    "webhooks doubled, late, out of order, forged and altered": "webhook doubled",
    "webhooks lost": "webhook lost",
}
"""Faults that are counted as what they did, by how that begins: see `running.struck`."""
_OF_A_SIDE = 3
"""Few enough that a run strikes each of them often, and that what strikes together changes from run to run."""


def still_to_strike(struck: Mapping[str, int]) -> dict[str, int]:
    """By name, how much more often each fault has to strike; those that can't be played here are left out."""
    left = {name: each.fault.count - _times(name, struck) for name, each in FAULTS.items() if not each.why_not()}
    return {name: count for name, count in left.items() if count > 0}


def next_ones(struck: Mapping[str, int]) -> str:
    """The faults of one more run, as `FAULTS` names them: of each side those furthest from their count, whether they have
    reached it or not, so that all sides are struck at once; empty when nothing is left to strike."""
    if not still_to_strike(struck):
        return ""
    here = [each for _, each in sorted(FAULTS.items()) if not each.why_not()]
    furthest = [
        sorted(each, key=lambda known: _times(known.name, struck) / known.fault.count)[:_OF_A_SIDE]
        for each in by_side(here).values()
    ]
    return SEPARATOR.join(known.name for each in furthest for known in each)


def _times(name: str, struck: Mapping[str, int]) -> int:
    begins = COUNTED_AS.get(name)
    return struck.get(name, 0) if begins is None else sum(n for what, n in struck.items() if what.startswith(begins))
