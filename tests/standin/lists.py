"""A source that lists what it holds, by its last change: honest pages and counts, until a test has it cut, skip or miscount.

Its connector reads orders, customers and refunds by id and lists them; it can also be told a customer's account, and as an ERP
it holds a shipment for each goods issue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.order import ErpAddress, OpenUnits, PartyAccount, SalesOrder
from crossdock.canonical.returns import CreditMemo, GoodsReturn, SupplementaryInvoice
from crossdock.canonical.shipment import GoodsIssue, InvoicePosting
from crossdock.connect.connector import Command, Connector
from crossdock.connect.documents import Page, Reading
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.running import serving
from tests import standin
from tests.standin import Settings, Told

KINDS = ("order", "customer", "refund", "party_account", "erp_shipment")
_SHOWN = {"erp_shipment": [GoodsIssue]}
PAGE = 50
connector: Connector[Settings] = Connector("lists", Settings, door=standin.connector.door)
connector.translate("document")(standin.stated)
connector.translate("changed")(standin.hinted)


class _Found(msgspec.Struct):
    items: list[msgspec.Raw]
    cursor: str
    more: bool


class _Counted(msgspec.Struct):
    count: int


class _Named(msgspec.Struct):
    id: str


def _lister(kind: str) -> Any:
    async def listed(cursor: str, link: Link[Settings]) -> Page:
        found = (await link.http.get(f"/list/{kind}?after={cursor}")).decode(_Found)
        items = [
            Reading(topic="document", id=msgspec.json.decode(raw, type=_Named).id, body=bytes(raw))
            for raw in found.items
        ]
        return Page(
            items=items, cursor=found.cursor, more=found.more, asked=PAGE, beyond="" if found.more else found.cursor
        )

    return listed


def _reader(kind: str) -> Any:
    async def read(id_: str, link: Link[Settings]) -> Reading | None:
        answer = await link.http.get(f"/one/{kind}/{id_}")
        return None if answer.status == 404 else Reading(topic="document", id=id_, body=answer.body)

    return read


def _counter(kind: str) -> Any:
    async def count(link: Link[Settings]) -> int:
        return (await link.http.get(f"/count/{kind}")).decode(_Counted).count

    return count


for _kind in KINDS:
    connector.list(_kind, shows=_SHOWN.get(_kind, ()))(_lister(_kind))
    connector.read(_kind)(_reader(_kind))
for _kind in ("order", "party_account"):
    connector.count(_kind)(_counter(_kind))


@connector.state(PartyAccount, size=50)
async def keep(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> Mapping[str, Outcome]:
    bodies = [{"entity": each.entity, "body": msgspec.to_builtins(each.body)} for each in commands]
    ids = (await link.http.post("/accounts", bodies)).decode(list[str])
    return {each.key: Confirmed(id=id_, body=each.body) for each, id_ in zip(commands, ids, strict=True)}


async def done(command: Command[Any], link: Link[Settings]) -> Outcome:
    told = {"noun": NAMES[type(command.body)], "entity": command.entity, "body": msgspec.to_builtins(command.body)}
    await link.http.post("/acts", {"key": command.key, **told})
    held = command.body if isinstance(command.body, OpenUnits) else None
    return Confirmed(id=command.key, body=held)


async def all_done(commands: Sequence[Command[Any]], link: Link[Settings]) -> Mapping[str, Outcome]:
    return {command.key: await done(command, link) for command in commands}


for _noun in (SalesOrder, GoodsIssue, InvoicePosting, CreditMemo, SupplementaryInvoice, GoodsReturn):
    connector.act(_noun, effect=[Keyed()])(done)
for _noun in (ErpAddress, OpenUnits):
    connector.state(_noun)(all_done)


@dataclass
class Lists:
    """What the source holds by (kind, id), in the order of change, and how it lies about it."""

    things: dict[tuple[str, str], Told] = field(default_factory=dict[tuple[str, str], Told])
    moved: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """When each was last changed, in changes since the beginning."""
    ledger: Ledger = field(default_factory=Ledger)
    cut_at: int | None = None
    """Lists end after so many, as if there were no more."""
    skips: int | None = None
    """This page is left out."""
    stuck: bool = False
    miscounts: int = 0
    refuses: int | None = None
    """Answers lists with this status."""
    hides: frozenset[str] = frozenset()
    """Ids that no list shows."""
    slow_seconds: float = 0.0
    """A page takes so long."""
    meanwhile: list[Told] = field(default_factory=list[Told])
    """Comes about right after a page was answered."""
    calls: list[str] = field(default_factory=list[str])
    url: str = ""
    _now: int = 0

    def put(self, said: Told, *, silently: bool = False) -> Told:
        """`silently`: its time of change stays as it was."""
        name = (said.kind, said.id)
        self.things[name] = said
        if not silently or name not in self.moved:
            self._now += 1
            self.moved[name] = self._now
        return said

    def remove(self, kind: str, id_: str) -> None:
        del self.things[kind, id_], self.moved[kind, id_]

    def body(self, kind: str, id_: str) -> Any:
        return self.things[kind, id_].body

    def ship(self, id_: str, entity: str, parcel: dict[str, Any]) -> Told:
        """Goods leave by its books: for a goods issue, or by a clerk's hand."""
        lines = [{"sku": line["sku"], "units": line["units"]} for line in parcel["lines"]]
        body = {"id": id_, "number": f"CS-{id_}", "reference": parcel["id"], "lines": lines}
        return self.put(Told(kind="erp_shipment", id=id_, entity=entity, token=1, body=body))

    async def _list(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow_seconds)
        if self.refuses:
            return web.Response(status=self.refuses)
        after, kind = int(request.query["after"] or 0), request.match_info["kind"]
        rows = sorted((at, name) for name, at in self.moved.items() if name[0] == kind and name[1] not in self.hides)
        if self.skips is not None:
            rows = rows[: PAGE * (self.skips - 1)] + rows[PAGE * self.skips :]
        left = [row for row in rows if row[0] > after]
        page = left[:PAGE]
        more = len(left) > PAGE
        if self.cut_at is not None and sum(row[0] <= (page[-1][0] if page else 0) for row in rows) >= self.cut_at:
            more = False
        cursor = str(after if self.stuck else page[-1][0] if page else after)
        items = [msgspec.Raw(msgspec.json.encode(self.things[name])) for _, name in page]
        while self.meanwhile:
            self.put(self.meanwhile.pop())
        return _json({"items": items, "cursor": cursor, "more": more or self.stuck})

    async def _one(self, request: web.Request) -> web.Response:
        found = self.things.get((request.match_info["kind"], request.match_info["id"]))
        return web.Response(status=404) if found is None else _json(found)

    async def _count(self, request: web.Request) -> web.Response:
        count = sum(name[0] == request.match_info["kind"] for name in self.things)
        return _json({"count": count + self.miscounts})

    async def _acts(self, request: web.Request) -> web.Response:
        told = await request.json()
        if not any(entry.key == told["key"] for entry in self.ledger.select(told["noun"])):
            self.ledger.append(told["noun"], told["key"], entity=told["entity"], body=told["body"])
            if told["noun"] == "goods_issue":
                self.ship(told["key"], told["entity"], told["body"]["shipment"])
        return _json({})

    async def _accounts(self, request: web.Request) -> web.Response:
        ids: list[str] = []
        for item in await request.json():
            code = item["body"]["code"]
            held = self.things.get(("party_account", code))
            self.put(
                Told(kind="party_account", id=code, entity=code, token=held.token + 1 if held else 1, body=item["body"])
            )
            self.ledger.append("account", code, name=item["body"]["name"])
            ids.append(code)
        return _json(ids)

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[Lists]:
        @web.middleware
        async def noted(request: web.Request, handler: Any) -> web.StreamResponse:
            self.calls.append(request.path)
            return await handler(request)

        app = web.Application(middlewares=[noted])
        app.router.add_get("/list/{kind}", self._list)
        app.router.add_get("/one/{kind}/{id:.+}", self._one)
        app.router.add_get("/count/{kind}", self._count)
        app.router.add_post("/acts", self._acts)
        app.router.add_post("/accounts", self._accounts)
        async with serving(app) as running:
            self.url = running.url
            yield self


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
