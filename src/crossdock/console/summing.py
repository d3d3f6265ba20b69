"""The sums behind the books, kept up in the background by one process at a time, and the orders that don't add up looked at."""

from __future__ import annotations

import time

from crossdock.settle.reconciling import reconcile
from crossdock.settle.rules import Rules
from crossdock.store import figures, tally
from crossdock.store.database import Database

# An hour of 1,500 orders a second would be too much for one statement, an hour of a shop is nothing.
_SPAN_SECONDS = 600.0
_SPANS_MAX = 36
_TIMEOUT_MILLISECONDS = 60_000
# Twice what a transaction of the hub's loops may take; later moments are read as they are.
MARGIN_SECONDS = 60.0
# At most a tenth of a core, while a past of months is summed up too; nobody reads sums more often than this.
_REST_SHARE = 10
_REST_SECONDS = 10.0


async def sum_up(database: Database, rules: Rules, margin_seconds: float = MARGIN_SECONDS) -> float:
    """One round; answers for how many seconds to rest after it."""
    began = time.monotonic()
    behind = await _add(database, margin_seconds)
    behind = await reconcile(database, rules) > 0 or behind
    took = time.monotonic() - began
    return took * _REST_SHARE if behind else max(_REST_SECONDS, took * _REST_SHARE)


async def _add(database: Database, margin_seconds: float) -> bool:
    """What came since, a few hours at most; answers whether there is more."""
    async with database.transaction() as tx:
        await figures.have_patience(tx, _TIMEOUT_MILLISECONDS)
        await tally.count_touched(tx)
        for _ in range(_SPANS_MAX):
            if not await tally.add_span(tx, _SPAN_SECONDS, margin_seconds):
                return False
    return True
