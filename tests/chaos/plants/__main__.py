"""`python -m tests.chaos.plants NAME [--] WORDS…`: the `crossdock` command with one bug in it."""

from __future__ import annotations

import sys

from crossdock.main import main
from tests.chaos.plants import PLANTS


def start(words: list[str]) -> None:
    match words:
        case [name, *rest] if name in PLANTS:
            PLANTS[name]()
            sys.argv = ["crossdock", *(rest[1:] if rest[:1] == ["--"] else rest)]
            main()
        case _:
            named = "\n".join(f"  {name:<32}{plant.__doc__}" for name, plant in PLANTS.items())
            sys.exit(f"usage: python -m tests.chaos.plants NAME [--] WORDS…\n{named}")


start(sys.argv[1:])
