"""The inbox: what is stored once stays, and is translated once."""

from __future__ import annotations

from crossdock.store import inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Message


async def test_a_message_repeated_in_one_batch_and_later_is_stored_once(database_url: str) -> None:
    message = Message("shop", "orders/create", b"{}", "event-1")
    async with Database(database_url) as database:
        async with database.transaction() as tx:
            assert await inbox.store(tx, [message, message]) == 1
        async with database.transaction() as tx:
            assert await inbox.store(tx, [message]) == 0
            assert len(await inbox.take_pending(tx, 10)) == 1


async def test_what_was_taken_is_pending_again_when_its_transaction_fails(database_url: str) -> None:
    async with Database(database_url) as database:
        async with database.transaction() as tx:
            await inbox.store(tx, [Message("shop", "orders/create", b"{}")])
        try:
            async with database.transaction() as tx:
                assert len(await inbox.take_pending(tx, 10)) == 1
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        async with database.transaction() as tx:
            assert len(await inbox.take_pending(tx, 10)) == 1
