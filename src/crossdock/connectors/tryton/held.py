"""What Tryton holds of our orders: their sales, and the invoices and credit notes that are posted for them.

A sale keeps the amounts it was confirmed with, whatever becomes of its lines; so both are told. An invoice's order is named by
the web id of its sale, which a credit note made by hand has, too, where it was made from the sale or its invoice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Protocol

import msgspec

from crossdock.canonical.erp import ErpSale
from crossdock.canonical.order import SalesOrder
from crossdock.canonical.returns import CreditMemo, SupplementaryInvoice
from crossdock.canonical.shipment import Invoice, InvoicePosting
from crossdock.connect.documents import Document, Ignore, Origin, Page, Reading, Translated, Untranslatable
from crossdock.connect.link import Link
from crossdock.connectors.tryton.changes import Stamp, changed, counted
from crossdock.connectors.tryton.reference import reference
from crossdock.connectors.tryton.rpc import Amount, Code, Where, ask, fields_of, rows
from crossdock.connectors.tryton.system import Settings, connector
from crossdock.connectors.tryton.translate import read_as
from crossdock.kernel.money import AnyMoney, from_decimal, minor_digits

SALE, INVOICE = "sale.read", "invoice.read"
WEB_ID = re.compile(r"(order:[a-z0-9_]{1,60}:[^/#]{1,120})(?:#(\d{1,6}))?(/.*)?")
_STATES = {"confirmed": "open", "processing": "open", "done": "done", "cancelled": "cancelled"}
_BILLED = [["type", "=", "out"], ["number", "!=", None], ["state", "in", ["posted", "paid", "cancelled"]]]


class _Stamped(msgspec.Struct, frozen=True, kw_only=True):
    last_modified_at: Stamp | None


class _Line(_Stamped, frozen=True, kw_only=True):
    quantity: float | None
    unit_price: Amount | None


class _Sale(_Stamped, frozen=True, kw_only=True):
    id: int
    web_id: str | None
    number: str | None
    state: str
    shipment_state: str = "none"
    """Missing in what was read before it was asked for."""
    untaxed_amount: Amount
    tax_amount: Amount
    total_amount: Amount
    currency: Code = msgspec.field(name="currency.")
    lines: tuple[_Line, ...] = msgspec.field(name="lines.")

    @property
    def token(self) -> int:
        stamps = [each.last_modified_at for each in (self, *self.lines)]
        return max((stamp.token for stamp in stamps if stamp), default=0)


class _SoldAs(msgspec.Struct, frozen=True):
    id: int
    web_id: str | None


class _BilledLine(msgspec.Struct, frozen=True):
    origin: str | None


class _Invoice(_Stamped, frozen=True, kw_only=True):
    id: int
    number: str | None
    state: str
    untaxed_amount: Amount
    tax_amount: Amount
    total_amount: Amount
    currency: Code = msgspec.field(name="currency.")
    sales: tuple[_SoldAs, ...] = msgspec.field(name="sales.")
    lines: tuple[_BilledLine, ...] = msgspec.field(name="lines.")

    @property
    def credited(self) -> set[int]:
        """The lines of other invoices that this one takes back, as Tryton notes where a person credits an invoice."""
        named = [line.origin.partition(",") for line in self.lines if line.origin]
        return {int(id_) for model, _, id_ in named if model == "account.invoice.line" and id_.isdigit()}


class _SoldInvoice(msgspec.Struct, frozen=True):
    id: int
    sales: tuple[_SoldAs, ...] = msgspec.field(name="sales.")


class _CreditedLine(msgspec.Struct, frozen=True):
    id: int
    invoice: _SoldInvoice | None = msgspec.field(name="invoice.")


class _InvoiceReading(msgspec.Struct, frozen=True):
    """An invoice, and the web ids of the sales it is of, its own or those of what it credits."""

    web_ids: tuple[str, ...]
    invoice: _Invoice


class _Named(msgspec.Struct, frozen=True):
    id: int


async def _sales_of(link: Link[Settings]) -> Where:
    """The sales that orders became; what corrects one is a sale with a longer web id, and is told by its invoice."""
    return [["web_shop", "=", (await reference(link)).shop], ["web_id", "not like", "%/%"]]


@connector.read("sale")
async def read_sale(id_: str, link: Link[Settings]) -> Reading | None:
    found = await one_of("sale.sale", id_, await _sales_of(link), _Sale, link)
    return readings_of(found, SALE)[0] if found else None


@connector.list("sale", shows=[SalesOrder])
async def list_sales(cursor: str, link: Link[Settings]) -> Page:
    where = await _sales_of(link)
    found = await changed(cursor, link, "sale.sale", _Sale, where=where, related=[("lines", "sale.line")])
    return Page(items=readings_of(found.rows, SALE), cursor=found.place.cursor, more=found.more)


@connector.count("sale")
async def count_sales(link: Link[Settings]) -> int:
    return await counted(link, "sale.sale", await _sales_of(link))


@connector.read("invoice")
async def read_invoice(id_: str, link: Link[Settings]) -> Reading | None:
    found = await one_of("account.invoice", id_, _BILLED, _Invoice, link)
    return (await _invoices(found, link))[0] if found else None


@connector.list("invoice", shows=[InvoicePosting, CreditMemo, SupplementaryInvoice])
async def list_invoices(cursor: str, link: Link[Settings]) -> Page:
    found = await changed(cursor, link, "account.invoice", _Invoice, where=_BILLED)
    return Page(items=await _invoices(found.rows, link), cursor=found.place.cursor, more=found.more)


@connector.count("invoice")
async def count_invoices(link: Link[Settings]) -> int:
    return await counted(link, "account.invoice", _BILLED)


async def one_of(
    model: str, id_: str, where: Where, shape: type[msgspec.Struct], link: Link[Settings]
) -> list[msgspec.Raw]:
    asked: list[Any] = [[["id", "=", int(id_) if id_.isdigit() else 0], *where], 0, 1, None, [*fields_of(shape), "id"]]
    return await ask(link, f"model.{model}.search_read", list[msgspec.Raw], *asked)


async def _invoices(found: Sequence[msgspec.Raw], link: Link[Settings]) -> list[Reading]:
    held = [(raw, msgspec.json.decode(raw, type=_Invoice)) for raw in found]
    wanted = sorted({line for _, each in held if not each.sales for line in each.credited})
    lines = await rows(link, "account.invoice.line", [["id", "in", wanted]], _CreditedLine) if wanted else []
    sold = {line.id: line.invoice.sales for line in lines if line.invoice}
    readings: list[Reading] = []
    for raw, each in held:
        sales = each.sales or tuple(sale for line in sorted(each.credited) for sale in sold.get(line, ()))
        web_ids = sorted({sale.web_id for sale in sales if sale.web_id})
        body = msgspec.json.encode({"web_ids": web_ids, "invoice": raw})
        readings.append(Reading(topic=INVOICE, id=str(each.id), body=body))
    return readings


def readings_of(rows: Sequence[msgspec.Raw], topic: str) -> list[Reading]:
    return [Reading(topic=topic, id=str(msgspec.json.decode(raw, type=_Named).id), body=bytes(raw)) for raw in rows]


# --- in the retail language --------------------------------------------------------------------------------------------


@connector.translate(SALE)
def sale_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    held = read_as(body, _Sale)
    named = WEB_ID.fullmatch(held.web_id or "")
    state = _STATES.get(held.state)
    if named is None or named[3] or state is None:
        yield Ignore("sale_not_of_an_order" if named is None or named[3] else "sale_not_confirmed")
        return
    lines = sum((_amount(line, held) for line in held.lines), Decimal(0))
    number = held.number or ""
    yield Document(
        kind="sale",
        id=str(held.id),
        entity=named[1],
        body=ErpSale(
            id=str(held.id),
            number=number,
            part=int(named[2] or 1),
            stopped=held.shipment_state == "exception",
            state=state,  # pyright: ignore[reportArgumentType]  # one of the three, by the table
            net=_money(held.untaxed_amount.value, held.currency),
            tax=_money(held.tax_amount.value, held.currency),
            total=_money(held.total_amount.value, held.currency),
            lines_net=_money(lines, held.currency),
        ),
        token=held.token,
        aliases=names_of(number),
    )


@connector.translate(INVOICE)
def invoice_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """An invoice or, with negative amounts, a credit note; one that was cancelled stands no more."""
    reading = read_as(body, _InvoiceReading)
    held = reading.invoice

    def stands(number: str) -> Invoice:
        amounts = (held.untaxed_amount, held.tax_amount, held.total_amount)
        net, tax, total = (_money(each.value, held.currency) for each in amounts)
        return Invoice(number=number, net=net, tax=tax, total=total)

    yield of_one_order("invoice", "invoice", held, reading.web_ids, stands)


class Held(Protocol):
    """A document of Tryton's."""

    @property
    def id(self) -> int: ...
    @property
    def number(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def last_modified_at(self) -> Stamp | None: ...


def of_one_order(
    kind: str, called: str, held: Held, web_ids: Iterable[str], stands: Callable[[str], msgspec.Struct]
) -> Translated:
    """It belongs to the order that its sales are of; one that was cancelled stands no more."""
    orders = sorted({named[1] for web_id in web_ids if (named := WEB_ID.fullmatch(web_id))})
    if len(orders) != 1:
        return Ignore(f"{called}_of_someone_else" if not orders else f"{called}_of_several_orders")
    number = held.number or ""
    body = stands(number)
    return Document(
        kind=kind,
        id=str(held.id),
        entity=orders[0],
        body=None if held.state == "cancelled" else body,
        token=held.last_modified_at.token if held.last_modified_at else 0,
        aliases=names_of(number),
    )


def names_of(number: str) -> tuple[str, ...]:
    """What people call it by; a draft has no number."""
    return (number,) if number.strip() and number.isprintable() else ()


def _amount(line: _Line, sale: _Sale) -> Decimal:
    """What Tryton makes of a line: price times quantity, rounded to the currency."""
    if line.quantity is None or line.unit_price is None:
        return Decimal(0)
    return _rounded(Decimal(str(line.quantity)) * line.unit_price.value, sale.currency)


def _rounded(value: Decimal, currency: Code) -> Decimal:
    try:
        return value.quantize(Decimal(1).scaleb(-minor_digits(currency.code or "")), ROUND_HALF_EVEN)
    except (ArithmeticError, ValueError) as error:
        raise Untranslatable(f"{value} {currency.code} is no amount that can be booked") from error


def _money(value: Decimal, currency: Code) -> AnyMoney:
    try:
        return from_decimal(_rounded(value, currency), currency.code or "")
    except (ArithmeticError, ValueError) as error:
        raise Untranslatable(f"{value} {currency.code} is no amount that can be booked") from error
