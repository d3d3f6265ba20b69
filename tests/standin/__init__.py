"""A connector to the stand-in target: every verb and effect class once, in the simplest wire form there is.

What it is told comes as canonical nouns, so that a test's story reads like the story; what it does is counted in the
target's true ledger. Searches wait half a second, so that a test can.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from crossdock.canonical.answers import Availability, PriceQuote
from crossdock.canonical.nouns import FACTS, NAMES
from crossdock.canonical.order import ErpAddress, OrderReference, PartyAccount, SalesOrder
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    InvoicePosting,
    ParcelNotice,
    ShipmentOrder,
    ShipTo,
)
from crossdock.canonical.stock import StockLevel
from crossdock.connect.connector import Command, Connector, Delivery, Door
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Reading, Translated
from crossdock.connect.effects import Blind, Keyed, Searchable
from crossdock.connect.link import Answer, Link
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.connect.secrets import Secret
from crossdock.kernel.faults import Missing, Rejected
from crossdock.kernel.money import usd

BULK = 20
VISIBLE_AFTER = timedelta(seconds=0.1)
MAX_TRAVEL = timedelta(seconds=0.4)


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    url: str
    timeout_seconds: float = 5.0
    calls_per_second: float | None = None
    burst: float = 10.0
    webhook_secrets: tuple[Secret, ...] = ()


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A message: one thing as the source states it; no body: it is gone."""

    kind: str
    id: str
    entity: str | None
    token: int
    body: Any = None
    fact: str | None = None
    about: str = ""


class Done(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One item's answer: what came of it at the target."""

    key: str
    id: str = ""
    job: str = ""
    refused: str = ""
    missing: str = ""
    body: Any = None


def _genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    given = headers.get("x-signature", "").encode(errors="replace")
    return any(hmac.compare_digest(given, hmac.digest(secret, body, "sha256").hex().encode()) for secret in secrets)


def _describe(headers: Mapping[str, str], _body: bytes) -> Delivery:
    return Delivery(headers.get("x-topic", ""), headers.get("x-id"))


connector: Connector[Settings] = Connector("standin", Settings, door=Door(_genuine, _describe))


@connector.translate("document")
def stated(body: bytes, origin: Origin) -> Iterator[Translated]:
    told = msgspec.json.decode(body, type=Told)
    yield Document(
        kind=told.kind,
        id=told.id,
        entity=told.entity,
        body=None if told.body is None else msgspec.convert(told.body, FACTS[told.kind]),
        token=told.token,
        fact=told.fact,
        about=told.about,
        aliases=(told.id,),
    )


@connector.translate("changed")
def hinted(body: bytes, origin: Origin) -> Iterator[Translated]:
    told = msgspec.json.decode(body, type=Told)
    assert told.entity is not None
    yield Hint(kind=told.kind, id=told.id, entity=told.entity)


@connector.translate("noise")
def ignored(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield Ignore("noise")


async def send(command: Command[Any], link: Link[Settings]) -> Outcome:
    noun = NAMES[type(command.body)]
    answer = await link.http.post(f"/one/{noun}", _item(command))
    return _refusal(answer) or _outcome(answer.decode(Done))


async def send_many(commands: Sequence[Command[Any]], link: Link[Settings]) -> Mapping[str, Outcome]:
    noun = NAMES[type(commands[0].body)]
    answer = await link.http.post(f"/many/{noun}", [_item(each) for each in commands])
    if refused := _refusal(answer):
        raise refused
    return {done.key: _outcome(done) for done in answer.decode(list[Done])}


def _item(command: Command[Any]) -> dict[str, Any]:
    return {
        "key": command.key,
        "entity": command.entity,
        "refs": command.refs,
        "body": msgspec.to_builtins(command.body),
    }


def _refusal(answer: Answer) -> Rejected | None:
    return None if answer.ok else answer.rejected()


def _outcome(done: Done) -> Outcome:
    if done.missing:
        return Rejected(f"no product {done.missing}", field="sku", missing=Missing("product", done.missing))
    if done.refused:
        return Rejected(done.refused, field="lines")
    if done.job:
        return Accepted(job=done.job, ask_after=timedelta(seconds=0.05))
    return Confirmed(id=done.id, aliases=(f"No-{done.id}",))


_KEYED = Keyed()
_SEARCHED = Searchable(by="reference", visible_after=VISIBLE_AFTER, max_travel=MAX_TRAVEL)

connector.bulk_act(SalesOrder, effect=[_KEYED], size=BULK)(send_many)
connector.bulk_act(ShipmentOrder, effect=[_KEYED], size=BULK)(send_many)
connector.act(GoodsIssue, effect=[_SEARCHED])(send)
connector.bulk_act(InvoicePosting, effect=[_SEARCHED], size=BULK)(send_many)
connector.act(Fulfilment, effect=[_SEARCHED])(send)
connector.act(ParcelNotice, effect=[Blind()])(send)
connector.state(PartyAccount, size=BULK)(send_many)
connector.state(OrderReference, size=BULK)(send_many)
connector.state(ErpAddress, size=1)(send_many)
connector.state(ShipTo, size=1)(send_many)


@connector.find(GoodsIssue)
@connector.find(InvoicePosting)
@connector.find(Fulfilment)
async def find(commands: Sequence[Command[Any]], link: Link[Settings]) -> Mapping[str, Outcome]:
    answer = await link.http.post("/find", [each.key for each in commands], safe=True)
    there = {done.key: done for done in answer.decode(list[Done])}
    return {each.key: _found(there[each.key], each) for each in commands if each.key in there}


def _found(done: Done, command: Command[Any]) -> Outcome:
    """With what it holds."""
    outcome = _outcome(done)
    held = None if done.body is None else msgspec.convert(done.body, type(command.body))
    return msgspec.structs.replace(outcome, body=held) if isinstance(outcome, Confirmed) else outcome


@connector.inquire(ShipmentOrder)
async def ask(command: Command[ShipmentOrder], job: str, link: Link[Settings]) -> Outcome:
    return _outcome((await link.http.get(f"/jobs/{job}")).decode(Done))


@connector.read("order")
@connector.read("customer")
async def read(id_: str, link: Link[Settings]) -> Reading | None:
    answer = await link.http.get(f"/things/{id_}")
    return None if answer.status == 404 else Reading(topic="document", id=id_, body=answer.body)


@connector.ask(Availability)
async def availability(sku: str, link: Link[Settings]) -> Availability | None:
    answer = await link.http.get(f"/stock/{quote(sku, safe='')}")
    if answer.status == 404:
        return None
    units = answer.decode(int)
    level = StockLevel(sku=sku, location="MAIN", on_hand=units, reserved=0, available=units)
    return Availability(sku=sku, levels=(level,))


@connector.ask(PriceQuote)
async def price(sku: str, link: Link[Settings]) -> PriceQuote | None:
    answer = await link.http.get(f"/stock/{quote(sku, safe='')}")
    return None if answer.status == 404 else PriceQuote(sku=sku, unit_price=usd(1000), includes_tax=False)
