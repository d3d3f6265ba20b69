"""Honest targets with true ledgers: an ERP, a payment provider, a warehouse and a channel, each doing what it is asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from crossdock.canonical.order import OpenUnits, Order, OrderReference, SalesOrder
from crossdock.canonical.payment import PaymentCapture, PaymentRefund, PaymentVoid, Refund, StoreCredit
from crossdock.canonical.returns import CreditMemo, GoodsReturn, ReturnRecord, SupplementaryInvoice
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    InvoicePosting,
    ShipmentLine,
    ShipmentLines,
    ShipmentOrder,
)
from crossdock.connect.receipts import Confirmed
from crossdock.kernel.faults import Rejected
from tests.lives.goods import half_up
from tests.lives.hub import Command

Key = tuple[str, str, str]
"""(line, component, rate): what a posted amount is for."""
Bill = dict[Key, int]


def share(total: int, units: int, of: int) -> int:
    """What `units` of a line of `of` come to, counted from its first unit."""
    return half_up(Fraction(total * units, of)) if of else 0


@dataclass
class Posted:
    """A document in the ERP's books: an invoice, a supplementary invoice or a credit memo, its amounts all positive."""

    kind: str
    key: str
    bill: Bill
    total: int


@dataclass
class Erp:
    """Posts sales, ships parcels out of them in the order the parts were sold, and bills those at the sale's prices."""

    parts: dict[str, SalesOrder] = field(default_factory=dict[str, SalesOrder])
    """By the name of the promise that made each sale."""
    holds: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """Units of each line that each sale is to ship or has shipped: as sold, less what was cancelled."""
    left: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    issued: dict[str, list[tuple[str, str, int, int]]] = field(
        default_factory=dict[str, list[tuple[str, str, int, int]]]
    )
    """goods issue -> (sale, line, first unit, units) that left."""
    posted: list[Posted] = field(default_factory=list[Posted])
    charged: bool = False
    goods_back: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    """(return, line, disposition) -> units received."""

    def do(self, command: Command) -> Confirmed:
        body = command.body
        match body:
            case SalesOrder():
                self.parts[command.name] = body
                assert all(body.invoice == each.invoice for each in self.parts.values()), command
                self.holds[command.name] = Counter({line.id: line.ordered for line in body.order.lines})
                self.left[command.name] = Counter()
            case GoodsIssue():
                self._issue(command, body)
            case InvoicePosting():
                self._invoice(command)
            case CreditMemo() | SupplementaryInvoice():
                self._correct(command.key, body)
            case GoodsReturn():
                for line in body.lines:
                    self.goods_back[body.return_id, line.line, line.disposition] += line.units
            case OpenUnits():
                self._cancel(body)
            case _:
                pass
        return Confirmed(id=f"erp-{command.key}")

    def _cancel(self, body: OpenUnits) -> None:
        """The latest of the sales it speaks of loses units first; what has left stays."""
        sales = list(self.holds)[: body.parts]
        for line in body.lines:
            above = sum(self.holds[sale][line.line] for sale in sales) - line.units
            for sale in reversed(sales):
                taken = min(max(above, 0), self.holds[sale][line.line] - self.left[sale][line.line])
                self.holds[sale][line.line] -= taken
                above -= taken

    def _issue(self, command: Command, body: GoodsIssue) -> None:
        sale = command.refs["sale"]
        held, left = self.holds[sale], self.left[sale]
        for line in body.shipment.lines:
            if left[line.line] + line.units > held[line.line]:
                open_ = held[line.line] - left[line.line]
                raise Rejected(f"{line.units} of {line.line} leave {sale}, which has {open_} open")
        self.issued[command.name] = [(sale, each.line, left[each.line], each.units) for each in body.shipment.lines]
        for line in body.shipment.lines:
            left[line.line] += line.units

    def _invoice(self, command: Command) -> None:
        whole = not command.body.shipment
        assert whole == (self.parts[command.refs["sale"]].invoice == "order"), command
        bill: defaultdict[Key, int] = defaultdict(int)
        if whole:
            order = self.parts[command.refs["sale"]].order
            for line in order.lines:
                for name, amount in _line_amounts(order, line, line.ordered).items():
                    bill[name] += amount
        for sale, line, first, units in [] if whole else self.issued[command.refs["issue"]]:
            order = self.parts[sale].order
            sold = next(each for each in order.lines if each.id == line)
            upto, before = _line_amounts(order, sold, first + units), _line_amounts(order, sold, first)
            for name, amount in upto.items():
                bill[name] += amount - before[name]
        if not self.charged:
            self.charged = True
            for name, total in _charge_amounts(self.parts["sale"].order).items():
                bill[name] += total
        self.posted.append(Posted("invoice", command.key, dict(bill), sum(bill.values())))

    def _correct(self, key: str, body: CreditMemo | SupplementaryInvoice) -> None:
        bill: defaultdict[Key, int] = defaultdict(int)
        for line in body.lines:
            amounts = [line.net.minor, *(tax.amount.minor for tax in line.taxes)]
            if min(amounts) < 0 or not any(amounts):
                raise Rejected(f"{line.component} of {line.line or 'the order'} comes to {amounts}")
            # A discount on a line, an allowance for it for instance, lowers what its goods cost.
            component = "goods" if line.line and line.component == "discount" else line.component
            bill[line.line, component, ""] += line.net.minor
            for tax in line.taxes:
                bill[line.line, "tax", tax.rate] += tax.amount.minor
        kind = "credit_memo" if isinstance(body, CreditMemo) else "supplementary_invoice"
        self.posted.append(Posted(kind, key, dict(bill), sum(bill.values())))


def _line_amounts(order: Order, line: Any, units: int) -> Bill:
    charged = line.unit_price.minor * line.ordered - (line.discount.minor if line.discount else 0)
    return _amounts(line.id, "goods", charged, line.taxes, units, line.ordered, included=order.tax_included)


def _charge_amounts(order: Order) -> Bill:
    bill: defaultdict[Key, int] = defaultdict(int)
    for charge in order.shipping:
        price = charge.price.minor
        for name, amount in _amounts("", "shipping", price, charge.taxes, 1, 1, included=order.tax_included).items():
            bill[name] += amount
    if order.tip is not None:
        bill["", "tip", ""] += order.tip.minor
    return bill


def _amounts(line: str, component: str, charged: int, taxes: Any, units: int, of: int, *, included: bool) -> Bill:
    """A share of what was charged; where the price includes its taxes the net is what they leave."""
    bill: defaultdict[Key, int] = defaultdict(int)
    for tax in taxes:
        bill[line, "tax", tax.rate] += share(tax.amount.minor, units, of)
    bill[line, component, ""] += share(charged, units, of) - (sum(bill.values()) if included else 0)
    return dict(bill)


@dataclass
class Tender:
    """One payment and what became of it, in minor units."""

    id: str
    tender: str
    captured: int = 0
    refunded: int = 0
    disputed: int = 0
    settled: int = 0
    """What its captures came to in the currency the retailer is paid out in, where that is another."""

    @property
    def left(self) -> int:
        return self.captured - self.refunded - self.disputed


@dataclass
class Entry:
    """One refund on the provider's ledger; `reference` is empty where somebody else asked for it."""

    id: str
    payment: str
    amount: int
    status: str
    reference: str = ""
    for_return: str = ""
    settled: int = 0
    """What it cost in the currency the retailer is paid out in, where that is another."""
    token: int = 1


@dataclass
class Psp:
    """Holds the money of every tender; refuses what would be more than it has."""

    currency: str
    tenders: dict[str, Tender] = field(default_factory=dict[str, Tender])
    refunds: dict[str, Entry] = field(default_factory=dict[str, Entry])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    misallocated: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    told: Callable[[Entry], None] = lambda _: None
    exchanged: Callable[[int], int] = lambda _: 0
    """What an amount comes to just now in the currency the retailer is paid out in."""
    pending_first: Callable[[], bool] = lambda: False

    def do(self, command: Command) -> Confirmed:
        body = command.body
        assert isinstance(body, PaymentRefund), body
        if command.key in self.keys:
            return Confirmed(id=self.keys[command.key])
        assert body.amount.currency == self.currency, body
        if body.allocations and sum(part.amount.minor for part in body.allocations) != body.amount.minor:
            self.misallocated.append(command.name)
        return Confirmed(id=self.refund(body.payment, body.amount.minor, command.key).id)

    def refund(self, payment: str, amount: int, reference: str = "", for_return: str = "") -> Entry:
        tender = self.tenders.get(payment)
        if tender is None:
            raise Rejected(f"no payment {payment!r}")
        if amount <= 0 or amount > tender.left:
            self.refused.append(reference)
            raise Rejected(f"{amount} is not within the {tender.left} left of {payment}")
        status = "pending" if self.pending_first() else "succeeded"
        entry = Entry(
            f"re_{len(self.refunds) + 1}", payment, amount, status, reference, for_return, self.exchanged(amount)
        )
        self.refunds[entry.id] = entry
        if reference:
            self.keys[reference] = entry.id
        tender.refunded += amount
        self.told(entry)
        return entry

    def settle(self, entry: Entry, status: str) -> None:
        """A refund that was under way arrives, or one that had arrived comes back."""
        if status == "failed" and entry.status != "failed":
            self.tenders[entry.payment].refunded -= entry.amount
        entry.status, entry.token = status, entry.token + 1
        self.told(entry)


@dataclass
class Provider(Psp):
    """Holds what was authorised until it is captured or given up."""

    authorised: dict[str, int] = field(default_factory=dict[str, int])
    captured: Callable[[str, int], str] = lambda _payment, _amount: ""
    ended: Callable[[str, str], None] = lambda _payment, _status: None

    def do(self, command: Command) -> Confirmed:
        if command.key in self.keys:
            return Confirmed(id=self.keys[command.key])
        match command.body:
            case PaymentCapture(payment=payment, amount=amount, final=final):
                self.keys[command.key] = self._take(payment, amount.minor, final=final)
            case PaymentVoid(payment=payment):
                self.authorised[payment] = taken = self.tenders[payment].captured
                self.ended(payment, "captured" if taken else "voided")
                self.keys[command.key] = payment
            case _:
                return super().do(command)
        return Confirmed(id=self.keys[command.key])

    def _take(self, payment: str, amount: int, *, final: bool) -> str:
        left = self.open_of(payment)
        if not 0 < amount <= left:
            raise Rejected(f"{amount} is not within the {left} left of {payment}")
        self.tenders[payment].captured += amount
        id_ = self.captured(payment, amount)
        if final:
            self.authorised[payment] = self.tenders[payment].captured
            self.ended(payment, "captured")
        return id_

    def open_of(self, payment: str) -> int:
        """What of it is still held."""
        return self.authorised[payment] - self.tenders[payment].captured


@dataclass
class Warehouse:
    """Ships what it was asked to, and hears later that some of it is not wanted any more."""

    to_leave: dict[str, int] = field(default_factory=dict[str, int])
    skus: dict[str, str] = field(default_factory=dict[str, str])
    left: Counter[str] = field(default_factory=Counter[str])
    picks: Callable[[], bool] = lambda: False
    """Whether what is open of a line is picked just then, so that it can't be taken back any more."""
    picked: Counter[str] = field(default_factory=Counter[str])
    ever_asked: set[str] = field(default_factory=set[str])

    def do(self, command: Command) -> Confirmed:
        body = command.body
        if not isinstance(body, ShipmentOrder | ShipmentLines):
            return Confirmed(id=f"wms-{command.name}")
        for line, units in self.open().items():
            if self.picks():
                self.picked[line] = self.left[line] + units
        self.to_leave = {
            line.line: max(line.units, self.left[line.line], self.picked[line.line]) for line in body.lines
        }
        self.skus |= {line.line: line.sku for line in body.lines}
        self.ever_asked |= {line.line for line in body.lines}
        held = tuple(ShipmentLine(line=each.line, sku=each.sku, units=self.to_leave[each.line]) for each in body.lines)
        return Confirmed(id=f"wms-{command.name}", body=msgspec.structs.replace(body, lines=held))

    def open(self) -> dict[str, int]:
        return {line: units - self.left[line] for line, units in self.to_leave.items() if units > self.left[line]}


@dataclass
class Channel:
    """Shows what it is told, and credits the customer's balance where asked."""

    credits: dict[str, int] = field(default_factory=dict[str, int])
    records: dict[str, ReturnRecord] = field(default_factory=dict[str, ReturnRecord])

    def do(self, command: Command) -> Confirmed:
        match command.body:
            case StoreCredit():
                assert command.body.amount.minor > 0, command
                self.credits.setdefault(command.key, command.body.amount.minor)
            case ReturnRecord():
                self.records[command.key] = command.body
            case OrderReference():
                pass
            case Fulfilment():
                assert all("+" not in line.line for line in command.body.lines), command
            case _:
                pass
        return Confirmed(id=f"shop-{command.key}")


def refund_fact(entry: Entry, tender: str, at: Any, amount: Any, settled: Any = None) -> Refund:
    status: Any = entry.status
    of: Any = tender
    return Refund(
        id=entry.id,
        payment=entry.payment,
        tender=of,
        amount=amount,
        status=status,
        refunded_at=at,
        reference=entry.reference,
        for_return=entry.for_return,
        settled=settled,
    )
