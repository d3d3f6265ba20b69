"""Who and what is connected: consumers with their keys, and connectors with what they can do and how they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossdock.connect.matrix import ACTS, READS, acts_of, reads_of
from crossdock.console.asking import Answered, Asked
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.govern.connections import Connection
from crossdock.store import callers, traffic
from crossdock.store import connections as store


async def consumers(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Systems that use the API: owners, scopes, quotas, keys and when each was used last."""
    async with desk.looking() as tx:
        found = await callers.consumers(tx)
        keys = await callers.keys(tx, [each.name for each in found])
        samples = {each.whose: each for each in await traffic.samples(tx)}
    return desk.pages.page(
        "consumers.html",
        asked,
        person,
        consumers=[
            (each, [key for key in keys if key.consumer == each.name], samples.get(each.name)) for each in found
        ],
    )


@dataclass(frozen=True, slots=True)
class Health:
    """How a connection is: `word` in a few, `sort` as the pages' colours have it."""

    word: str
    sort: str
    why: str = ""


_BRAKES = {"outage": "down", "refused": "refuses us", "regression": "set back"}


async def connectors(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Every connection with its connector's declarations and its health."""
    async with desk.looking() as tx:
        standing = {row[0]: row for row in await store.standing(tx, sorted(desk.settings.connections))}
        backlog = await store.backlog(tx)
        failures = await store.recent_failures(tx)
    return desk.pages.page(
        "connectors.html",
        asked,
        person,
        rows=[
            (
                each,
                _health(standing[name], backlog.get(name), failures.get(name, {})),
                _declared(each),
                _parts(desk, name),
            )
            for name, each in sorted(desk.settings.connections.items())
        ],
        acts=ACTS,
        reads=READS,
    )


def _health(standing: Any, open_: Any, failures: dict[str, int]) -> Health:
    kind, reason = standing[7], standing[8]
    if kind:
        return Health(_BRAKES.get(str(kind), str(kind)), "bad", str(reason))
    if open_ and open_[3]:
        return Health(f"{open_[3]} in a case", "warn")
    if open_ and open_[4]:
        return Health(f"{open_[4]} late", "warn")
    if failures:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(failures.items()))
        return Health("works", "info", f"not confirmed in the last hour: {told}")
    return Health("works", "ok")


def _declared(connection: Connection) -> tuple[Any, Any, list[str]]:
    connector = connection.connector
    return acts_of(connector), reads_of(connector), sorted(connector.topics)


def _parts(desk: Desk, name: str) -> list[str]:
    roles = desk.settings.policy.roles
    return [role for role in roles.__struct_fields__ if getattr(roles, role) == name]
