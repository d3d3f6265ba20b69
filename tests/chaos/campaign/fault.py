"""What a fault is, and the list of those a campaign draws from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from tests.chaos.campaign.world import World

Side = Literal["hub", "systems", "messages"]
"""Where it strikes: faults of one side go one after another, those of different sides at the same time."""


class Fault(Protocol):
    """One kind of trouble. `inject` strikes, takes a few seconds at most, and leaves nothing broken behind but what
    the hub has to put right itself. What it struck is counted in `world.struck`, by its own name unless it knows better."""

    name: str
    """Lower case, words apart by spaces: what the published report calls it."""
    count: int
    """How many a full campaign holds; a seed draws faults in proportion to it."""

    async def inject(self, world: World, random: Random) -> None: ...


@dataclass(frozen=True)
class Known:
    """A fault on the list. `prepare` is called once for each run that draws it, before any hub process starts."""

    fault: Fault
    side: Side
    prepare: Callable[[World], Awaitable[None]] | None
    why_not: Callable[[], str]
    """What this machine lacks for it; empty when nothing."""
    sets_back: bool = False
    """It sets something back, and nobody else does meanwhile."""

    @property
    def name(self) -> str:
        return self.fault.name


F = TypeVar("F", bound=Callable[[], Fault])
FAULTS: dict[str, Known] = {}
SEPARATOR = "; "
"""Between the names of faults; they have commas in them."""


def fault(
    side: Side,
    *,
    prepare: Callable[[World], Awaitable[None]] | None = None,
    why_not: Callable[[], str] = str,
    sets_back: bool = False,
) -> Callable[[F], F]:
    """Class decorator: every campaign draws from it from now on."""

    def known(kind: F) -> F:
        made = kind()
        assert made.name not in FAULTS, f"there are two faults called {made.name}"
        FAULTS[made.name] = Known(made, side, prepare, why_not, sets_back)
        return kind

    return known


def not_here() -> dict[str, str]:
    """Faults that can't be played on this machine, and why."""
    return {name: why for name, each in sorted(FAULTS.items()) if (why := each.why_not())}


def drawn(random: Random, how_many: int, only: str = "") -> list[Known]:
    """The faults of one run, in the order they strike; `only` is part of the names wanted, or several apart by `; `."""
    parts = only.split(SEPARATOR)
    named = [each for name, each in sorted(FAULTS.items()) if any(part in name for part in parts)]
    assert named, f"no fault is called {only}"
    wanted = [each for each in named if not each.why_not()]
    # The square root, so that the rare ones come up in a short campaign, too.
    return random.choices(wanted, weights=[each.fault.count**0.5 for each in wanted], k=how_many) if wanted else []


def by_side(faults: Sequence[Known]) -> dict[Side, list[Known]]:
    sides: dict[Side, list[Known]] = {"hub": [], "systems": [], "messages": []}
    for each in faults:
        sides[each.side].append(each)
    return sides


class Struck(Counter[str]):
    """How often each kind of fault really struck in a run."""
