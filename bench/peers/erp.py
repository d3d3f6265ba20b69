"""The ERP of this measurement: the stand-in, without keys. It books every sale it is sent, and counts them by order.

Run as a program it is the system: `python -m bench.peers.erp [TRAVEL_SECONDS]`. A call takes that long, and is booked in the
middle of it: who is killed while waiting for the answer can't know. Who wants to know can search by the caller's reference.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import uvloop

from bench.standin import BULK, Conversation, Item, Ledger, Receipt, Settings
from crossdock.canonical.order import PartyAccount, SalesOrder
from crossdock.connect.connector import Command, Connector
from crossdock.connect.effects import Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome

_SEARCHED_BY = Searchable(by="key", visible_after=timedelta(seconds=1), max_travel=timedelta(seconds=2))
"""A call that was sent is booked within milliseconds, and found at once."""

connector: Connector[Settings] = Connector("peer_erp", Settings)
_receipts = msgspec.json.Decoder(list[Receipt])


class _Order(msgspec.Struct):
    id: str


class _Sale(msgspec.Struct):
    order: _Order


_sale = msgspec.json.Decoder(_Sale)


async def _answered(path: str, sent: Any, link: Link[Settings]) -> Mapping[str, Outcome]:
    answer = await link.http.post(path, sent)
    return {each.key: Confirmed(id=each.id) for each in _receipts.decode(answer.body)}


def _items(commands: Sequence[Command]) -> list[Item]:
    return [Item(each.key, msgspec.Raw(msgspec.json.encode(each.body))) for each in commands]


@connector.bulk_act(SalesOrder, effect=[_SEARCHED_BY], size=BULK)
async def post_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _answered("/sales", _items(commands), link)


@connector.find(SalesOrder)
async def find_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _answered("/found", [each.key for each in commands], link)


@connector.state(PartyAccount, size=BULK)
async def put_parties(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _answered("/parties", _items(commands), link)


class Bookings(Ledger):
    """How often each order was booked, whatever it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.by_order: Counter[str] = Counter()

    def take(self, kind: str, body: bytes) -> bytes:
        match kind:
            case "_bookings":
                return msgspec.json.encode(self.by_order)
            case "found":
                keys = msgspec.json.decode(body, type=list[str])
                return msgspec.json.encode([Receipt(key, str(self.numbers[key])) for key in keys if key in self.at])
            case "sales":
                self.by_order.update(_sale.decode(item.body).order.id for item in self._decoder.decode(body))
        return super().take(kind, body)


class Travelling(Conversation):
    """A conversation in which a sale takes a while to arrive, and its answer as long to come back."""

    def __init__(self, ledger: Bookings, travel_seconds: float) -> None:
        super().__init__(ledger)
        self._half = travel_seconds / 2

    def on_message_complete(self) -> None:
        if self._half and self._url == b"/sales":
            asyncio.get_running_loop().call_later(self._half, self._book, b"".join(self._parts))
        else:
            super().on_message_complete()

    def _book(self, body: bytes) -> None:
        asyncio.get_running_loop().call_later(self._half, self._say, self._ledger.take("sales", body))

    def _say(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def serve(travel_seconds: float) -> None:
    ledger = Bookings()
    server = await asyncio.get_running_loop().create_server(lambda: Travelling(ledger, travel_seconds), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"ready": True, "address": address}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
