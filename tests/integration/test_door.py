"""The door: what is acknowledged is durable, what is forged leaves nothing, and what is broken is kept with the reason."""

from __future__ import annotations

import asyncio
import base64
import hmac
import inspect
import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import psycopg
import pytest
import uvicorn

from crossdock.connectors import shopify
from crossdock.gateway.door import WebhookDoor
from crossdock.gateway.inlet import Inlet
from crossdock.govern.connections import Connection, Pace
from crossdock.settle.translation import translate_pending
from crossdock.simulators.shop_load import order_webhook
from crossdock.store.database import Database
from tests import standin
from tests.stage import order, told

SECRET = "simulated-client-secret"
BYTES_MAX = 100_000
CONNECTIONS: Any = {"shop": shopify.connector, "till": standin.connector}


class Opened:
    """A door on a port of its own, and what it stored."""

    def __init__(self, url: str, database: Database, session: aiohttp.ClientSession) -> None:
        self.url, self.database, self.session = url, database, session

    async def post(self, body: bytes, headers: dict[str, str], connection: str = "shop") -> int:
        async with self.session.post(f"{self.url}/in/{connection}", data=io.BytesIO(body), headers=headers) as answer:
            await answer.read()
            return answer.status

    async def tell(self, body: bytes, topic: str = "document", id_: str = "m1") -> int:
        signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
        return await self.post(body, {"X-Topic": topic, "X-Id": id_, "X-Signature": signature}, "till")

    async def shop(self, body: bytes, topic: str = "orders/create", id_: str = "e1") -> int:
        signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
        headers = {"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": topic, "X-Shopify-Event-Id": id_}
        return await self.post(body, headers)

    async def fates(self) -> list[tuple[int, str | None]]:
        """(outcome, reason) of everything stored, once translated."""
        while await translate_pending(self.database, CONNECTIONS, 100):
            pass
        with psycopg.connect(self.database.url) as connection:
            return connection.execute("select outcome, reason from inbox order by id").fetchall()


@asynccontextmanager
async def opened(database_url: str, *, connections_max: int = 4) -> AsyncGenerator[Opened]:
    given = standin.connector.settings(url="", webhook_secrets=(standin.Secret(SECRET),))
    connections = {name: Connection(name, each, given, Pace()) for name, each in CONNECTIONS.items()}
    async with Database(database_url, connections_max=connections_max) as database:
        inlet = Inlet(database, asyncio.Event())
        server = uvicorn.Server(
            uvicorn.Config(_door(connections, inlet, database), port=0, log_level="error", lifespan="off", ws="none")
        )
        serving = asyncio.create_task(server._serve())  # pyright: ignore
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
                yield Opened(f"http://127.0.0.1:{port}", database, session)
        finally:
            server.should_exit = True
            await serving
            await inlet.close()


def _door(connections: Any, inlet: Inlet, database: Database) -> Any:
    names = list(inspect.signature(WebhookDoor.__init__).parameters)[1:]
    given = {"connections": connections, "inlet": inlet, "message_bytes_max": BYTES_MAX, "database": database}
    return WebhookDoor(**{name: given[name] for name in names if name in given})


async def test_a_forged_message_is_refused_and_leaves_nothing(database_url: str) -> None:
    headers, body = order_webhook(1)
    forgeries = [
        (body, headers | {"X-Shopify-Hmac-Sha256": "AAAA"}),
        (body, {name: value for name, value in headers.items() if "Hmac" not in name}),
        (body.replace(b"USD", b"EUR"), headers),
        (body + b" ", headers),
        (b"", headers),
        (body, headers | {"X-Shopify-Hmac-Sha256": "é" * 40}),
    ]
    async with opened(database_url) as door:
        for forged, with_headers in forgeries:
            assert await door.post(forged, dict(with_headers)) == 401
        assert await door.fates() == []


@pytest.mark.parametrize("connection", ["shop", "till"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON at all",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"{}",
        b"[]",
        b"null",
        b'{"id": "x", "line_items": 7}',
        b'{"kind": "order", "id": 5}',
        b'{"kind": "order", "id": "1", "entity": "order:till:1", "token": 1, "body": {"id": 3}}',
        b'{"kind": "pigeon", "id": "1", "entity": "order:till:1", "token": 1, "body": {}}',
        b'{"kind": "order", "id": "1\\u0000", "entity": "order:till:1", "token": 1}',
        b'{"kind": "order", "id": "1", "entity": "order:till:1", "token": 99999999999999999999999}',
        b'{"kind": "order", "id": "\\ud800", "entity": "order:till:1", "token": 1}',
        b"1" * 4000,
    ],
    ids=range(16),
)
async def test_a_genuine_message_that_makes_no_sense_is_acknowledged_and_kept_with_the_reason(
    database_url: str, connection: str, body: bytes
) -> None:
    async with opened(database_url) as door:
        assert await (door.shop(body) if connection == "shop" else door.tell(body)) == 200
        [(outcome, reason)] = await door.fates()
        assert outcome == 3
        assert reason


async def test_a_token_no_column_holds_is_kept_aside_without_its_neighbours(database_url: str) -> None:
    """A number of 64 bits and one more: a batch must not fail for it."""
    wide = msgspec.json.encode(msgspec.structs.replace(told(order("1")), token=2**63))
    async with opened(database_url) as door:
        assert await door.tell(wide, id_="wide") == 200
        assert await door.tell(msgspec.json.encode(told(order("2"))), id_="fine") == 200
        assert [outcome for outcome, _ in await door.fates()] == [3, 1]


async def test_a_message_too_large_is_acknowledged_and_its_start_kept_with_the_reason(database_url: str) -> None:
    async with opened(database_url) as door:
        assert await door.tell(b'{"a": "' + b"x" * (BYTES_MAX + 1) + b'"}') == 200
        [(outcome, reason)] = await door.fates()
        assert outcome == 3
        assert reason
        assert "message_bytes_max" in reason
        assert await door.tell(b"x" * (17 * 1024 * 1024), id_="m2") == 413
        assert len(await door.fates()) == 1


async def test_a_topic_nobody_translates_is_kept_with_the_reason(database_url: str) -> None:
    async with opened(database_url) as door:
        assert await door.tell(b"{}", topic="x" * 5000) == 200
        [(outcome, reason)] = await door.fates()
        assert outcome == 3
        assert reason


async def test_nothing_is_acknowledged_while_the_database_is_down(database_url: str) -> None:
    body = msgspec.json.encode(told(order("1")))
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    server = psycopg.conninfo.make_conninfo(database_url, dbname="postgres")
    async with opened(database_url, connections_max=1) as door:
        assert await door.tell(body, id_="before") == 200
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f'alter database "{name}" allow_connections false')  # pyright: ignore
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            assert await door.tell(body, id_="lost") == 503
            admin.execute(f'alter database "{name}" allow_connections true')  # pyright: ignore
        for _ in range(100):
            if await door.tell(body, id_="lost") == 200:
                break
            await asyncio.sleep(0.1)
        assert len(await door.fates()) == 2


async def test_many_at_once_are_each_stored_once_however_often_they_come(database_url: str) -> None:
    bodies = [msgspec.json.encode(told(order(str(n)))) for n in range(60)]
    async with opened(database_url) as door:
        answers = await asyncio.gather(*(door.tell(bodies[n % 60], id_=f"m{n % 60}") for n in range(240)))
        assert set(answers) == {200}
        assert [outcome for outcome, _ in await door.fates()] == [1] * 60


async def test_other_doors_and_methods_say_what_is_right(database_url: str) -> None:
    async with opened(database_url) as door:
        assert await door.post(b"", {}, "nobody") == 404
        async with door.session.get(f"{door.url}/in/shop") as answer:
            assert answer.status == 405
