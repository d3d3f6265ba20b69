"""Links that let one person into the console, once: made where the hub runs, for whoever may use its command line."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from getpass import getuser

from crossdock.store import sessions
from crossdock.store.database import Database

CONSOLE = "/console"
USER_VARIABLE = "CROSSDOCK_USER"
LINK_MINUTES = 30
_TOKEN_BYTES = 32
_NAME_CHARACTERS_MAX = 100
DECIDING = ("operator",)
VIEWING = ("viewer",)


async def invitation(
    database: Database, person: str, roles: Iterable[str] = DECIDING, minutes: int = LINK_MINUTES
) -> str:
    """The path of a link for this person, who has these roles beside those of [people]."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    async with database.transaction() as tx:
        await sessions.make_link(tx, token, person.strip()[:_NAME_CHARACTERS_MAX], sorted(roles), minutes)
    return f"{CONSOLE}/enter/{token}"


def whoever_started_this() -> str:
    """The person behind this process: `CROSSDOCK_USER`, or else the system's user."""
    return os.environ.get(USER_VARIABLE) or getuser()
