"""Earlier versions of the program, from this repository's history: what runs beside the new one while a fleet is restarted."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from random import Random

from tests.chaos.trading import ROOT

# Their tables are this version's, or lack what this one added; what was mended since may still break in them.
_BACK_MAX = 8


def why_not() -> str:
    return "" if len(commits()) > 1 else "no earlier version: the repository's history is not here"


@functools.cache
def commits() -> list[str]:
    """The latest that changed the program, newest first; the first of them is what is here, or what that began from."""
    asked = ["git", "-C", str(ROOT), "log", f"-{_BACK_MAX + 1}", "--format=%H", "--", "src/crossdock"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []


def program(random: Random) -> str:
    """The folders that Python finds one of them in, and the connectors of these tests."""
    return f"{_written(random.choice(commits()[1:]))}/src:{ROOT}"


@functools.cache
def _written(commit: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cde"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "src/crossdock"], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder
