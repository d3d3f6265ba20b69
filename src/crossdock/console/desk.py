"""What every page of the console is made with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from crossdock.console.rendering import Pages
from crossdock.console.signing_in import Person, SigningIn
from crossdock.govern.settings import Settings
from crossdock.store import figures
from crossdock.store.database import Database, Transaction
from crossdock.store.decisions import Decider

# A page that takes longer is of no use to anybody, and would only hold up the others.
_PAGE_MILLISECONDS_MAX = 8_000
_CONNECTIONS_MAX = 6


@dataclass(frozen=True)
class Desk:
    """`stored` is set when something waits for translation, `closing` when the process ends."""

    settings: Settings
    database: Database
    stored: asyncio.Event
    pages: Pages = field(default_factory=Pages)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def signing_in(self) -> SigningIn:
        return SigningIn(self.database, self.settings.people, frozenset(self.settings.tenants))

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncGenerator[Transaction]:
        """A transaction for a page; its statements end when they take too long."""
        async with self.database.transaction() as tx:
            await figures.have_patience(tx, _PAGE_MILLISECONDS_MAX)
            yield tx

    @contextlib.asynccontextmanager
    async def deciding(self, person: Person) -> AsyncGenerator[Decider]:
        """A person deciding inside one transaction."""
        async with self.looking() as tx:
            yield Decider(tx, person.name)


@contextlib.asynccontextmanager
async def open_desk(settings: Settings, url: str, stored: asyncio.Event) -> AsyncGenerator[Desk]:
    """With connections of its own: pages want the planner's choice, where the hub's loops must follow indexes."""
    async with Database(url, connections_max=_CONNECTIONS_MAX) as database:
        yield Desk(settings, database, stored)
