"""A shop that sells at a steady rate, and lists what it sold: orders, edits of some of them, and some that can't be translated.

`python -m bench.trade` prints a JSON line with its address. Each line on its input is a `Season` to trade for; when it is over
and every webhook was taken, it prints what it has sent besides the orders so far, as `Besides`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop

from bench import standin, webhooks
from bench.poison import broken_order
from bench.season import Season, Trade
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
_SECRET = b"simulated-client-secret"

connector: Connector[standin.Settings] = Connector(
    "benchtrade",
    standin.Settings,
    door=shopify.connector.door,
    capabilities=standin.connector.capabilities,
    topics=shopify.connector.topics,
)


class Besides(msgspec.Struct):
    """Webhooks so far that are no new orders: edits of some, and some that can't be translated."""

    edited: int = 0
    broken: int = 0


class Listed(msgspec.Struct):
    """A part of a list: orders in the order of their last change."""

    ids: list[str]
    bodies: list[msgspec.Raw]
    cursor: str
    more: bool


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
        self.besides = Besides()

    def sells(self, n: int) -> Iterator[Webhook]:
        """What is sent for order `n`, and with it."""
        self._changed(n, 0)
        yield from webhooks.webhooks(n, 1)
        if n % _EDITED_EVERY == 0 and (edited := n - _EDITED_AFTER) in self.versions:
            self._changed(edited, self.versions[edited] + 1)
            self.besides.edited += 1
            yield changed_order(edited, self.versions[edited])
        if n % _BROKEN_EVERY == 0:
            self.besides.broken += 1
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


async def main() -> None:
    shop = Shop()
    network = Network(shop)
    await network.up()
    print(json.dumps({"ready": True, "address": f"http://127.0.0.1:{network.port}"}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        await Trade(shop.sells, msgspec.json.decode(line, type=Season)).run()
        print(msgspec.json.encode(shop.besides).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
