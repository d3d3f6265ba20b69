"""The inlet: messages are stored in shared transactions, and each sender is answered only after its own is durable."""

from __future__ import annotations

import asyncio
import time

from crossdock.observe.checkpoints import reach
from crossdock.store import inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Message

_BATCH_MAX = 500
# Messages that come faster than this are stored together: at 800 a second two writers made 300 transactions of two or three
# messages each, which cost more than all else that the door does.
_GATHER_SECONDS = 0.005
# Vendors give up after 5 s and send again; a connection that is silent for longer must not keep the door from the next.
_STORE_SECONDS_MAX = 5.0


class Inlet:
    """Group commit: while one transaction is being flushed, and for a moment after, messages gather for the next one."""

    def __init__(self, database: Database, stored: asyncio.Event, *, writers: int = 2) -> None:
        self._database = database
        self._stored = stored
        self._stored_at, self._gathering = 0.0, asyncio.Lock()
        self._waiting: asyncio.Queue[tuple[Message, asyncio.Future[None]]] = asyncio.Queue()
        self._writers = [asyncio.create_task(self._write()) for _ in range(writers)]

    async def store(self, message: Message) -> None:
        """Returns when the message is durable; raises what the database raised when it is not."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((message, done))
        await done

    async def _write(self) -> None:
        while True:
            async with self._gathering:
                batch = await self._gathered()
            await self._write_batch(batch)

    async def _gathered(self) -> list[tuple[Message, asyncio.Future[None]]]:
        """What waits, or the next that comes; when messages come one after another, those of a moment."""
        batch = [await self._waiting.get()]
        if time.monotonic() < self._stored_at + _GATHER_SECONDS:
            await asyncio.sleep(_GATHER_SECONDS)
        while len(batch) < _BATCH_MAX and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    async def _write_batch(self, batch: list[tuple[Message, asyncio.Future[None]]]) -> None:
        failure: Exception | None = None
        try:
            async with asyncio.timeout(_STORE_SECONDS_MAX), self._database.transaction() as tx:
                await inbox.store(tx, [message for message, _ in batch])
                reach("door:before_commit")
            reach("door:after_commit")
        except Exception as error:  # noqa: BLE001  # every sender is told; none is acknowledged
            failure = error
        self._stored_at = time.monotonic()
        self._stored.set()
        for _, done in batch:
            if done.done():  # its sender has gone away
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def close(self) -> None:
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
