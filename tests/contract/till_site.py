"""A simulated shop's tills, told to a hub that is stepped by hand, with the online shop they take returns for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from crossdock.canonical.nouns import FACTS
from crossdock.connectors.square import connector
from crossdock.govern.settings import Settings, settings_from
from crossdock.hub import ROLES, open_hub
from crossdock.simulators.pos import ACCESS_TOKEN, Till
from crossdock.simulators.running import serving
from crossdock.store.inbox import Message
from tests.stage import Stage
from tests.standin.target import Target


@dataclass
class Site(Stage):
    """A hub with an online shop `shop` and tills `till`."""

    till: Till = None  # pyright: ignore[reportAssignmentType]  # a dataclass's parent has defaults
    refused: int = 0

    async def heard(self) -> None:
        """Everything the tills told has come in, and all of it is read, known and acted on."""
        await self.till.sender.idle()
        await self.run()

    def facts(self, kind: str) -> list[tuple[str, str | None, Any]]:
        """(id, entity, noun) of what the tills say of a kind, by id; what an order lists of a refund is evidence beside it."""
        found = self.rows(
            "select id, entity, body from document where connection = 'till' and kind = %s and not gone"
            " and fact = kind || ':till:' || id order by id",
            kind,
        )
        return [(id_, entity, msgspec.json.decode(body, type=FACTS[kind])) for id_, entity, body in found]

    def fact(self, kind: str) -> tuple[str, str | None, Any]:
        (only,) = self.facts(kind)
        return only


@contextlib.asynccontextmanager
async def site(database_url: str, folder: Path) -> AsyncGenerator[Site]:
    at: Site

    async def take(request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        assert connector.door is not None
        if not connector.door.genuine(headers, body, [at.till.webhook_secret.encode()]):
            at.refused += 1
            return web.Response(status=401)
        delivery = connector.door.describe(headers, body)
        await at.receive(Message("till", delivery.topic, body, delivery.message_id))
        return web.Response()

    app = web.Application()
    app.router.add_post("/in/till", take)
    async with serving(app) as door, Target().serve() as target:
        till = Till(f"{door.url}/in/till")
        async with till.serve() as running:
            settings = _settings(target.url, running.url, till, folder)
            async with open_hub(settings, database_url, ROLES) as hub:
                await hub.leases.beat()
                at = Site(database_url, hub, target, till)
                yield at
                await hub.leases.leave()


def _settings(target: str, url: str, till: Till, folder: Path) -> Settings:
    (folder / "token").write_text(ACCESS_TOKEN)
    (folder / "webhooks").write_text(till.webhook_secret)
    connections: dict[str, Any] = {
        name: {"connector": "tests.standin", "url": target} for name in ("shop", "erp", "warehouse", "mail")
    }
    connections["till"] = {
        "connector": "square",
        "url": url,
        "access_token": f"file:{folder / 'token'}",
        "webhook_secrets": [f"file:{folder / 'webhooks'}"],
        "locations": ["STORE-1"],
    }
    return settings_from(
        {
            "hub": {"probe_seconds": 0.1},
            "roles": {"erp": "erp", "warehouse": "warehouse"},
            "connections": connections,
        },
        folder / "crossdock.toml",
    )
