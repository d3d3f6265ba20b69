"""A virtual environment for each peer, built on demand from its own lock, outside the tree: nothing of it is imported here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_LOCKS = Path(__file__).parent / "requirements"
PROGRAMS = Path(__file__).parent / "programs"
_ASK = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


@cache
def environment(name: str) -> Path:
    """The `bin` folder of a peer's environment; a changed lock makes another one."""
    lock = _LOCKS / f"{name}.txt"
    cache_folder = Path(os.environ.get("CROSSDOCK_CACHE", Path.home() / ".cache" / "crossdock"))
    folder = cache_folder / f"peer-{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    installed = folder / ".installed"
    if not installed.exists():
        print(f"Installing {name} into {folder}", file=sys.stderr)
        _install(folder, lock)
        installed.touch()
    return folder / "bin"


def _install(folder: Path, lock: Path) -> None:
    python, uv = str(folder / "bin" / "python"), shutil.which("uv")
    if uv:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock))
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        words = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", str(lock)]
        _run(python, "-m", "pip", *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def versions(name: str, packages: Sequence[str]) -> dict[str, str]:
    """What is installed there, by package."""
    python = environment(name) / "python"
    told = subprocess.run([python, "-c", _ASK, *packages], check=True, capture_output=True, text=True)
    return json.loads(told.stdout)
