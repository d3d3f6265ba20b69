"""Connections: what each system can do for us now: brakes, budgets, backlogs, failures; and letting one go on."""

from __future__ import annotations

from typing import Any

from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.desk import Desk
from crossdock.console.live import moving
from crossdock.console.signing_in import Person
from crossdock.store import connections as store


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    connectors = {name: each.connector.name for name, each in desk.settings.connections.items()}
    paces = {name: each.pace for name, each in desk.settings.connections.items()}
    async with desk.looking() as tx:
        live = await moving(tx, "home")
        standing = await store.standing(tx, sorted(connectors))
        about: dict[str, Any] = {
            "backlog": await store.backlog(tx),
            "failures": await store.recent_failures(tx),
            "workers": await store.workers(tx),
        }
    roles = {getattr(desk.settings.policy.roles, role): role for role in desk.settings.policy.roles.__struct_fields__}
    return desk.pages.page(
        "connections.html",
        asked,
        person,
        live=live,
        standing=standing,
        connectors=connectors,
        paces=paces,
        roles=roles,
        **about,
    )


async def release(desk: Desk, asked: Asked, person: Person, name: str) -> Answered:
    """Let a stopped lane go on."""
    _check(desk, name)
    async with desk.deciding(person) as decider:
        await decider.release(name)
    return see(to("connections"))


async def open_epoch(desk: Desk, asked: Asked, person: Person, name: str) -> Answered:
    """Accept the state a source was set back to."""
    _check(desk, name)
    async with desk.deciding(person) as decider:
        await decider.open_epoch(name)
    return see(to("connections"))


def _check(desk: Desk, name: str) -> None:
    if name not in desk.settings.connections:
        raise Denied(404, "There is no such connection", "The settings name them.")
