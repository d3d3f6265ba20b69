"""A database's clock that is put back costs no calls: what may be called for now doesn't wait until it gets there again."""

from __future__ import annotations

import asyncio

from crossdock.store.budgets import Budget
from crossdock.store.database import Database, run


async def test_points_are_spent_at_once_after_the_clock_was_put_back_by_a_day(database_url: str) -> None:
    async with Database(database_url) as database:
        budget = Budget(database, "erp", 10.0, 5.0)
        await budget.declare()
        async with database.transaction() as tx:
            await run(tx, "update budget set updated_at = now() + interval '1 day'")
        async with asyncio.timeout(5):
            for _ in range(4):
                await budget.spend(1)
