"""Each order exactly once: decided from what the shop had acknowledged and what the ERP booked, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Verdict(msgspec.Struct, kw_only=True):
    """Numbers of orders."""

    orders: int
    lost: int
    """Acknowledged to the shop, not booked, and held by nobody any more."""
    held_back: int
    """Not booked, and as many are still in the store: who waits longer may get them."""
    doubled: int
    """Booked more than once, though the shop told of it once."""
    doubled_by_repeats: int
    """Booked more than once, and the shop told of it twice."""

    @property
    def exactly_once(self) -> bool:
        """Nothing is lost and nothing doubled; what is held back may still come."""
        return not (self.lost or self.doubled or self.doubled_by_repeats)


class Unexplained(AssertionError):
    """The ERP booked what nobody ordered: then the measurement itself is wrong."""


def judged(told: Mapping[str, int], booked: Mapping[str, int], held: int) -> Verdict:
    """`told`: how often the shop told of each order and was answered 200; `held`: what the peer says it still has to do.

    What is held counts in the peer's favour: as long as it could be a missing order, that order isn't lost.
    """
    if unknown := booked.keys() - told.keys():
        raise Unexplained(f"{len(unknown)} orders booked that nobody placed, {min(unknown)} among them")
    missing = sum(order not in booked for order in told)
    twice = [told[order] for order, times in booked.items() if times > 1]
    return Verdict(
        orders=len(told),
        lost=max(0, missing - held),
        held_back=min(missing, held),
        doubled=sum(times == 1 for times in twice),
        doubled_by_repeats=sum(times > 1 for times in twice),
    )
