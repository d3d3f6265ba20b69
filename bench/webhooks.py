"""The traffic: signed `orders/create` webhooks of 5 lines and 12 kB, 3 % of them twice, from customers who come again.

Every webhook embeds its buyer, one of 5,000. After `CUSTOMERS` orders all of them have their account at the ERP, so that
each further order owes three things: a sale, a shipment order, and the ERP's number shown in the shop; its buyer is
translated, merged and compared all the same. Each 33rd webhook comes twice: half of those as Shopify repeats a delivery
(same event, dropped at the inbox), half under an event of its own (stored, translated, and found to say nothing new).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import psycopg

from crossdock.connectors.shopify.door import door
from crossdock.simulators.shop_load import order_webhook
from crossdock.store import inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Message

CUSTOMERS = 5000
LINES = 5
_REPEATED = 33
_STORED_AT_ONCE = 1000
_FIRST_ORDER_ID = 6_000_000_000_000

T = TypeVar("T")
Webhook = tuple[Mapping[str, str], bytes]


def entity_of(n: int) -> str:
    """The hub's key of order `n`."""
    return f"order:shop:{_FIRST_ORDER_ID + n}"


def webhooks(first: int, count: int) -> Iterator[Webhook]:
    """Orders `first` to `first + count`, and 3 % repeats among them."""
    for n in range(first, first + count):
        headers, body = order_webhook(n, LINES)
        yield headers, body
        if times_sent(n) > 1:
            yield (headers if n % (2 * _REPEATED) else {**headers, "X-Shopify-Event-Id": f"event-{n}-again"}), body


def times_sent(n: int) -> int:
    """How often order `n` is among them."""
    return 1 if n % _REPEATED else 2


def events(first: int, count: int) -> int:
    """How many different events those orders' webhooks tell of."""
    return count + sum(n % (2 * _REPEATED) == 0 for n in range(first, first + count))


def messages(first: int, count: int) -> Iterator[Message]:
    """The same as the door stores them."""
    for headers, body in webhooks(first, count):
        told = door.describe({name.lower(): value for name, value in headers.items()}, body)
        yield Message("shop", told.topic, body, told.message_id)


def store(url: str, first: int, count: int, before_commit: Callable[[], T]) -> T:
    """Put orders into the inbox, visible all at once; answers what `before_commit` did."""
    return store_messages(url, messages(first, count), before_commit)


def store_messages(url: str, every: Iterator[Message], before_commit: Callable[[], T]) -> T:
    """The same with any messages."""
    return asyncio.run(_store(url, every, before_commit))


async def _store(url: str, every: Iterator[Message], before_commit: Callable[[], T]) -> T:
    async with Database(url) as database, database.transaction() as tx:
        while batch := list(itertools.islice(every, _STORED_AT_ONCE)):
            await inbox.store(tx, batch)
        return before_commit()


def wal_position(sql: psycopg.Connection) -> int:
    """Bytes of write-ahead log ever made, those included that are in memory still: a message of megabytes may be."""
    found = sql.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert found
    return int(found[0])
