"""People who sign in: their roles, their passwords (argon2id), and what keeps a password from being guessed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import argon2

from crossdock.govern.people import People
from crossdock.govern.rights import ROLES
from crossdock.govern.settings import Settings
from crossdock.store import callers
from crossdock.store.callers import Person
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable

_PASSWORD_CHARACTERS_MIN = 12
_PASSWORD_CHARACTERS_MAX = 200
_NAME_CHARACTERS_MAX = 100
# Five wrong ones are a forgetful person; from then on each costs twice the wait of the one before, up to a quarter of an hour.
_FAILURES_FREE = 5
_WAIT_MINUTES_MAX = 15

_hasher = argon2.PasswordHasher()  # RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes; about 50 ms
# Of a password nobody has: a name that nobody has takes as long as any other.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$8ToLk38M5M//lPO0i1biug$6eWwm5GyCuBqQCeJrHNLkv/1z8GBbCyXY8hHoT3dW3g"


class NotSignedIn(Exception):
    """The name or the password is wrong; which of them is not said."""


class SignInLater(NotSignedIn):
    """Too many wrong passwords; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong passwords; try again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Personnel:
    """Somebody who says who may sign in, inside one transaction."""

    tx: Transaction
    settings: Settings
    by: str

    async def set(self, wanted: Person) -> bool:
        """Add somebody, or change their roles, tenants and password (given in clear); answers whether they are new."""
        self._check(wanted)
        held = await callers.person(self.tx, wanted.name, to_change=True)
        name = held.name if held else wanted.name
        await callers.keep_person(
            self.tx, replace(wanted, name=name, password=await _kept_password(held, wanted.password))
        )
        after = (_told(wanted) or {}) | {"password": "changed" if wanted.password else "kept"}
        await self._record("change person" if held else "add person", name, _told(held), after)
        return held is None

    async def end(self, name: str) -> None:
        """They can't sign in any more, and their tokens end."""
        held = await callers.person(self.tx, name, to_change=True)
        if held is None or held.ended_at is not None:
            raise NotDecidable(f"nobody is called {name}; list them with: crossdock person list")
        await callers.end_person(self.tx, held.name)
        await self._record("end person", held.name, _told(held), None)

    def _check(self, wanted: Person) -> None:
        if not 0 < len(wanted.name.strip()) <= _NAME_CHARACTERS_MAX or not wanted.name.isprintable():
            raise NotDecidable("a person has a name of up to 100 printable characters")
        if unknown := sorted(set(wanted.roles) - set(ROLES)):
            raise NotDecidable(f"there is no role {unknown[0]}; roles are {', '.join(ROLES)}")
        if not wanted.roles:
            raise NotDecidable(f"give them a role; roles are {', '.join(ROLES)}")
        if unknown := sorted(set(wanted.tenants) - set(self.settings.tenants)):
            raise NotDecidable(
                f"there is no tenant {unknown[0]}; tenants are {', '.join(sorted(self.settings.tenants))}"
            )
        if wanted.password and not _PASSWORD_CHARACTERS_MIN <= len(wanted.password) <= _PASSWORD_CHARACTERS_MAX:
            raise NotDecidable(f"a password has {_PASSWORD_CHARACTERS_MIN} to {_PASSWORD_CHARACTERS_MAX} characters")

    async def _record(self, what: str, subject: str, before: object, after: object) -> None:
        await Decider(self.tx, self.by).record(what, person=subject, before=before, after=after)


async def _kept_password(held: Person | None, given: str) -> str:
    if given:
        return await asyncio.to_thread(_hasher.hash, given)
    if held is None or held.ended_at is not None:
        raise NotDecidable("a new person needs a password")
    return held.password


def _told(person: Person | None) -> dict[str, object] | None:
    return person and {"roles": sorted(person.roles), "tenants": sorted(person.tenants)}


async def signed_in(tx: Transaction, name: str, password: str, now: datetime) -> Person | NotSignedIn:
    """Who this is; wrong passwords are counted, so the transaction has to be committed whatever the answer."""
    held = await callers.person(tx, name, to_change=True)
    known = held if held is not None and held.ended_at is None else None
    if known is not None and (wait := _wait(known, now)):
        return SignInLater(wait)
    right = await asyncio.to_thread(_fits, known.password if known else _NOBODY, password)
    if known is None:
        return NotSignedIn()
    await callers.note_sign_in(tx, known.name, failed=not right)
    return known if right else NotSignedIn()


def _wait(person: Person, now: datetime) -> int:
    """Seconds until the next try counts."""
    if person.failures < _FAILURES_FREE or person.failed_at is None:
        return 0
    minutes = min(2 ** min(person.failures - _FAILURES_FREE, 10), _WAIT_MINUTES_MAX)
    left = person.failed_at + timedelta(minutes=minutes) - now
    return max(0, int(left.total_seconds()) + 1) if left > timedelta() else 0


def _fits(kept: str, given: str) -> bool:
    try:
        return _hasher.verify(kept, given[: _PASSWORD_CHARACTERS_MAX + 1])
    except argon2.exceptions.VerifyMismatchError:
        return False


async def people_of(tx: Transaction, settings: Settings) -> People:
    """Who may decide, by role: the people of the settings, and those who sign in."""
    found = {role: list(names) for role, names in settings.people.items()}
    for person in await callers.persons(tx):
        for role in person.roles if person.ended_at is None else ():
            known = found.setdefault(role, [])
            if person.name.casefold() not in {name.casefold() for name in known}:
                known.append(person.name)
    return {role: tuple(names) for role, names in found.items()}
