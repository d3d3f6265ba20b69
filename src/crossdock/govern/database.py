"""The database of a hub: the server that is configured, or one of the hub's own, with its schema up to date."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from crossdock.govern.settings import Settings
from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import EmbeddedPostgres, is_running, start_or_attach

_LOOK_SECONDS = 2.0
_DAYS_SECONDS = 3600.0


@contextlib.contextmanager
def database_of(settings: Settings) -> Generator[str]:
    """The database's address; an embedded server is stopped by the last process that leaves it."""
    if settings.database_url is not None:
        _bring_up_to_date(settings.database_url, settings)
        yield settings.database_url
        return
    with _embedded(settings.data / "postgres") as embedded:
        _bring_up_to_date(embedded.url, settings)
        yield embedded.url


@contextlib.contextmanager
def _embedded(folder: Path) -> Generator[EmbeddedPostgres]:
    """The server in a folder, under a shared lock for as long as it is used; a killed process leaves none behind.

    Counting the server's sessions instead would stop it under a process that is between starting it and connecting.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".used").open("w") as using:
        fcntl.flock(using, fcntl.LOCK_SH)
        embedded = start_or_attach(folder)
        try:
            yield embedded
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
                embedded.stop()


async def keep_running(settings: Settings) -> int:
    """Start the hub's own server again when it went away: a full disk ends it, or an operating system short of memory."""
    await asyncio.sleep(_LOOK_SECONDS)
    folder = settings.data / "postgres"
    if not await asyncio.to_thread(is_running, folder):
        await asyncio.to_thread(start_or_attach, folder)
    return 1


async def make_days(url: str, settings: Settings) -> int:
    """Make the next days of the time tables while they are still ahead, and drop the days that are kept no longer."""
    await asyncio.sleep(_DAYS_SECONDS)
    await asyncio.to_thread(make_partitions, url, keep_days=settings.hub.keep_inbox_days)
    return 1


def _bring_up_to_date(url: str, settings: Settings) -> None:
    migrate(url)
    make_partitions(url, keep_days=settings.hub.keep_inbox_days)
