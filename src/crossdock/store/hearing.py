"""What one process tells the others at once: whose lanes have something to do since a commit.

Only a hint: whoever doesn't hear it finds the same by looking, a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import psycopg
from psycopg.conninfo import make_conninfo

from crossdock.store.database import Transaction, kept_alive, run
from crossdock.store.statements import load

_SQL = load("hearing")

# A connection on which nothing is heard is asked as often as this whether it is still there.
_SILENT_SECONDS = 30.0
_ANSWER_SECONDS = 10.0


async def tell(tx: Transaction, owner: str, connections: Sequence[str]) -> None:
    """Have all processes but this owner's know, from the commit on, that these connections' lanes have something to do."""
    await run(tx, _SQL["tell"], {"owner": owner, "connection": list(connections)})


async def heard(url: str, owner: str) -> AsyncGenerator[str]:
    """The connections that others told of, for as long as the database answers.

    `OperationalError` or `TimeoutError` when it doesn't.
    """
    address = make_conninfo(url, **kept_alive(url))
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(_SQL["listen"])
        while True:
            async for each in connection.notifies(timeout=_SILENT_SECONDS):
                teller, _, name = each.payload.partition(" ")
                if teller != owner:
                    yield name
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.execute(_SQL["ask"])
