"""The ledgers of shop, warehouse, till, payment provider, ERP and mail server, gathered by order: nothing here asks the hub."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from crossdock.simulators.retailer import Retailer
from crossdock.simulators.shop_state import Fulfilment, Line, Order
from crossdock.simulators.tryton_ledger import ledger

Row = Mapping[str, Any]
Goods = tuple[tuple[str, int], ...]
"""(SKU, units), sorted."""


_ERP_PARTS = ("parties", "sales", "shipments", "returns", "invoices")


@dataclass(frozen=True)
class Books:
    """What each system has about one order; what begins with `sales` is the ERP's, and that is None without one."""

    order: Order
    parcels: Sequence[Row]
    asked: Sequence[Row]
    mails: Sequence[Row]
    paid: Sequence[Row] = ()
    """The payment provider's ledger: what, amount, key."""
    handed_in: Sequence[Row] = ()
    """The till's ledger: each return with its units and dispositions by SKU, and what was paid out for it."""
    sales: Sequence[Row] | None = None
    shipments: Sequence[Row] = ()
    invoices: Sequence[Row] = ()
    received: Sequence[Row] = ()
    """Return shipments."""
    parties: Sequence[Row] = ()

    @property
    def entity(self) -> str:
        return f"order:shop:{self.order.id}"

    @property
    def notices(self) -> list[Row]:
        """The mails about parcels."""
        return [mail for mail in self.mails if mail not in self.refund_mails]

    @property
    def refund_mails(self) -> list[Row]:
        return [mail for mail in self.mails if "refund" in mail["subject"]]

    @property
    def refunded(self) -> list[Row]:
        """What the provider gave back and did not take in again."""
        failed = {entry["refund"] for entry in self.paid if entry["what"] == "refund_failed"}
        return [entry for entry in self.paid if entry["what"] == "refunded" and entry["refund"] not in failed]

    @property
    def fulfilments(self) -> list[Fulfilment]:
        return [each for each in self.order.fulfilments if each.status != "cancelled"]

    @property
    def left(self) -> list[Row]:
        """The ERP's shipments that are done."""
        return [shipment for shipment in self.shipments if shipment["state"] == "done"]

    @property
    def waiting(self) -> list[Row]:
        return [shipment for shipment in self.shipments if shipment["state"] not in ("done", "cancelled")]

    @property
    def billed(self) -> list[Row]:
        """The invoices of parcels."""
        return [invoice for invoice in self._posted if not invoice["credit"] and not self._corrects(invoice)]

    @property
    def corrected(self) -> list[Row]:
        """Credit notes, and invoices of what was billed too little."""
        return [invoice for invoice in self._posted if invoice["credit"] or self._corrects(invoice)]

    @property
    def _posted(self) -> list[Row]:
        return [invoice for invoice in self.invoices if invoice["state"] in ("posted", "paid")]

    def _corrects(self, invoice: Row) -> bool:
        return any(web_id.startswith(f"{self.entity}/") for web_id in invoice["web_ids"])

    @property
    def shown_number(self) -> str | None:
        """The ERP's number of the sale, as the shop shows it on the order."""
        shown = self.order.metafields.get("crossdock.erp_order")
        return shown.value if shown else None


async def books_of(retailer: Retailer, orders: Iterable[int] | None = None, *, with_erp: bool = True) -> list[Books]:
    """The books of these orders, or of all the shop has. Take them when nothing is moving; the ERP's cost it 0.3 s."""
    erp = await asyncio.to_thread(ledger, retailer.erp.at, *_ERP_PARTS) if retailer.erp and with_erp else None
    chosen = retailer.shop.world.orders if orders is None else orders
    return [_books(retailer, retailer.shop.world.orders[number], erp) for number in chosen]


def _books(retailer: Retailer, order: Order, erp: Mapping[str, Sequence[Row]] | None) -> Books:
    entity = f"order:shop:{order.id}"
    floor = retailer.warehouse.ledger
    books = Books(
        order,
        parcels=[entry.details["shipment"] for entry in floor.select("parcel_left", entity)],
        asked=[entry.details["order"] for entry in floor.select("order_received", entity)],
        mails=[
            entry.details
            for entry in retailer.mail.ledger.select("mail_received")
            if order.name in entry.details["subject"].split()
        ],
        paid=[
            {"what": entry.what, "key": entry.key, **entry.details}
            for entry in retailer.payments.ledger.entries
            if entry.details.get("order") == str(order.id)
        ],
        handed_in=_handed_in(retailer, order),
    )
    return books if erp is None else _with_erp(books, erp)


def _handed_in(retailer: Retailer, order: Order) -> list[Row]:
    """What the till took back of an order by its receipt."""
    till = retailer.till.ledger
    found: list[Row] = []
    for entry in [*till.select("returned", order.name), *till.select("returned", str(order.number))]:
        id_ = entry.details["id"]
        looked_at = {
            each.details["line"]: each.details["as_"]
            for each in till.select("inspected", entry.key)
            if each.details["id"] == id_
        }
        paid_out = [each.details["amount"] for each in till.select("paid_out") if each.details["for_return"] == id_]
        units = [
            {"sku": sku, "units": count, "as": looked_at.get(str(at))}
            for at, (sku, count) in enumerate(entry.details["units"].items())
        ]
        found.append({"id": id_, "units": units, "paid_out": sum(paid_out)})
    return found


def _with_erp(books: Books, erp: Mapping[str, Sequence[Row]]) -> Books:
    """A sale that corrects bears the key of the correction behind the order's own."""
    about = [sale for sale in erp["sales"] if str(books.order.id) in f"{sale['web_id']} {sale['reference']}"]
    numbers = {sale["number"] for sale in about}

    def of_sale(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if numbers & {origin["number"] for origin in row["sales"]}]

    return replace(
        books,
        sales=[sale for sale in about if not (sale["web_id"] or "").startswith(f"{books.entity}/")],
        shipments=of_sale(erp["shipments"]),
        invoices=of_sale(erp["invoices"]),
        received=of_sale(erp["returns"]),
        parties=erp["parties"],
    )


def rounded(amount: Fraction) -> int:
    """Half away from zero, as ledgers round; Python's own would round half to even."""
    return int(amount + Fraction(1, 2)) if amount >= 0 else -int(Fraction(1, 2) - amount)


def minor(amount: str) -> int:
    return int(Decimal(amount).scaleb(2).to_integral_exact())


def sold_units(order: Order, line: Line) -> int:
    """Units of a line that were ordered and not taken away since; what came back was sold all the same."""
    return min(line.current + order.returned(line.id), line.quantity)


def sold_for(order: Order) -> int:
    """What the order was sold for, in minor units, whatever was given back since."""
    total = order.tip
    for line in order.lines:
        units = sold_units(order, line)
        total += line.worth(units) + (0 if order.taxes_included else line.taxed(units))
    for charge in order.shipping_lines:
        total += charge.discounted + (0 if order.taxes_included else sum(tax.minor for tax in charge.taxes))
    return total


def goods(lines: Iterable[Row]) -> Goods:
    """Products and quantities of an ERP document; lines without a product (delivery) are no goods."""
    return summed([(line["product"], int(line["quantity"]))] for line in lines if line["product"])


def summed(parts: Iterable[Iterable[tuple[str, int]]]) -> Goods:
    sums = Counter[str]()
    for part in parts:
        for sku, units in part:
            sums[sku] += units
    return tuple(sorted(sums.items()))
