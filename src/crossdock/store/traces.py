"""Traces that somebody else began, by what they are about: the way from one process's spans to another's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from crossdock.store.database import Transaction, columns, rows
from crossdock.store.statements import load

_SQL = load("traces")


def message_name(connection: str, identity: str) -> str:
    """The name of a message, as traces are remembered by it."""
    return f"message:{connection}:{identity}"


async def remember(tx: Transaction, parents: Mapping[str, str]) -> dict[str, str]:
    """By name, the W3C `traceparent` of the span above; answers those that are followed by it from now on."""
    if not parents:
        return {}
    return dict(await rows(tx, _SQL["remember"], columns(("name", "parent"), sorted(parents.items()))))


async def parents(tx: Transaction, names: Collection[str]) -> dict[str, str]:
    return dict(await rows(tx, _SQL["parents"], {"name": list(names)}))
