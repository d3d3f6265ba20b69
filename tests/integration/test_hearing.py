"""A process that delivers hears at once what another one promised, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from crossdock.store import hearing
from crossdock.store.database import Database
from tests.stage import order, staged, told

_PATIENCE_SECONDS = 20.0
_NOWHERE = "http://127.0.0.1:9"


@dataclass
class _Listener:
    heard: list[str] = field(default_factory=list[str])
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, url: str, owner: str) -> None:
        async for name in hearing.heard(url, owner):
            self.heard.append(name)
            self.more.set()

    async def until(self, name: str) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while name not in self.heard:
                await self.more.wait()
                self.more.clear()


@asynccontextmanager
async def _listening(url: str, owner: str) -> AsyncGenerator[_Listener]:
    listener = _Listener()
    task = asyncio.create_task(listener.listen(url, owner))
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _tell(database: Database, owner: str, *names: str, fail: bool = False) -> None:
    async with database.transaction() as tx:
        await hearing.tell(tx, owner, names)
        if fail:
            raise RuntimeError("rolled back")


async def test_what_is_committed_is_heard_by_all_but_who_told_it(database_url: str) -> None:
    async with (
        Database(database_url) as database,
        _listening(database_url, "another") as another,
        _listening(database_url, "teller") as teller,
    ):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not (another.heard and teller.heard):  # until both listen
                await _tell(database, "third", "at first")
        with pytest.raises(RuntimeError):
            await _tell(database, "teller", "rolled back", fail=True)
        await _tell(database, "teller", "erp", "the warehouse, all of it")
        await _tell(database, "third", "at last")
        await another.until("at last")
        await teller.until("at last")
        assert {*another.heard} == {"at first", "erp", "the warehouse, all of it", "at last"}
        assert {*teller.heard} == {"at first", "at last"}


async def test_what_one_process_settles_wakes_the_lanes_of_another(database_url: str) -> None:
    async with staged(database_url, _NOWHERE) as settling, staged(database_url, _NOWHERE) as delivering:
        await delivering.hub.leases.leave()
        woken = asyncio.Event()
        delivering.hub.promised["erp"] = [woken]
        hearing_it = asyncio.create_task(delivering.hub.hear())
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not woken.is_set():  # the first ones may come before it listens
                await settling.tell(told(order(str(settling.promises_made()))))
        hearing_it.cancel()
        await asyncio.gather(hearing_it, return_exceptions=True)
