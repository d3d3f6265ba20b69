"""An ERP stand-in that answers at once and keeps a count by key, and the connectors that talk to it. For measuring only."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec
from aiohttp import web
from crossdock.canonical.order import OrderReference, PartyAccount, SalesOrder
from crossdock.canonical.shipment import ShipmentOrder
from crossdock.connect.connector import Command, Connector
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome

BULK = 100


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    url: str
    timeout_seconds: float = 30.0


class _Item(msgspec.Struct):
    key: str
    body: msgspec.Raw


class _Receipt(msgspec.Struct):
    key: str
    id: str


connector: Connector[Settings] = Connector("standin", Settings)

_receipts = msgspec.json.Decoder(list[_Receipt])


async def _post(noun: str, commands: Sequence[Command], link: Link[Settings]) -> dict[str, Outcome]:
    items = [_Item(each.key, msgspec.Raw(msgspec.json.encode(each.body))) for each in commands]
    answer = await link.http.post(f"/{noun}", items)
    return {each.key: Confirmed(id=each.id) for each in _receipts.decode(answer.body)}


@connector.bulk_act(SalesOrder, effect=[Keyed()], size=BULK)
async def post_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> dict[str, Outcome]:
    return await _post("sales", commands, link)


@connector.bulk_act(ShipmentOrder, effect=[Keyed()], size=BULK)
async def post_shipment_orders(commands: Sequence[Command[ShipmentOrder]], link: Link[Settings]) -> dict[str, Outcome]:
    return await _post("shipment-orders", commands, link)


@connector.state(OrderReference, size=BULK)
async def put_references(commands: Sequence[Command[OrderReference]], link: Link[Settings]) -> dict[str, Outcome]:
    return await _post("references", commands, link)


@connector.state(PartyAccount, size=BULK)
async def put_parties(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> dict[str, Outcome]:
    return await _post("parties", commands, link)


class _Ledger:
    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.calls = 0
        self.repeats = 0
        self.at: dict[str, float] = {}

    def take(self, items: list[_Item]) -> Iterator[_Receipt]:
        self.calls += 1
        now = time.time()
        for item in items:
            if item.key in self.ids:
                self.repeats += 1
            else:
                self.ids[item.key] = str(len(self.ids) + 1)
                self.at[item.key] = now
            yield _Receipt(item.key, self.ids[item.key])


def application(ledger: _Ledger) -> web.Application:
    decoder = msgspec.json.Decoder(list[_Item])

    async def take(request: web.Request) -> web.Response:
        items = decoder.decode(await request.read())
        return web.Response(body=msgspec.json.encode(list(ledger.take(items))), content_type="application/json")

    async def show(_: web.Request) -> web.Response:
        used = resource.getrusage(resource.RUSAGE_SELF)
        told = {"done": len(ledger.ids), "calls": ledger.calls, "repeats": ledger.repeats, "cpu": used.ru_utime + used.ru_stime}
        return web.json_response(told)

    async def times(_: web.Request) -> web.Response:
        return web.json_response(ledger.at)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes([web.get("/_ledger", show), web.get("/_times", times), web.post("/{noun}", take)])
    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    web.run_app(
        application(_Ledger()), host="127.0.0.1", port=port, access_log=None,
        print=lambda *_: print(json.dumps({"ready": True}), flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
