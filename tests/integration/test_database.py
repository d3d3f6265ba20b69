"""Transactions: which of them wait for the disk."""

from __future__ import annotations

from crossdock.store.database import Database, rows


async def test_only_a_transaction_that_need_not_be_durable_does_not_wait_for_the_disk(database_url: str) -> None:
    said: list[str] = []
    async with Database(database_url, connections_max=1) as database:
        for durable in (True, False, True):
            async with database.transaction(durable=durable) as tx:
                said += [row[0] for row in await rows(tx, "select current_setting('synchronous_commit')")]
    assert said == ["on", "off", "on"]
