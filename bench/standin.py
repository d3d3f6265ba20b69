"""An outside system that answers at once and keeps a true count by key, and the connector that talks to it.

Run as a program it is the system: `python -m bench.standin [CALLS_PER_SECOND]` prints one JSON line with its address. It
speaks HTTP/1.1 straight from the socket, for a web framework would use more of the two cores than the hub it is there to
measure. More calls than it allows are answered 429; SIGUSR1 takes it off the network, and SIGUSR2 puts it back.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import httptools
import msgspec
import uvloop

from crossdock.canonical.nouns import decoder
from crossdock.canonical.order import ErpAddress, OpenUnits, OrderReference, PartyAccount, SalesOrder
from crossdock.canonical.payment import PaymentRefund
from crossdock.canonical.returns import CreditMemo, GoodsReturn, ReturnRecord
from crossdock.canonical.shipment import Fulfilment, GoodsIssue, InvoicePosting, ShipmentLines, ShipmentOrder, ShipTo
from crossdock.connect.connector import Command, Connector
from crossdock.connect.documents import Document, Origin, Translated
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connect.secrets import Secret

BULK = 100
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
FACT = "fact"
"""The topic of a fact told in the retail language as it is."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    url: str
    timeout_seconds: float = 30.0
    webhook_secrets: tuple[Secret, ...] = ()
    calls_per_second: float | None = None
    burst: int = 1


class Item(msgspec.Struct):
    """One command on the wire: its key, and its body as it is."""

    key: str
    body: msgspec.Raw


class Stated(msgspec.Struct):
    """A document on the wire, its body the canonical noun of its kind."""

    kind: str
    id: str
    entity: str
    token: int
    body: msgspec.Raw


class Receipt(msgspec.Struct):
    """What the stand-in calls the thing it made for that key."""

    key: str
    id: str


class Told(msgspec.Struct):
    """The stand-in's true ledger: effects by kind, what was repeated, and the processor time it used itself."""

    done: dict[str, int]
    calls: int
    repeats: int
    cpu_seconds: float
    last_at: float
    throttled: int = 0
    """Calls that were more than it allows."""


connector: Connector[Settings] = Connector("standin", Settings)
_receipts = msgspec.json.Decoder(list[Receipt])


async def _post(kind: str, commands: Sequence[Command], link: Link[Settings]) -> Mapping[str, Outcome]:
    items = [Item(each.key, msgspec.Raw(msgspec.json.encode(each.body))) for each in commands]
    answer = await link.http.post(f"/{kind}", items)
    return {each.key: Confirmed(id=each.id) for each in _receipts.decode(answer.body)}


@connector.bulk_act(SalesOrder, effect=[Keyed()], size=BULK)
async def post_sales(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("sales", commands, link)


@connector.bulk_act(ShipmentOrder, effect=[Keyed()], size=BULK)
async def post_shipment_orders(
    commands: Sequence[Command[ShipmentOrder]], link: Link[Settings]
) -> Mapping[str, Outcome]:
    return await _post("shipment-orders", commands, link)


@connector.state(OrderReference, size=BULK)
async def put_references(commands: Sequence[Command[OrderReference]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("references", commands, link)


@connector.state(PartyAccount, size=BULK)
async def put_parties(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("parties", commands, link)


@connector.state(ErpAddress, size=BULK)
async def put_addresses(commands: Sequence[Command[ErpAddress]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("addresses", commands, link)


@connector.state(ShipTo, size=BULK)
async def put_destinations(commands: Sequence[Command[ShipTo]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("destinations", commands, link)


@connector.bulk_act(CreditMemo, effect=[Keyed()], size=BULK)
async def post_credit_memos(commands: Sequence[Command[CreditMemo]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("credit-memos", commands, link)


@connector.state(OpenUnits)
async def put_open_units(commands: Sequence[Command[OpenUnits]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("open-units", commands, link)


@connector.state(ShipmentLines)
async def put_shipment_lines(commands: Sequence[Command[ShipmentLines]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return await _post("shipment-lines", commands, link)


def _one(kind: str) -> Callable[[Command[Any], Link[Settings]], Awaitable[Outcome]]:
    async def post(command: Command[Any], link: Link[Settings]) -> Outcome:
        return (await _post(kind, [command], link))[command.key]

    return post


# What the real systems take one at a time.
_SINGLE: Mapping[type[msgspec.Struct], str] = {
    GoodsIssue: "goods-issues",
    InvoicePosting: "invoices",
    Fulfilment: "fulfilments",
    GoodsReturn: "goods-returns",
    PaymentRefund: "refunds",
    ReturnRecord: "return-records",
}
for _noun, _kind in _SINGLE.items():
    connector.act(_noun, effect=[Keyed()])(_one(_kind))


@connector.translate(FACT)
def state_fact(body: bytes, origin: Origin) -> Iterator[Translated]:
    stated = msgspec.json.decode(body, type=Stated)
    fact = decoder(stated.kind).decode(stated.body)
    yield Document(kind=stated.kind, id=stated.id, entity=stated.entity, body=fact, token=stated.token)


class Limit:
    """So many calls a second, of which those of one second may come at once."""

    def __init__(self, per_second: float) -> None:
        self.per_second, self.throttled = per_second, 0
        self._left, self._at = per_second, time.monotonic()

    def allows(self) -> bool:
        now = time.monotonic()
        self._left = min(self.per_second, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            self.throttled += 1
            return False
        self._left -= 1
        return True


class Ledger:
    """What really happened: the first arrival of every key."""

    def __init__(self, limit: Limit | None = None) -> None:
        self.limit = limit
        self.at: dict[str, float] = {}
        self.numbers: dict[str, int] = {}
        self.done: Counter[str] = Counter()
        self.calls = self.repeats = 0
        self._decoder = msgspec.json.Decoder(list[Item])

    def take(self, kind: str, body: bytes) -> bytes:
        self.calls += 1
        now, before, items = time.time(), len(self.at), self._decoder.decode(body)
        for item in items:
            if item.key not in self.at:
                self.at[item.key] = now
                self.numbers[item.key] = len(self.at)
        self.done[kind] += len(self.at) - before
        self.repeats += len(items) - (len(self.at) - before)
        return msgspec.json.encode([Receipt(item.key, f"{kind[0].upper()}{self.numbers[item.key]}") for item in items])

    def listed(self, url: str) -> bytes:
        """A stand-in that sells nothing has nothing to list."""
        raise NotImplementedError(url)

    def told(self) -> Told:
        used = resource.getrusage(resource.RUSAGE_SELF)
        last_at = max(self.at.values(), default=0.0)
        throttled = self.limit.throttled if self.limit else 0
        return Told(dict(self.done), self.calls, self.repeats, used.ru_utime + used.ru_stime, last_at, throttled)


class Conversation(asyncio.Protocol):
    """One kept-alive connection of one caller."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._parts = b"", list[bytes]()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def cut(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url, self._parts = url, []

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        match self._url:
            case b"/_ledger":
                body = msgspec.json.encode(self._ledger.told())
            case b"/_times":
                body = msgspec.json.encode(self._ledger.at)
            case b"/v1/traces":
                self._ledger.done["traces"] += 1  # spans themselves are forgotten
                body = b""
            case url if url.startswith(b"/list/"):
                body = self._ledger.listed(url.decode())
            case _ if self._ledger.limit and not self._ledger.limit.allows():
                self._transport.write(_TOO_MANY)
                return
            case url:
                body = self._ledger.take(url[1:].decode(), b"".join(self._parts))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


class Network:
    """Where it is reached; down it refuses connections, and those that were open are cut."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._conversations: set[Conversation] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def up(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._conversation, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        if self._server:
            self._server.close()
        for each in self._conversations:
            each.cut()
        self._conversations.clear()

    def _conversation(self) -> Conversation:
        each = Conversation(self._ledger)
        self._conversations.add(each)
        return each


async def serve(calls_per_second: float | None) -> None:
    network = Network(Ledger(Limit(calls_per_second) if calls_per_second else None))
    await network.up()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, network.down)
    loop.add_signal_handler(signal.SIGUSR2, lambda: loop.create_task(network.up()))
    print(json.dumps({"ready": True, "address": f"http://127.0.0.1:{network.port}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(serve(float(sys.argv[1]) if len(sys.argv) > 1 else None)))
