"""What Shopify lists by its order only: from the page of orders where all of it is there, else read one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.shopify.graphql_wire import PageInfo
from crossdock.connectors.shopify.listing import Changed, Place, page_of
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import number_of


class Stub(Protocol):
    """What a listing must know of one of them without reading it."""

    id: str

    @property
    def whole(self) -> bool: ...


class Order(Changed, Protocol):
    """An order of the page, with those of its own that fit."""

    @property
    def shown(self) -> Sequence[msgspec.Raw]: ...

    @property
    def shows_all(self) -> bool: ...


@dataclass(frozen=True)
class ByOrder:
    """One kind of them: what a stub of it is, and how one is read and all ids of an order's are."""

    topic: str
    stub: type[Stub]
    read: Callable[[str, str, Link[Settings]], Awaitable[Reading | None]]
    """By its number, for the order that it is listed under."""
    ids: Callable[[str, Link[Settings]], Awaitable[list[str]]]

    async def page(self, orders: Sequence[Order], info: PageInfo, at: Place, asked: int, link: Link[Settings]) -> Page:
        """All of these orders; those that have none are told as bare."""
        readings = [reading for order in orders for reading in await self._of(order, link)]
        under = {reading.under for reading in readings}
        bare = tuple(order.legacy_resource_id for order in orders if order.legacy_resource_id not in under)
        return page_of(readings, orders, info, at, asked, bare=bare)

    async def _of(self, order: Order, link: Link[Settings]) -> list[Reading]:
        number = order.legacy_resource_id
        stubs = {(stub := msgspec.json.decode(node, type=self.stub)).id: (stub, node) for node in order.shown}
        found: list[Reading | None] = []
        for id_ in list(stubs) if order.shows_all else await self.ids(number, link):
            stub, node = stubs.get(id_, (None, b""))
            plain = number_of(id_)
            whole = stub is not None and stub.whole
            found.append(self.reading(plain, bytes(node), number) if whole else await self.read(plain, number, link))
        return [reading for reading in found if reading]

    def reading(self, number: str, body: bytes, under: str) -> Reading:
        return Reading(topic=self.topic, id=number, body=body, under=under)
