"""A hub with a PostgreSQL of its own, in a folder that a test may fill, copy and put back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

from crossdock.store.postgres import EmbeddedPostgres
from tests.chaos.hubs import PROGRAM, ROOT, SECRET, HubProcess, start
from tests.chaos.plants.scene import ERP, HUB, NAMES, as_toml
from tests.standin.target import Target

SETTINGS = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "STANDIN_SECRET": SECRET,
    "CROSSDOCK_DATABASE_URL": "",
}


def written(folder: Path, target: Target, data: Path) -> Path:
    """The settings of a hub whose database is in `data`."""
    connection = {"connector": "tests.standin", "url": target.url, "timeout_seconds": 1.0}
    connection |= {"webhook_secrets": ["env:STANDIN_SECRET"]}
    tables = {"hub": {**HUB, "data": str(data)}, "roles": ERP}
    file = folder / "crossdock.toml"
    file.write_text(as_toml(tables | {f"connections.{name}": connection for name in NAMES}))
    return file


@contextlib.asynccontextmanager
async def hub(config: Path, log: str = "hub.log") -> AsyncGenerator[HubProcess]:
    """One process of all roles; it ends in good order, and its server with it."""
    process = await start(PROGRAM, config, config.parent / log, SETTINGS)
    try:
        yield process
    finally:
        await process.end()


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])


def kill_postgres(data: Path) -> None:
    os.kill(postmaster(data), signal.SIGKILL)


def stop_postgres(data: Path) -> None:
    """In good order, where a killed hub has left it behind."""
    with contextlib.suppress(subprocess.SubprocessError):
        EmbeddedPostgres(data / "postgres", "", started_here=False).stop()
