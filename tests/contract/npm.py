"""Files of published npm packages, fetched once with `npm pack` and kept outside git."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path


def _cache_folder() -> Path:
    named = os.environ.get("CROSSDOCK_CACHE")
    folder = Path(named) if named else Path.home() / ".cache" / "crossdock"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def packed(package: str) -> Path:
    """The package's tarball; only the first call on a machine needs the network."""
    scope_and_name, _, version = package.rpartition("@")
    tarball = _cache_folder() / f"{scope_and_name.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not tarball.exists():
        with tempfile.TemporaryDirectory(dir=_cache_folder()) as fetched:  # renamed when whole: tests run in parallel
            command = ["npm", "pack", package, "--silent", "--ignore-scripts"]
            subprocess.run(command, cwd=fetched, check=True, stdout=subprocess.DEVNULL, timeout=120)
            (Path(fetched) / tarball.name).rename(tarball)
    return tarball


def member(package: str, path: str) -> bytes:
    """One file of the package; unpacked beside the tarball, because a scan of it takes a second."""
    kept = _cache_folder() / f"{package.lstrip('@').replace('/', '-')}" / path
    if not kept.exists():
        with tarfile.open(packed(package)) as archive:
            found = archive.extractfile(f"package/{path}")
            assert found is not None, f"{package} has no file {path}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(found.read())
            partial.rename(kept)
    return kept.read_bytes()
