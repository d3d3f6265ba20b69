"""A hub with its API on a port of its own, and somebody who asks it; for every test of the API."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import msgspec
import uvicorn

from crossdock.canonical.returns import Return
from crossdock.cli.tracing import builtins_of
from crossdock.gateway.api import Api, with_api
from crossdock.govern.consumers import Registrar
from crossdock.govern.persons import Personnel
from crossdock.govern.tokens import signing_secrets
from crossdock.promises.standing import Standing
from crossdock.settle.reading import Targets, read
from crossdock.store import settling
from crossdock.store.callers import Consumer, Person
from tests.stage import Stage, order, staged
from tests.standin.target import Target

ALL = ["returns:write", "allowances:write", "orders:read"]
KEYS = {"desk": ALL, "reader": ["orders:read"], "other": ALL, "auditor": ["audit:read"]}
PASSWORD = "correct horse battery"
_SECRET = "CROSSDOCK_TEST_API_SECRET"
API = {"secrets": [f"env:{_SECRET}"]}


@dataclass
class Desk:
    """Somebody at the API; every POST has a key of its own unless it is given one."""

    url: str
    session: aiohttp.ClientSession
    stage: Stage
    keys: dict[str, str]
    """What each caller sends, by name."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the last answer."""
    _count: int = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "desk",
        key: str | None = "",
        **headers: str,
    ) -> tuple[int, Any]:
        self._count += 1
        sent = dict(headers)
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {self.keys.get(who, who)}")
        if key is not None and method in ("POST", "PUT"):
            sent["Idempotency-Key"] = key or f"key-{self._count}"
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = None if body is None else io.BytesIO(encoded)
        async with self.session.request(method, f"{self.url}{path}", data=given, headers=sent) as answer:
            text = await answer.read()
            self.headers = answer.headers
            if answer.status >= 400:
                assert answer.content_type in ("application/problem+json", "application/json")
            return answer.status, msgspec.json.decode(text)

    async def post(self, path: str, body: Any = None, **rest: Any) -> tuple[int, Any]:
        return await self.ask("POST", f"/v1/orders/{path}", body or {}, **rest)

    async def done(self, path: str, body: Any = None, **rest: Any) -> Any:
        status, told = await self.post(path, body, **rest)
        assert status == 202, told
        assert self.headers["Location"] == told["href"]
        return told

    async def refused(self, status: int, field: str | None, path: str, body: Any = None, **rest: Any) -> str:
        """The problem's text; and nothing has come of it."""
        before = self.written()
        answered, told = await self.post(path, body, **rest)
        assert (answered, told.get("field")) == (status, field), told
        assert told["status"] == status
        assert told["type"].startswith("urn:crossdock:problem:")
        assert told["title"]
        assert told["remedy"]
        assert self.written() == before
        return told["detail"]

    def written(self) -> list[Any]:
        tables = ("inbox", "operation", "own_fact", "document", "dirty")
        return [self.stage.count(f"select count(*) from {table}") for table in tables]

    async def standing(self) -> Standing:
        async with self.stage.database.transaction() as tx:
            unsettled = await settling.entities_by_key(tx, ["order:shop:1"])
            record = await settling.on_record(tx, unsettled, b"")
        return read(unsettled, record, Targets(), record.as_of)[0].standing

    async def returned(self, id_: str) -> Return:
        await self.stage.settle()
        return next(fact.body for fact in (await self.standing()).of("return") if fact.body.id == id_)

    async def admit(self, name: str, scopes: Sequence[str], tenant: str = "main", connection: str = "") -> None:
        """One more consumer, by its name from now on."""
        wanted = Consumer(name, "the tests", tenant, connection, list(scopes), 6000)
        async with self.stage.database.transaction() as tx:
            registrar = Registrar(tx, self.stage.hub.settings, "a test")
            await registrar.set(wanted)
            self.keys[name] = (await registrar.add_key(name)).whole

    async def employ(self, name: str, *roles: str, tenants: Sequence[str] = ()) -> None:
        """One more person, signed in."""
        await employed(self.stage, name, roles, tenants)
        status, told = await self.ask("POST", "/v1/sign-in", {"name": name, "password": PASSWORD}, who=None, key=None)
        assert status == 200, told
        self.keys[name] = told["access_token"]

    async def end(self, name: str) -> None:
        async with self.stage.database.transaction() as tx:
            await Registrar(tx, self.stage.hub.settings, "a test").end(name)


async def employed(stage: Stage, name: str, roles: Sequence[str], tenants: Sequence[str] = ()) -> None:
    async with stage.database.transaction() as tx:
        personnel = Personnel(tx, stage.hub.settings, "a test")
        await personnel.set(Person(name, list(roles), list(tenants), PASSWORD))


@asynccontextmanager
async def desk(database_url: str, *placed: Any, **settings: Any) -> AsyncGenerator[Desk]:
    """A hub that knows one order of 3 MUG and 3 TEA (60.00 USD), and its API on a port of its own."""
    os.environ.setdefault(_SECRET, "for the tests alone, not for any hub")
    more = {"api": API} | settings.pop("more", {})
    async with Target().serve() as target, staged(database_url, target, more=more, **settings) as stage:
        await stage.tell(*(placed or [order(skus=["MUG", "TEA"])]))
        async with serving(stage) as url, aiohttp.ClientSession() as session:
            at = Desk(url, session, stage, {})
            for name, scopes in KEYS.items():
                await at.admit(name, scopes)
            yield at


@asynccontextmanager
async def serving(stage: Stage) -> AsyncGenerator[str]:
    """The address of a stage's API."""
    told = partial(builtins_of, settings=stage.hub.settings)
    secrets = await signing_secrets(stage.database, stage.hub.settings)
    api = Api(stage.hub.settings, stage.database, told, stage.hub.received, secrets, stage.hub.lines)
    app = with_api(api, _nothing)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        await api.close()


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
