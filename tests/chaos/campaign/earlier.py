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

# What was mended since may still break in them, so not far back.
_BACK_MAX = 4
_MIGRATIONS = "src/crossdock/store/migrations"


def why_not() -> str:
    return "" if commits() else "no earlier version: the history that is here has none with this one's tables"


@functools.cache
def commits() -> list[str]:
    """The latest that changed the program, newest first, whose migrations are all among those here, as they are here."""
    here = {_hashed(file): file.name for file in (ROOT / _MIGRATIONS).glob("*.sql")}
    latest = _git("log", f"-{_BACK_MAX + 1}", "--format=%H", "--", "src/crossdock").split()[1:]
    return [commit for commit in latest if set(_migrations(commit)) <= here.items()]


def _migrations(commit: str) -> list[tuple[str, str]]:
    lines = _git("ls-tree", commit, f"{_MIGRATIONS}/").splitlines()
    told = [line.split() for line in lines if line.endswith(".sql")]
    return [(hashed, Path(name).name) for _, _, hashed, name in told]


def _hashed(file: Path) -> str:
    return _git("hash-object", str(file)).strip()


def _git(*words: str) -> str:
    """What it says; nothing where it or the history is not there."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def program(random: Random) -> str:
    """The folders that Python finds one of them in, and the connectors of these tests."""
    return f"{_written(random.choice(commits()))}/src:{ROOT}"


@functools.cache
def _written(commit: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cde"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "src/crossdock"], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder
