"""`crossdock console`: a link that lets one person into the console, once."""

from __future__ import annotations

from crossdock.cli.app import Failure
from crossdock.cli.asking import ask
from crossdock.govern.inviting import DECIDING, VIEWING, invitation
from crossdock.govern.settings import Settings
from crossdock.store.database import Database


def link_for(person: str, *, view_only: bool, address: str | None) -> str:
    """The whole address; the hub's own where the settings name its port."""

    async def work(database: Database, told: Settings) -> str:
        at = address or _address(told)
        return at.rstrip("/") + await invitation(database, person, VIEWING if view_only else DECIDING)

    return ask(work)


def _address(told: Settings) -> str:
    listen = told.hub.listen
    if listen.endswith(":0"):
        raise Failure("hub.listen takes any free port; say where the hub answers: --address http://127.0.0.1:…")
    return f"http://{listen}"
