"""The sums behind the books, kept up in the background by one process at a time, and the orders that don't add up looked at."""

from __future__ import annotations

import time
from typing import NamedTuple

from crossdock.settle.reconciling import reconcile
from crossdock.settle.rules import Rules
from crossdock.store import figures, tally
from crossdock.store.database import Database

# Ten minutes of 1,500 orders a second are a minute's work, a day of a small shop is nothing: quiet spans grow.
_SPAN_SECONDS, _SPAN_SECONDS_MAX = 60.0, 86_400.0
_MOVEMENTS_MAX = 20_000
_TIMEOUT_MILLISECONDS = 60_000
# Twice what a transaction of the hub's loops may take; later moments are read as they are.
MARGIN_SECONDS = 60.0
# At most a fiftieth of a core; a tenth while a past of months is summed up. Nobody reads sums more often than this.
_REST_SHARE, _REST_SHARE_BEHIND = 50, 9
_REST_SECONDS = 10.0


class Round(NamedTuple):
    """`behind`: there is more to add or to look at."""

    behind: bool
    rest_seconds: float


async def sum_up(database: Database, rules: Rules, margin_seconds: float = MARGIN_SECONDS) -> Round:
    """One round, and for how long to rest after it."""
    began = time.monotonic()
    behind = await _add(database, margin_seconds) or await reconcile(database, rules) > 0
    took = time.monotonic() - began
    return Round(behind, took * _REST_SHARE_BEHIND if behind else max(_REST_SECONDS, took * _REST_SHARE))


async def _add(database: Database, margin_seconds: float) -> bool:
    """What came since, some 20,000 movements at most; answers whether there is more."""
    span, done = _SPAN_SECONDS, 0
    async with database.transaction() as tx:
        await figures.have_patience(tx, _TIMEOUT_MILLISECONDS)
        await tally.count_touched(tx)
        while done < _MOVEMENTS_MAX:
            added = await tally.add_span(tx, span, margin_seconds)
            if not added.more:
                return False
            done += added.movements
            span = min(span * 2, _SPAN_SECONDS_MAX) if added.movements < _MOVEMENTS_MAX / 8 else span
    return True
