"""Wires everything: the command line to the rooms it stands on. The only file that knows everything."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from crossdock.cli.app import Wiring
from crossdock.cli.operating import app

if TYPE_CHECKING:
    from crossdock.govern.settings import Settings


def _run(settings: Settings, roles: Collection[str]) -> None:
    # Loaded here because a command line that only prints help must not wait for a web server to be imported.
    from crossdock.hub import run_until_stopped

    run_until_stopped(settings, roles)


def main() -> None:
    app(obj=Wiring(run=_run))


if __name__ == "__main__":
    main()
