"""What a fault is, and the list of those a campaign draws from."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from tests.chaos.campaign.world import World


class Fault(Protocol):
    """One kind of trouble. `inject` strikes once, takes a few seconds at most, and leaves nothing broken behind but what
    the hub has to put right itself. What it struck is counted in `world.struck`, by its own name unless it knows better."""

    name: str
    """Lower case, words apart by spaces: what the published report calls it."""
    count: int
    """How many a full campaign holds; a seed draws faults in proportion to it."""

    async def inject(self, world: World, random: Random) -> None: ...


F = TypeVar("F", bound=type[Fault])
FAULTS: dict[str, Fault] = {}


def fault(kind: F) -> F:
    """Class decorator: every campaign draws from it from now on."""
    made = kind()
    assert made.name not in FAULTS, f"there are two faults called {made.name}"
    FAULTS[made.name] = made
    return kind


def drawn(random: Random, how_many: int, only: str = "") -> list[Fault]:
    """The faults of one run, in the order they strike; `only` is part of the names wanted."""
    wanted = [each for name, each in sorted(FAULTS.items()) if only in name]
    assert wanted, f"no fault is called {only}"
    # The square root, so that the rare ones come up in a short campaign, too.
    return random.choices(wanted, weights=[each.count**0.5 for each in wanted], k=how_many)


class Struck(Counter[str]):
    """How often each kind of fault really struck in a run."""
