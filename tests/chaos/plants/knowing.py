"""Bugs of what is known: the last to speak is right, and what can't be found is gone."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from crossdock.canonical.lookup import Lookup
from crossdock.connect.documents import Reading
from crossdock.connect.link import Link
from crossdock.deliver import calling
from crossdock.deliver.lines import Line
from crossdock.kernel.faults import Fault
from crossdock.store import documents
from crossdock.store.documents import Statement
from tests.chaos.plants.altering import alter
from tests.standin import Told

_LATEST = 2**62


def version_ties_by_arrival() -> None:
    """Of two bodies under one version the one that came last holds, and nobody asks the source."""

    def settled(statement: Statement, held_observed: int, held_at: int) -> bool:
        return False

    documents._unsettled = settled  # pyright: ignore[reportPrivateUsage]
    statements: Any = documents._SQL  # pyright: ignore[reportPrivateUsage]
    alter(
        statements,
        "merge_documents",
        "where (excluded.epoch, excluded.token, excluded.observed, excluded.digest)\n"
        "        > (held.epoch, held.token, held.observed, held.digest)",
        "where (excluded.epoch, excluded.token, excluded.observed) >= (held.epoch, held.token, held.observed)",
    )


def gone_by_404() -> None:
    """A thing that can't be read at its source now is gone. Said as the source would say it."""
    original = calling._read  # pyright: ignore[reportPrivateUsage]

    async def read(line: Line, lookup: Lookup, link: Link[Any]) -> Reading | Fault:
        with contextlib.suppress(Fault):
            found = await original(line, lookup, link)
            if isinstance(found, Reading):
                return found
        if line.connector.name == "shopify":
            return Reading(topic="orders/delete", id=lookup.id, body=msgspec.json.encode({"id": int(lookup.id)}))
        entity = f"{lookup.kind}:{line.connection}:{lookup.id}"
        told = Told(kind=lookup.kind, id=lookup.id, entity=entity, token=_LATEST)
        return Reading(topic="document", id=lookup.id, body=msgspec.json.encode(told))

    calling._read = read  # pyright: ignore[reportPrivateUsage]
