"""The furthest point at which anybody saw the hub's database, kept where a backup of the database does not reach.

A process compares whenever it connects anew, for a database can't be set back under an open connection: at its start with
what earlier processes left in a file, later with what it has seen itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from crossdock.observe.logs import told
from crossdock.store import recovery
from crossdock.store.database import Database, Transaction, rows
from crossdock.store.recovery import Mark

log = structlog.get_logger("crossdock")
T = TypeVar("T")
_LINE_BYTES = 128


class SetBack(RuntimeError):
    """The database was set back under this process, whose memory belongs to a past that is no more: start it again."""


@dataclass
class Watch:
    """What this process has seen of one database; `file` is None where it can't be kept."""

    file: Path | None
    mark: Mark
    set_back: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, fence: int) -> None:
        """A fence that was committed: the database never falls behind it."""
        if fence > self.mark.fence:
            self.mark = Mark(self.mark.past, fence)

    async def compare(self, connection: Transaction) -> None:
        """Before a new connection is used; `SetBack` when it shows an earlier state, or another past than this process's."""
        [(_, past, fence)] = await rows(connection, recovery.PAST)
        if past != self.mark.past or fence < self.mark.fence:
            self.set_back.set()
            raise SetBack(f"the database is at {past}/{fence}, and was at {self.mark.past}/{self.mark.fence}")

    async def beat(self, database: Database) -> None:
        """Take the database a step further, and keep where it is."""
        async with database.transaction() as tx:
            mark = await recovery.beat(tx)
        if mark.past != self.mark.past:
            self.set_back.set()
            raise SetBack(f"another process found that the database was set back: {mark.past}")
        self.note(mark.fence)
        if self.file is not None:
            await asyncio.to_thread(_keep, self.file, self.mark)


async def watched(url: str, folder: Path, by: str) -> Watch:
    """Compare the database with what the folder's file says of it; a new past begins when it was set back."""
    async with Database(url, connections_max=1) as database:
        async with database.transaction() as tx:
            id_, mark = await recovery.known(tx)
        file = _writable(folder / f"seen-{id_}.json")
        if file is not None and (seen := _kept(file)) is not None and seen > mark:
            async with database.transaction() as tx:
                mark = await recovery.set_back(tx, seen, by)
            log.error("the database was set back", seen=msgspec.to_builtins(seen), now=msgspec.to_builtins(mark))
    return Watch(file, mark)


def _writable(file: Path) -> Path | None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        log.warning("a restored database would not be noticed at the next start", file=str(file), **told(error))
        return None
    return file


def _kept(file: Path) -> Mark | None:
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(file.read_bytes(), type=Mark)
    return None


def _keep(file: Path, mark: Mark) -> None:
    """The highest mark of all processes that share the folder; one short line, so that no crash leaves half of it."""
    with file.open("r+b") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        held = _kept(file)
        if held is None or mark > held:
            os.pwrite(kept.fileno(), msgspec.json.encode(mark).ljust(_LINE_BYTES), 0)
            os.fdatasync(kept.fileno())
