"""A console over real HTTP without a browser: people with cookies and forms, as scripts of attackers have them, too."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from crossdock.console.desk import Desk, open_desk
from crossdock.govern.inviting import DECIDING, invitation
from crossdock.govern.settings import Settings
from tests.browser.desks import served
from tests.stage import settings_for

_CSRF = re.compile(rb'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Visitor:
    """One browser's cookies; `csrf` is what its pages' forms carry."""

    address: str
    http: aiohttp.ClientSession
    csrf: str = ""

    async def get(self, path: str = "", **headers: str) -> Answer:
        return await self._ask("GET", path, headers=headers)

    async def post(self, path: str, headers: dict[str, str] | None = None, **form: object) -> Answer:
        told = {"csrf": self.csrf, **{name: str(value) for name, value in form.items()}}
        return await self._ask("POST", path, data=told, headers=headers or {})

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        at = path if path.startswith("/") else f"/console/{path}".rstrip("/")
        url = URL(self.address + at, encoded=True)
        async with self.http.request(method, url, allow_redirects=False, **more) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def sign_in(self, name: str, password: str) -> Answer:
        answer = await self.post("sign-in", name=name, password=password)
        if found := _CSRF.search((await self.get()).body):
            self.csrf = found[1].decode()
        return answer

    async def enter(self, link: str) -> Answer:
        """Use a link, and remember what forms carry from then on."""
        entered = await self.post(link)
        if found := _CSRF.search((await self.get()).body):
            self.csrf = found[1].decode()
        return entered


@dataclass
class House:
    """A console and its visitors."""

    desk: Desk
    address: str
    sessions: list[aiohttp.ClientSession] = field(default_factory=list[aiohttp.ClientSession])

    def stranger(self) -> Visitor:
        self.sessions.append(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        return Visitor(self.address, self.sessions[-1])

    async def person(self, name: str, roles: tuple[str, ...] = DECIDING) -> Visitor:
        """Somebody who came in by a link of their own."""
        visitor = self.stranger()
        assert (await visitor.enter(await invitation(self.desk.database, name, roles))).status == 303
        return visitor


@contextlib.asynccontextmanager
async def house(database_url: str, settings: Settings | None = None) -> AsyncGenerator[House]:
    """A console of a hub that does nothing by itself."""
    told = settings or settings_for("http://127.0.0.1:1", more={"people": {"finance": ["mara"]}})
    async with open_desk(told, database_url, asyncio.Event()) as desk, served(desk) as address:
        found = House(desk, address)
        yield found
        for session in found.sessions:
            await session.close()
