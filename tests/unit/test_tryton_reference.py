"""What the Tryton connector keeps of products, when two batches ask for them at the same moment."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from crossdock.connect.link import Link
from crossdock.connect.secrets import Secret
from crossdock.connectors.tryton import Settings
from crossdock.connectors.tryton.reference import products
from tests.unit.test_link import line_to

MUG = {"id": 7, "code": "MUG", "sale_uom": 1, "default_uom": 1, "salable": True}


class Answers:
    """Tryton's few answers a look-up needs; products are told when all who will ask have asked."""

    def __init__(self, askers: int) -> None:
        self._together = asyncio.Barrier(askers)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        method = (await request.json())["method"]
        if method == "model.product.product.search_read":
            await self._together.wait()
        return web.json_response({"id": 1, "result": self._result(method)})

    def _result(self, method: str) -> Any:
        return {"common.db.login": [1, "token"], "model.res.user.get_preferences": {}}.get(method, [MUG])


async def test_a_product_two_batches_ask_for_at_once_is_known_once() -> None:
    async with line_to(Answers(askers=2)) as line:
        settings = Settings(url="", database="db", user="hub", password=Secret("x"), shop="Shop", warehouse="WH")
        link = Link(settings, line.http, {}, line.guard)
        for found in await asyncio.gather(products(link, ["MUG"]), products(link, ["MUG"])):
            assert [row.id for row in found["MUG"]] == [MUG["id"]]
