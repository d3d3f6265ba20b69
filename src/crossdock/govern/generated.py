"""A page that is generated from the code: written on request, and checked for drift by CI."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def write_or_check(module: str, page: Path, text: Callable[[], str]) -> int:
    """What `python -m <module> --write` and `--check` do; the exit code, 1 when the page differs from the code."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=f"{page}, generated from the code.")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--write", action="store_true", help="write the page")
    either.add_argument("--check", action="store_true", help="exit 1 when the page differs from the code")
    parser.add_argument("--page", type=Path, default=page, help="the page's file (default: %(default)s)")
    given = parser.parse_args()
    if given.write:
        given.page.write_text(text(), encoding="utf-8")
        return 0
    if given.page.exists() and given.page.read_text(encoding="utf-8") == text():
        return 0
    print(f"{given.page} has drifted; run `python -m {module} --write`", file=sys.stderr)
    return 1
