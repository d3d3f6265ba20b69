"""A shop that sells at a steady rate, and lists what it sold: orders, edits of some of them, and some that can't be translated.

`python -m bench.trade` prints a JSON line with its address. Each line on its input is a `Season` to trade for; when it is over
and every webhook is answered it prints what came of it, as `Traded`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop

from bench import standin, webhooks
from bench.load import Sender, request
from bench.poison import broken_order
from bench.standin import Ledger, Network
from bench.webhooks import Webhook
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors import shopify
from crossdock.kernel.moments import parse
from crossdock.simulators.shop_load import order_id_of, order_webhook
from crossdock.simulators.shop_prices import moment
from crossdock.simulators.shop_signing import webhook_headers

PAGE = 50
# Of a hundred orders so many are edited, this many orders later; and one message more can't be translated.
_EDITED_EVERY, _EDITED_AFTER, _BROKEN_EVERY = 10, 25, 100
_CONNECTIONS = 16
_TICK_SECONDS = 0.005
_AGAIN_SECONDS = 1.0  # as shops do, though they take longer
_SECRET = b"simulated-client-secret"

connector: Connector[standin.Settings] = Connector(
    "benchtrade",
    standin.Settings,
    door=shopify.connector.door,
    capabilities=standin.connector.capabilities,
    topics=shopify.connector.topics,
)


class Listed(msgspec.Struct):
    """A part of a list: orders in the order of their last change."""

    ids: list[str]
    bodies: list[msgspec.Raw]
    cursor: str
    more: bool


class Season(msgspec.Struct):
    """So many orders from `first` on, so many a second, to the hub at this door."""

    door: str
    first: int
    count: int
    rate: float


class Traded(msgspec.Struct):
    webhooks: int
    refused: int
    """And sent again."""
    waited_seconds_max: float


@connector.list("order")
async def list_orders(cursor: str, link: Link[standin.Settings]) -> Page:
    found = (await link.http.get(f"/list/orders?after={cursor or 0}")).decode(Listed)
    items = [_reading(id_, body) for id_, body in zip(found.ids, found.bodies, strict=True)]
    beyond = "" if found.more else found.cursor
    return Page(items=items, cursor=found.cursor, more=found.more, asked=PAGE, beyond=beyond)


@connector.read("order")
async def read_order(order_id: str, link: Link[standin.Settings]) -> Reading | None:
    found = (await link.http.get(f"/list/orders?id={order_id}")).decode(Listed)
    return _reading(order_id, found.bodies[0]) if found.bodies else None


def _reading(order_id: str, body: msgspec.Raw) -> Reading:
    return Reading(topic="orders/updated", id=order_id, body=bytes(body))


class Shop(Ledger):
    """What was sold, in the order of change, beside what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[int, int]] = []
        """(order, its version)"""
        self.versions: dict[int, int] = {}

    def sells(self, n: int) -> Iterator[Webhook]:
        """What is sent for order `n`, and with it."""
        self._changed(n, 0)
        yield from webhooks.webhooks(n, 1)
        if n % _EDITED_EVERY == 0 and (edited := n - _EDITED_AFTER) in self.versions:
            self._changed(edited, self.versions[edited] + 1)
            yield changed_order(edited, self.versions[edited])
        if n % _BROKEN_EVERY == 0:
            yield broken_order(n)

    def _changed(self, n: int, version: int) -> None:
        self.versions[n] = version
        self.changes.append((n, version))

    def listed(self, url: str) -> bytes:
        asked = parse_qs(urlsplit(url).query)
        if "id" in asked:
            n = int(asked["id"][0]) - int(order_id_of(0))
            return _page([n] if n in self.versions else [], self.versions, "", more=False)
        after = int(asked["after"][0])
        page = self.changes[after : after + PAGE]
        # What was changed again is listed where it was changed last.
        living = [n for n, version in page if version == self.versions[n]]
        return _page(living, self.versions, str(after + len(page)), more=after + PAGE < len(self.changes))


def _page(orders: list[int], versions: dict[int, int], cursor: str, *, more: bool) -> bytes:
    bodies = [msgspec.Raw(_body(n, versions[n])) for n in orders]
    return msgspec.json.encode(Listed([order_id_of(n) for n in orders], bodies, cursor, more))


def changed_order(n: int, version: int) -> Webhook:
    """The webhook of an order that now goes to another house."""
    body = _body(n, version)
    name = f"{n}-{version}"
    headers = webhook_headers(
        topic="orders/updated",
        body=body,
        secret=_SECRET,
        webhook_id=f"edit-{name}",
        event_id=f"edited-{name}",
        triggered_at=parse("2026-11-01T09:00:00Z"),
    )
    return headers, body


def _body(n: int, version: int) -> bytes:
    """An order as it is since its so many-th edit; 0: as it was placed."""
    _, body = order_webhook(n, webhooks.LINES)
    if not version:
        return body
    told = json.loads(body)
    told["updated_at"] = moment(parse(told["updated_at"]) + timedelta(minutes=version))
    told["shipping_address"]["address1"] = f"{12 + version} Harbour Street"
    return msgspec.json.encode(told)


class Trade:
    """One season's webhooks: each leaves when it is due and a connection is free, whatever the hub does."""

    def __init__(self, shop: Shop, season: Season) -> None:
        self._shop, self._season = shop, season
        self._host = urlsplit(season.door).netloc
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._free: deque[Sender] = deque()
        self._sent: dict[Sender, bytes] = {}
        self._under_way = 0
        self.came = Traded(0, 0, 0.0)

    async def run(self) -> Traded:
        where = urlsplit(self._season.door)
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, sender = await loop.create_connection(lambda: Sender(self), where.hostname, where.port)
            self._free.append(sender)
        began, sold = time.time(), 0
        while sold < self._season.count or self._waiting or self._under_way:
            due = min(self._season.count, int((time.time() - began) * self._season.rate) + 1)
            for n in range(sold, due):
                self._sell(self._season.first + n, began + n / self._season.rate)
            sold = max(sold, due)
            self._send()
            await asyncio.sleep(_TICK_SECONDS)
        return self.came

    def _sell(self, n: int, due: float) -> None:
        self._waiting.extend((request(self._host, each), due) for each in self._shop.sells(n))

    def _send(self) -> None:
        while self._waiting and self._free:
            self._under_way += 1
            sender, (sent, due) = self._free.popleft(), self._waiting.popleft()
            self._sent[sender] = sent
            sender.send(sent, due)

    def answered(self, sender: Sender, due: float, *, refused: bool) -> None:
        if refused:
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._again, self._sent[sender], due)
        else:
            self._under_way -= 1
        self._free.append(sender)
        self.came.webhooks += 1
        self.came.refused += refused
        self.came.waited_seconds_max = max(self.came.waited_seconds_max, time.time() - due)
        self._send()

    def _again(self, refused: bytes, due: float) -> None:
        self._under_way -= 1
        self._waiting.append((refused, due))


async def main() -> None:
    shop = Shop()
    network = Network(shop)
    await network.up()
    print(json.dumps({"ready": True, "address": f"http://127.0.0.1:{network.port}"}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        came = await Trade(shop, msgspec.json.decode(line, type=Season)).run()
        print(msgspec.json.encode(came).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
