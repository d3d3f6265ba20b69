"""Accounts: everybody who moves several locks them in one order, so that nobody waits for who waits for them."""

from __future__ import annotations

import asyncio
from collections import Counter

from crossdock.store.accounts import lock_accounts, move_accounts
from crossdock.store.database import Database
from tests.stage import staged

_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
_KEYS = ("campaign/1", "campaign/1/USD")


async def test_a_decision_waits_for_a_seal_without_holding_what_that_will_lock(database_url: str) -> None:
    """Rows lie in the table as they were written last, which is no order to lock them in."""
    async with staged(database_url, "http://127.0.0.1:9") as stage:
        stage.sql('insert into account (key, "limit") values (%s, 10), (%s, 10)', *reversed(_KEYS))
        stage.sql('insert into account (key, "limit") select n::text, 10 from generate_series(1, 30) n')
        stage.sql("analyze account")
        async with Database(database_url) as database, stage.database.transaction() as sealing:
            await lock_accounts(sealing, [(_KEYS[0], 1, 10)])
            deciding = asyncio.create_task(_decide(database))
            while not stage.count(_WAITING):  # noqa: ASYNC110  (the server has no event for it)
                await asyncio.sleep(0.01)
            assert await lock_accounts(sealing, [(_KEYS[1], 1, 10)]) == {_KEYS[1]: 10}
            await sealing.execute("commit")
            await deciding
        assert stage.rows("select pending from account where key like 'c%%' order by key") == [(2,), (3,)]


async def _decide(database: Database) -> None:
    async with database.transaction() as tx:
        await move_accounts(tx, Counter({_KEYS[0]: 2, _KEYS[1]: 3}), Counter(), by_key=False)
