"""Bugs of the door: what is told is forgotten, or taken twice."""

from __future__ import annotations

import asyncio
from typing import Any

from crossdock.gateway.inlet import Inlet
from crossdock.observe.checkpoints import reach
from crossdock.store import inbox
from crossdock.store.database import columns, rows, run
from crossdock.store.inbox import Message

_SQL: Any = inbox._SQL  # pyright: ignore[reportPrivateUsage]


def acknowledge_before_commit() -> None:
    """The sender is answered as soon as its message is in memory."""

    async def store(self: Any, message: Message) -> None:
        self._waiting.put_nowait((message, asyncio.get_running_loop().create_future()))

    Inlet.store = store


def no_dedup() -> None:
    """Every message is new, however often it comes."""
    _SQL["know_messages"] = (
        "select connection, message_id"
        " from unnest(%(connection)b::text[], %(message_id)b::text[]) as m(connection, message_id)"
    )


def dedup_mark_committed_apart() -> None:
    """That a message is known is committed first, and the message itself then."""

    async def write_batch(self: Any, batch: list[tuple[Message, asyncio.Future[None]]]) -> None:
        failure: Exception | None = None
        try:
            await _mark_then_store(self, [message for message, _ in batch])
        except Exception as error:  # noqa: BLE001  # as the inlet itself does
            failure = error
        self._stored.set()
        for _, done in batch:
            if not done.done():
                done.set_result(None) if failure is None else done.set_exception(failure)

    Inlet._write_batch = write_batch  # pyright: ignore[reportPrivateUsage]


async def _mark_then_store(self: Any, messages: list[Message]) -> None:
    named = {(message.connection, message.identity): message for message in messages}
    async with self._database.transaction() as tx:
        known = await rows(tx, _SQL["know_messages"], columns(("connection", "message_id"), list(named)))
    fresh = [inbox._stored(named[row[0], row[1]]) for row in known]  # pyright: ignore[reportPrivateUsage]
    async with self._database.transaction() as tx:
        if fresh:
            await run(tx, _SQL["store_messages"], columns(inbox._MESSAGE, fresh))  # pyright: ignore[reportPrivateUsage]
        reach("door:before_commit")
    reach("door:after_commit")
