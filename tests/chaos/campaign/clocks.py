"""Wall clocks that can be put wrong, for every process that is started with them."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.campaign.world import World

_SOURCE = Path(__file__).parents[1] / "environment" / "clock.c"


@dataclass(frozen=True)
class Clock:
    """`said` holds by how many seconds it is wrong; it is read at every look."""

    library: Path
    said: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is started with that is to have it."""
        return {"LD_PRELOAD": str(self.library), "CROSSDOCK_WRONG_CLOCK": str(self.said)}

    def put(self, seconds: int) -> None:
        """Wrong by so much from now on, at once for all who have it."""
        new = self.said.with_suffix(".new")
        new.write_text(str(seconds))
        new.chmod(0o644)  # PostgreSQL runs as somebody else
        new.rename(self.said)


@functools.cache
def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def why_not() -> str:
    return "" if compiler() else "no C compiler to make a wrong clock with"


def made(folder: Path, name: str) -> Clock:
    """A clock that is right as yet; the folder is one that everybody may read."""
    library = folder / "clock.so"
    found = compiler()
    assert found is not None
    if not library.exists():
        subprocess.run([found, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    clock = Clock(library, folder / name)
    clock.put(0)
    return clock


async def give_hubs_one(world: World) -> None:
    """Hub processes and commands of this run share one."""
    world.clock = made(world.retailer.folder, "hubs-clock")
    world.retailer.environment = {**world.retailer.environment, **world.clock.environment}
