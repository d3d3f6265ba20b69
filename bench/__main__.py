"""`python -m bench [names,...]`: all measurements, or the named ones."""

from __future__ import annotations

import importlib
import signal
import sys

NAMES = (
    "orders",
    "door",
    "latency",
    "poison",
    "backlog",
    "replay",
    "footprint",
    "returns",
    "wide",
    "outage",
    "console",
    "tryton",
    "steady",
)
ON_REQUEST = ("peers",)
"""Not among all of them: it takes half an hour, and installs programs that the others don't need."""


def main() -> None:
    names = [name for argument in sys.argv[1:] for name in argument.split(",") if name] or list(NAMES)
    known = (*NAMES, *ON_REQUEST)
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.exit(f"no benchmark {unknown[0]}; there are {', '.join(known)}")
    # What was started is stopped on the way out, also when somebody ends the whole run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in names:
        importlib.import_module(f"bench.{name}").measure()


if __name__ == "__main__":
    main()
