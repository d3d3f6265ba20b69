"""An environment for each peer, built on demand from its own lock, outside the tree: nothing of it is imported here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from bench.peers.stores import Missing

LOCKS = Path(__file__).parent / "requirements"
PROGRAMS = Path(__file__).parent / "programs"
_NODE_MIN = "20.19"
_ASK = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


@cache
def environment(name: str) -> Path:
    """The `bin` folder of a peer's environment; a changed lock makes another one."""
    lock = LOCKS / f"{name}.txt"
    return _made(name, [lock], lambda folder: _install(folder, lock)) / "bin"


@cache
def node_environment(name: str) -> Path:
    """The `node_modules` of a peer that Node.js runs; a changed lock makes another one."""
    files = [LOCKS / name / each for each in ("package.json", "package-lock.json")]
    return _made(name, files, lambda folder: _install_by_npm(folder, files)) / "node_modules"


def node() -> str:
    """The Node.js that runs it, where it comes with an npm and is new enough."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        raise Missing(f"Node.js {_NODE_MIN} or newer isn't installed, or comes without npm")
    told = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if tuple(map(int, told.removeprefix("v").split(".")[:2])) < tuple(map(int, _NODE_MIN.split("."))):
        raise Missing(f"Node.js {_NODE_MIN} or newer is needed, and {told} is installed")
    return found


def _made(name: str, locks: Sequence[Path], install: Callable[[Path], None]) -> Path:
    said = hashlib.sha256(b"".join(each.read_bytes() for each in locks)).hexdigest()
    cache_folder = Path(os.environ.get("CROSSDOCK_CACHE", Path.home() / ".cache" / "crossdock"))
    folder = cache_folder / f"peer-{name}-{said[:12]}"
    installed = folder / ".installed"
    if not installed.exists():
        print(f"Installing {name} into {folder}", file=sys.stderr)
        install(folder)
        installed.touch()
    return folder


def _install(folder: Path, lock: Path) -> None:
    python, uv = str(folder / "bin" / "python"), shutil.which("uv")
    if uv:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock))
    else:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        words = ["install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", str(lock)]
        _run(python, "-m", "pip", *words)


def _install_by_npm(folder: Path, files: Sequence[Path]) -> None:
    """Without the packages' own install steps: those would fetch programs, and what is measured needs none of them."""
    node()
    folder.mkdir(parents=True, exist_ok=True)
    for each in files:
        shutil.copy(each, folder)
    words = ["--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    try:
        _run("npm", "ci", *words)
    except subprocess.CalledProcessError as failed:
        raise Missing("npm could not install it; what it said is above") from failed


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def versions(name: str, packages: Sequence[str]) -> dict[str, str]:
    """What is installed there, by package."""
    python = environment(name) / "python"
    told = subprocess.run([python, "-c", _ASK, *packages], check=True, capture_output=True, text=True)
    return json.loads(told.stdout)
