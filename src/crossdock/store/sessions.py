"""One-time links into the console and the sessions they begin; only digests of their tokens are stored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("sessions")


class Entered(NamedTuple):
    """A person and the roles that were given with the link, beside those the settings name."""

    person: str
    roles: Sequence[str]
    tenants: Sequence[str] = ()
    """Those they are limited to; empty: all."""


async def make_link(tx: Transaction, token: str, person: str, roles: Sequence[str], minutes: int) -> None:
    about = {"digest": _digest(token), "person": person, "roles": list(roles), "minutes": minutes}
    await run(tx, _SQL["make_link"], about)


async def person_of_link(tx: Transaction, token: str) -> str | None:
    """For whom a link is that was not used and has not run out."""
    found = await rows(tx, _SQL["link"], {"digest": _digest(token)})
    return found[0][0] if found else None


async def enter(tx: Transaction, token: str, session: str, hours: int) -> Entered | None:
    """Use up a link and begin a session; None when it can't be used (any more)."""
    found = await rows(tx, _SQL["use_link"], {"digest": _digest(token)})
    if not found:
        return None
    entered = Entered(*found[0])
    await begin(tx, entered, session, hours, None)
    return entered


async def begin(tx: Transaction, entered: Entered, session: str, hours: int, generation: int | None) -> None:
    """A session; with a password's generation it ends when that password does."""
    about = {"digest": _digest(session), "person": entered.person, "roles": list(entered.roles), "hours": hours}
    await run(tx, _SQL["begin"], about | {"generation": generation})


async def who(tx: Transaction, session: str) -> Entered | None:
    found = await rows(tx, _SQL["session"], {"digest": _digest(session)})
    return Entered(*found[0]) if found else None


async def leave(tx: Transaction, session: str) -> None:
    await run(tx, _SQL["finish"], {"digest": _digest(session)})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
