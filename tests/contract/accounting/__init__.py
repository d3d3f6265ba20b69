"""A connector to an accounting service that exists only here: every verb, effect class but one, and a login.

It shows what a connector looks like, and the kit is developed and proven against it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from crossdock.canonical.order import PartyAccount, SalesOrder
from crossdock.canonical.shipment import Invoice, InvoicePosting
from crossdock.connect.connector import Command, Connector, Delivery, Door
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Page, Reading, Translated, Untranslatable
from crossdock.connect.effects import Keyed, Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Accepted, Confirmed, Outcome
from crossdock.connect.secrets import Secret
from crossdock.kernel.faults import Fault, Rejected, Unknown
from crossdock.kernel.moments import to_micros
from crossdock.kernel.money import from_decimal

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"\A[!-~]+\Z")]
Currency = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z]{3}\Z")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    url: str
    api_key: Secret
    webhook_secrets: tuple[Secret, ...] = ()
    timeout_seconds: float = 30.0
    calls_per_second: float = 10.0
    burst: int = 20


def _genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    given = headers.get("x-signature", "").encode(errors="surrogateescape")
    expected = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in secrets]
    return any(hmac.compare_digest(given, one) for one in expected)


def _describe(headers: Mapping[str, str], _body: bytes) -> Delivery:
    return Delivery(headers.get("x-topic", ""), headers.get("x-message", "").strip() or None)


connector = Connector("accounting", Settings, door=Door(_genuine, _describe))


class WireInvoice(msgspec.Struct, frozen=True):
    """An invoice as the service shows it; `order` is the entity key it was posted for."""

    number: Name
    order: Name
    currency: Currency
    net: str
    tax: str
    total: str
    changed_at: Moment
    note: str = ""


class WireChange(msgspec.Struct, frozen=True):
    account: Name


class Made(msgspec.Struct, frozen=True):
    reference: str
    id: str = ""
    job: str = ""
    problem: str = ""


class MadeMany(msgspec.Struct, frozen=True):
    items: tuple[Made, ...]


class Session(msgspec.Struct, frozen=True):
    token: str


class InvoicePage(msgspec.Struct, frozen=True):
    items: tuple[WireInvoice, ...]
    next: str
    more: bool


class Account(msgspec.Struct, frozen=True):
    code: str
    name: str
    email: str


def _decoded(body: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=shape)
    except (UnicodeDecodeError, RecursionError) as error:
        raise Untranslatable(f"not readable as JSON: {type(error).__name__}") from error


@connector.translate("invoice/posted")
def invoice_posted(body: bytes, origin: Origin) -> Iterator[Translated]:
    held: WireInvoice = _decoded(body, WireInvoice)
    try:
        net, tax, total = (from_decimal(amount, held.currency) for amount in (held.net, held.tax, held.total))
        token = to_micros(held.changed_at)
    except (ValueError, OverflowError) as error:
        raise Untranslatable(str(error)[:200]) from error
    if token < 0:
        raise Untranslatable("changed before 1970")
    invoice = Invoice(number=held.number, net=net, tax=tax, total=total)
    order = held.order if held.order.count(":") >= 2 and held.order.startswith("order:") else None
    yield Document(kind="invoice", id=held.number, entity=order, body=invoice, token=token, aliases=(held.number,))


@connector.translate("account/changed")
def account_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    account = _decoded(body, WireChange).account
    yield Hint(kind="customer", id=account, entity=origin.entity("customer", account))


@connector.translate("ping")
def ping(_body: bytes, _origin: Origin) -> Iterator[Translated]:
    yield Ignore("ping")


async def session(link: Link[Settings]) -> Mapping[str, str]:
    """The header that proves who we are; logging in has no effect at the service."""
    if "token" not in link.memory:
        answer = await link.http.post("/v1/sessions", {"key": link.settings.api_key.reveal()}, safe=True)
        if not answer.ok:
            raise answer.rejected("api_key")
        link.memory["token"] = answer.decode(Session).token
    return {"Authorization": f"Bearer {link.memory['token']}"}


@connector.bulk_act(InvoicePosting, effect=[Keyed()], size=10)
async def post_invoices(commands: Sequence[Command[InvoicePosting]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The service keeps one invoice per reference for ever."""
    items = [{"reference": command.key, "shipment": command.body.shipment} for command in commands]
    answer = await link.http.post("/v1/invoices/bulk", {"items": items}, headers=await session(link))
    if not answer.ok:
        raise answer.rejected()
    return {made.reference: _outcome(made) for made in answer.decode(MadeMany).items}


@connector.act(
    SalesOrder,
    effect=[Searchable(by="key", visible_after=timedelta(seconds=5), max_travel=timedelta(seconds=30))],
)
async def book(command: Command[SalesOrder], link: Link[Settings]) -> Outcome:
    order = command.body.order
    booking = {"reference": command.key, "order": order.id, "total": str(order.total)}
    answer = await link.http.post("/v1/bookings", booking, headers=await session(link))
    return _outcome(answer.decode(Made)) if answer.ok else answer.rejected()


@connector.find(SalesOrder)
async def find_bookings(commands: Sequence[Command[SalesOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    headers, found = await session(link), dict[str, Outcome]()
    for command in commands:
        answer = await link.http.get(f"/v1/bookings?reference={quote(command.key, safe='')}", headers=headers)
        if not answer.ok:
            raise answer.rejected()
        found |= {made.reference: _outcome(made) for made in answer.decode(MadeMany).items}
    return found


@connector.inquire(SalesOrder)
async def ask_about_booking(command: Command[SalesOrder], job: str, link: Link[Settings]) -> Outcome:
    answer = await link.http.get(f"/v1/bookings/{quote(job, safe='')}", headers=await session(link))
    if answer.status == 404:
        return Unknown(f"the service does not know booking {job} of {command.key}")
    return _outcome(answer.decode(Made)) if answer.ok else answer.rejected()


def as_held(wanted: PartyAccount) -> PartyAccount:
    return PartyAccount(code=wanted.code, name=wanted.name.strip(), email=wanted.email.lower())


@connector.state(PartyAccount, normalise=as_held)
async def keep_accounts(commands: Sequence[Command[PartyAccount]], link: Link[Settings]) -> Mapping[str, Outcome]:
    headers = await session(link)
    return {command.key: await _keep(command, headers, link) for command in commands}


async def _keep(command: Command[PartyAccount], headers: Mapping[str, str], link: Link[Settings]) -> Outcome:
    wanted = command.body
    path = f"/v1/accounts/{quote(wanted.code, safe='')}"
    try:
        answer = await link.http.send("PUT", path, {"name": wanted.name, "email": wanted.email}, headers=headers)
        held = answer.decode(Account)
    except Fault as fault:  # of one item: its neighbours have their own answers
        return fault
    return Confirmed(id=held.code, body=PartyAccount(code=held.code, name=held.name, email=held.email))


@connector.read("invoice")
async def read_invoice(number: str, link: Link[Settings]) -> Reading | None:
    answer = await link.http.get(f"/v1/invoices/{quote(number, safe='')}", headers=await session(link))
    if answer.status == 404:
        return None
    if not answer.ok:
        raise answer.rejected()
    return Reading(topic="invoice/posted", id=answer.decode(WireInvoice).number, body=answer.body)


@connector.list("invoice")
async def list_invoices(cursor: str, link: Link[Settings]) -> Page:
    answer = await link.http.get(f"/v1/invoices?after={quote(cursor, safe='')}", headers=await session(link))
    if not answer.ok:
        raise answer.rejected()
    page = answer.decode(InvoicePage)
    items = [Reading(topic="invoice/posted", id=one.number, body=msgspec.json.encode(one)) for one in page.items]
    return Page(items=items, cursor=page.next, more=page.more)


@connector.read("customer")
async def read_account(code: str, link: Link[Settings]) -> Reading | None:
    answer = await link.http.get(f"/v1/accounts/{quote(code, safe='')}", headers=await session(link))
    if answer.status == 404:
        return None
    if not answer.ok:
        raise answer.rejected()
    return Reading(topic="account/changed", id=answer.decode(Account).code, body=answer.body)


def _outcome(made: Made) -> Outcome:
    if made.problem:
        return Rejected(made.problem)
    return Accepted(job=made.job) if made.job else Confirmed(id=made.id)
