"""Who is behind a request: passwords and one-time links, the sessions they begin, and what each person's roles allow.

The one place that knows how people prove who they are; pages only see a `Person`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from crossdock.console.asking import PREFIX, Asked, Denied
from crossdock.govern.people import People, named
from crossdock.govern.persons import NotSignedIn, SignInLater, signed_in
from crossdock.store import sessions, settling
from crossdock.store.database import Database
from crossdock.store.sessions import Entered

COOKIE = "crossdock_session"
_SESSION_HOURS = 12
_TOKEN_BYTES = 32
DECIDES = frozenset({"operator", "engineer", "admin"})
"""Roles that may decide cases; approvals need the role that the request names besides."""
SEES_BUYERS = frozenset({"operator", "finance", "support", "admin"})
"""Roles that see buyers' names and addresses; to all others they are masked."""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in; `name` is what their decisions are recorded under."""

    name: str
    roles: frozenset[str]
    csrf: str

    @property
    def may_decide(self) -> bool:
        return bool(self.roles & DECIDES)

    @property
    def sees_buyers(self) -> bool:
        return bool(self.roles & SEES_BUYERS)


@dataclass(frozen=True)
class SigningIn:
    """`people` are the settings' roles and who is in them."""

    database: Database
    people: People
    tenants: frozenset[str]

    async def invited(self, token: str) -> str:
        """For whom a link is; asking doesn't use it up, for mail scanners and browsers look at links ahead of people."""
        async with self.database.transaction() as tx:
            person = await sessions.person_of_link(tx, token)
        if person is None:
            raise Denied(
                403, "This link can't be used", "It was used already, or is too old. Get another: crossdock console"
            )
        return person

    async def enter(self, asked: Asked, token: str) -> tuple[bytes, bytes]:
        """Use a link up; the cookie of the session it begins, always a new one."""
        check_same_site(asked)
        session = secrets.token_urlsafe(_TOKEN_BYTES)
        async with self.database.transaction() as tx:
            entered = await sessions.enter(tx, token, session, _SESSION_HOURS)
        if entered is None:
            await self.invited(token)
        return _cookie(asked, session, _SESSION_HOURS * 3600)

    async def enter_by_password(self, asked: Asked) -> tuple[bytes, bytes]:
        """Sign in as one of the hub's people; wrong passwords are counted and slowed down there."""
        check_same_site(asked)
        session = secrets.token_urlsafe(_TOKEN_BYTES)
        password = asked.form.get("password", [""])[0]
        async with self.database.transaction() as tx:
            found = await signed_in(tx, asked.of_form("name"), password, await settling.now(tx))
            if not isinstance(found, NotSignedIn):
                await sessions.begin(tx, Entered(found.name, ()), session, _SESSION_HOURS, found.generation)
        if isinstance(found, SignInLater):
            raise Denied(429, "Too many wrong passwords", f"Try again in {found.seconds} s.")
        if isinstance(found, NotSignedIn):
            raise Denied(401, "That is not right", "The name or the password is wrong.")
        return _cookie(asked, session, _SESSION_HOURS * 3600)

    async def who(self, asked: Asked) -> Person | None:
        """The person of this request's session, with the roles the settings give them today."""
        session = asked.cookies.get(COOKIE, "")
        if not session:
            return None
        async with self.database.transaction() as tx:
            found = await sessions.who(tx, session)
        if found is None:
            return None
        if found.tenants and not self.tenants <= set(found.tenants):
            shown = ", ".join(sorted(found.tenants))
            raise Denied(
                403, "This is about every tenant", f"You see {shown} only, and pages don't. Use the API instead."
            )
        own = {role for role in self.people if named(self.people, role, found.person)}
        return Person(found.person, frozenset(found.roles) | own, csrf_of(session))

    async def leave(self, asked: Asked) -> tuple[bytes, bytes]:
        async with self.database.transaction() as tx:
            await sessions.leave(tx, asked.cookies.get(COOKIE, ""))
        return _cookie(asked, "", 0)


def csrf_of(session: str) -> str:
    """What each form of this session carries; nobody finds it who doesn't hold the session."""
    return hashlib.sha256(b"csrf:" + session.encode()).hexdigest()


def check_form(asked: Asked, person: Person) -> None:
    """`Denied` unless the form was made by a page of ours for this very session."""
    check_same_site(asked)
    if not hmac.compare_digest(asked.of_form("csrf").encode(), person.csrf.encode()):
        raise Denied(403, "Please send that again", "The page you sent was not made for this session. Reload it first.")


def check_same_site(asked: Asked) -> None:
    """What every browser of these years says by itself about where a request comes from."""
    if asked.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Denied(403, "That came from another site", "Only the console's own pages can ask this of it.")


def _cookie(asked: Asked, session: str, seconds: int) -> tuple[bytes, bytes]:
    # A proxy that ends TLS in front of us says so; on plain loopback a Secure cookie would not come back in every browser.
    secure = "; Secure" if asked.headers.get("x-forwarded-proto") == "https" else ""
    told = f"{COOKIE}={session}; Path={PREFIX}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    return b"set-cookie", told.encode()
