"""What a credit note or a further invoice says in Tryton: its sale, its draft invoice's accounts and taxes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from crossdock.canonical.returns import BillingLine
from crossdock.connectors.tryton.invoices import HeldInvoice
from crossdock.connectors.tryton.planned import sales_in
from crossdock.connectors.tryton.pricing import rate_of
from crossdock.connectors.tryton.reference import Reference
from crossdock.connectors.tryton.rpc import Amount, Values, as_amount
from crossdock.connectors.tryton.sales import LINE_NOTE
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import AnyMoney, Money, to_decimal, total


class BilledLineRow(msgspec.Struct, frozen=True):
    account: int | None


class SoldLineRow(msgspec.Struct, frozen=True):
    note: str | None
    invoice_lines: tuple[BilledLineRow, ...] = msgspec.field(name="invoice_lines.")


class SaleRow(msgspec.Struct, frozen=True):
    """The sale that was billed."""

    id: int
    party: int
    invoice_party: int | None
    invoice_address: int
    shipment_address: int | None
    payment_term: int | None
    lines: tuple[SoldLineRow, ...] = msgspec.field(name="lines.")


class DraftTaxRow(msgspec.Struct, frozen=True):
    id: int
    tax: int | None
    amount: Amount


class DraftRow(HeldInvoice, frozen=True):
    taxes: tuple[DraftTaxRow, ...] = msgspec.field(name="taxes.")


@dataclass(frozen=True)
class Difference:
    """A credit note (sign -1) or an invoice (sign 1) to be posted."""

    key: str
    refs: Mapping[str, str]
    sign: int
    number: str
    currency: str
    dated: datetime
    date_field: str
    reason: str
    lines: Sequence[BillingLine]

    @property
    def sale(self) -> int:
        return int(self.refs["sale"])

    @property
    def sales(self) -> list[int]:
        """All the sales of the order; the first is the one it was placed with."""
        return sales_in(self.refs)


# --- the sale ----------------------------------------------------------------------------------------------------------


def sale_values(each: Difference, billed: Mapping[int, SaleRow], about: Reference) -> Values:
    if each.sale not in billed:
        raise Rejected(f"Tryton has no sale with the id {each.sale}", field="sale")
    first = billed[each.sale]
    return {
        "web_shop": about.shop,
        "web_id": each.key,
        "reference": each.number,
        "description": each.reason,
        "origin": f"sale.sale,{first.id}",
        "company": about.company,
        "warehouse": about.warehouse.id,
        "currency": about.currency(each.currency),
        "party": first.party,
        "invoice_party": first.invoice_party,
        "invoice_address": first.invoice_address,
        "shipment_address": first.shipment_address,
        "payment_term": first.payment_term,
        "invoice_method": "order",
        "shipment_method": "manual",
        "lines": [["create", [_line(n, line, each, about) for n, line in enumerate(each.lines)]]],
    }


def _line(n: int, line: BillingLine, each: Difference, about: Reference) -> Values:
    taxes = {about.tax(rate, each.refs, at) for rate, at, _ in _taxes(n, line)}
    return {
        "quantity": each.sign,
        "unit_price": as_amount(to_decimal(line.net)),
        "description": _text(line),
        "note": f"{LINE_NOTE}{line.line}" if line.line else None,
        "taxes": [["add", sorted(taxes)]],
    }


def _text(line: BillingLine) -> str:
    """What a person reads on the document: the title, how many, and which component where it isn't the goods."""
    title = line.title or line.sku or line.component.capitalize()
    named = f"{title} ({line.sku})" if line.sku and line.sku != title else title
    counted = f"{line.units} x {named}" if line.units else named
    return counted if line.component == "goods" or not line.line else f"{counted}, {line.component}"


def _taxes(n: int, line: BillingLine) -> list[tuple[Decimal, str, AnyMoney]]:
    """(rate, where it stands in the command, amount) of the taxes that change."""
    said: list[tuple[Decimal, str, AnyMoney]] = []
    for m, tax in enumerate(line.taxes):
        at = f"lines[{n}].taxes[{m}].rate"
        if tax.amount.minor:
            said.append((rate_of(tax, at), at, tax.amount))
    return said


# --- the invoice -------------------------------------------------------------------------------------------------------


def invoice_values(each: Difference, invoice: DraftRow, billed: Mapping[int, SaleRow], about: Reference) -> Values:
    """The account of each line, and the commanded tax where Tryton computed another; it keeps what is written there."""
    accounts = _accounts(each, billed)
    made = sorted(invoice.lines, key=lambda line: _id_in(line.origin))
    lines = [
        ["write", [row.id], {"account": accounts[_note(line)]}]
        for row, line in zip(made, each.lines, strict=True)
        if _note(line) in accounts
    ]
    taxes = [["write", [id_], {"amount": as_amount(amount)}] for id_, amount in _tax_amounts(each, invoice, about)]
    return {"reference": each.number, "description": each.reason, "lines": lines, "taxes": taxes}


def _tax_amounts(each: Difference, invoice: DraftRow, about: Reference) -> list[tuple[int, Decimal]]:
    """(invoice tax, amount) where it has to change. Lines of nothing have a row of their own beside their tax's other."""
    left: dict[int, AnyMoney] = {}
    for n, line in enumerate(each.lines):
        for rate, at, amount in _taxes(n, line):
            tax = about.tax(rate, each.refs, at)
            left[tax] = left[tax] + amount if tax in left else amount
    nothing: AnyMoney = Money(0, each.currency)
    amounts = [(row.id, to_decimal(left.pop(row.tax or 0, nothing)) * each.sign, row.amount) for row in invoice.taxes]
    return [(id_, amount) for id_, amount, now in amounts if amount != now.value]


def amounts_of(each: Difference) -> tuple[Decimal, Decimal]:
    net = total((line.net for line in each.lines), each.currency)
    tax = total((tax.amount for line in each.lines for tax in line.taxes), each.currency)
    return to_decimal(net) * each.sign, to_decimal(tax) * each.sign


def _accounts(each: Difference, billed: Mapping[int, SaleRow]) -> dict[str, int]:
    """The account each order line was billed to, by its note; "" for delivery and what else has none.

    A line that was never billed keeps the account that Tryton gives it.
    """
    found: dict[str, int] = {}
    for id_ in reversed(each.sales):
        for line in billed[id_].lines if id_ in billed else ():
            for row in line.invoice_lines:
                if row.account:
                    found[line.note or ""] = row.account
    return found


def _note(line: BillingLine) -> str:
    return f"{LINE_NOTE}{line.line}" if line.line else ""


def _id_in(origin: str | None) -> int:
    return int((origin or ",0").partition(",")[2])
