"""How a command gets at the database: the configured one, or the hub's own, for as long as the command runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from crossdock.cli.app import EXIT_UNREACHABLE, Failure, settings
from crossdock.govern.database import database_of
from crossdock.govern.settings import Settings
from crossdock.store.database import Database
from crossdock.store.migrate import MigrationChanged

T = TypeVar("T")


def ask(work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Run some work on the database of the settings; one line and exit code 3 when it can't be reached."""
    told = settings()
    try:
        with database_of(told) as url:
            return asyncio.run(_opened(url, told, work))
    except (psycopg.OperationalError, PoolTimeout) as error:
        message = (
            f"the database can't be reached: {' '.join(str(error).split())}; is it running, and its address right?"
        )
        raise Failure(message, EXIT_UNREACHABLE) from error
    except MigrationChanged as error:
        raise Failure(str(error)) from error


async def _opened(url: str, told: Settings, work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    async with Database(url, connections_max=2) as database:
        return await work(database, told)
