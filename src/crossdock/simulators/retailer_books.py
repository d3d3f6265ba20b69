"""The books of shop, warehouse, ERP and mail server held against each other: what independent judges of the hub go by.

Nothing here asks the hub, and no sum is taken from a system that is being judged by it: amounts are worked out anew from
what was sold at the checkout and what left the warehouse.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from crossdock.simulators.retailer import Retailer
from crossdock.simulators.shop_state import Fulfilment, Line, Order, totals
from crossdock.simulators.tryton_ledger import ledger

Row = Mapping[str, Any]
Goods = tuple[tuple[str, int], ...]
"""(SKU, units), sorted."""


@dataclass(frozen=True)
class Books:
    """What each system has about one order; `sales`, `shipments` and `invoices` are the ERP's, None without one."""

    order: Order
    parcels: Sequence[Row]
    asked: Sequence[Row]
    mails: Sequence[Row]
    sales: Sequence[Row] | None = None
    shipments: Sequence[Row] = ()
    invoices: Sequence[Row] = ()
    parties: Sequence[Row] = ()

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
        return [invoice for invoice in self.invoices if invoice["state"] in ("posted", "paid")]

    @property
    def shown_number(self) -> str | None:
        """The ERP's number of the sale, as the shop shows it on the order."""
        shown = self.order.metafields.get("crossdock.erp_order")
        return shown.value if shown else None


async def books_of(retailer: Retailer, orders: Iterable[int] | None = None, *, with_erp: bool = True) -> list[Books]:
    """The books of these orders, or of all the shop has. Take them when nothing is moving; the ERP's cost it 0.3 s."""
    erp = await asyncio.to_thread(ledger, retailer.erp.at) if retailer.erp and with_erp else None
    chosen = retailer.shop.world.orders if orders is None else orders
    return [_books(retailer, retailer.shop.world.orders[number], erp) for number in chosen]


def _books(retailer: Retailer, order: Order, erp: Mapping[str, Sequence[Row]] | None) -> Books:
    entity = f"order:shop:{order.id}"
    floor = retailer.warehouse.ledger
    parcels = [entry.details["shipment"] for entry in floor.select("parcel_left", entity)]
    asked = [entry.details["order"] for entry in floor.select("order_received", entity)]
    mails = [
        entry.details
        for entry in retailer.mail.ledger.select("mail_received")
        if order.name in entry.details["subject"].split()
    ]
    if erp is None:
        return Books(order, parcels, asked, mails)
    sales = [sale for sale in erp["sales"] if str(order.id) in f"{sale['web_id']} {sale['reference']}"]
    numbers = {sale["number"] for sale in sales}

    def of_sale(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if numbers & {origin["number"] for origin in row["sales"]}]

    return Books(
        order, parcels, asked, mails, sales, of_sale(erp["shipments"]), of_sale(erp["invoices"]), erp["parties"]
    )


def disagreements(books: Books, *, mails_lost: bool = False) -> Iterator[str]:
    """Where the books of one order differ, in words; nothing when every system tells the same story.

    `mails_lost`: a parcel without a mail is no fault, for a blind act whose outcome is unknown waits for a person.
    """
    order = books.order
    if len(books.asked) != 1:
        yield f"{order.name}: the warehouse was asked {len(books.asked)} times"
    for parcel in books.parcels:
        yield from _parcel_untold(books, parcel, mails_lost=mails_lost)
    if len(books.fulfilments) != len(books.parcels):
        yield f"{order.name}: {len(books.parcels)} parcels left, the shop shows {len(books.fulfilments)}"
    if len(books.mails) > len(books.parcels):
        yield f"{order.name}: {len(books.mails)} mails for {len(books.parcels)} parcels"
    if books.sales is not None:
        yield from _erp_differs(books, books.sales)


def _parcel_untold(books: Books, parcel: Row, *, mails_lost: bool) -> Iterator[str]:
    """The shop shows the parcel's units under its tracking number once, and the customer had one mail about it."""
    name, number = books.order.name, parcel["tracking"]["number"]
    shown = [each for each in books.fulfilments if number in each.numbers]
    if [Counter({str(part.line): part.units for part in each.lines}) for each in shown] != [
        Counter({line["line"]: line["units"] for line in parcel["lines"]})
    ]:
        yield f"{name}: the shop does not show parcel {number} once with what it holds"
    told = [mail for mail in books.mails if number in mail["text"]]
    if len(told) > 1 or not (told or mails_lost):
        yield f"{name}: {len(told)} mails about parcel {number}"
    if any(mail["recipients"] != [books.order.email] for mail in told):
        yield f"{name}: the mail about parcel {number} went to somebody else"


def _erp_differs(books: Books, sales: Sequence[Row]) -> Iterator[str]:
    order = books.order
    if len(sales) != 1:
        yield f"{order.name}: the ERP holds {len(sales)} sales"
        return
    [sale] = sales
    if (sold := totals(order, current=True).total) != _minor(sale["total"]):
        yield f"{order.name}: sold for {sold / 100:.2f}, the ERP's sale is over {sale['total']}"
    if _goods(sale["lines"]) != _sold(order):
        yield f"{order.name}: the ERP's sale holds {_goods(sale['lines'])} and not {_sold(order)}"
    if books.shown_number != sale["number"]:
        yield f"{order.name}: the ERP's sale is {sale['number']}, the shop shows {books.shown_number}"
    yield from _buyer_differs(books, sale)
    yield from _shipped_differs(books)
    yield from _billed_differs(books)


def _buyer_differs(books: Books, sale: Row) -> Iterator[str]:
    if books.order.customer is None:
        return
    code = f"customer:shop:{books.order.customer}"
    parties = [party for party in books.parties if party["code"] == code]
    if len(parties) != 1 or sale["party"] != code:
        yield f"{books.order.name}: {len(parties)} accounts of {code}; the sale is under {sale['party']}"


def _shipped_differs(books: Books) -> Iterator[str]:
    """The ERP shipped exactly the parcels: the same units from the same places to the same addresses."""
    left = Counter((_from(parcel), _place(parcel["ship_to"])) for parcel in books.parcels)
    shipped = Counter((_taken(shipment), _place(shipment["address"])) for shipment in books.left)
    for what in (left - shipped).elements():
        yield f"{books.order.name}: left the warehouse, but not the ERP: {what}"
    for what in (shipped - left).elements():
        yield f"{books.order.name}: left the ERP, but not the warehouse: {what}"
    never_ordered = Counter(dict(_sum(_goods(s["lines"]) for s in books.left))) - Counter(dict(_sold(books.order)))
    if never_ordered:
        yield f"{books.order.name}: the ERP shipped more than was sold: {dict(never_ordered)}"


def _billed_differs(books: Books) -> Iterator[str]:
    """One posted invoice per parcel, over its units at the price and tax of the checkout."""
    due = Counter(_due(books.order, parcel) for parcel in books.parcels)
    billed = Counter((_goods(i["lines"]), _minor(i["untaxed"]), _minor(i["total"])) for i in books.billed)
    for what in (due - billed).elements():
        yield f"{books.order.name}: not billed, or not so: {what}"
    for what in (billed - due).elements():
        yield f"{books.order.name}: billed, but nothing left for it: {what}"
    whole = _sum(_units(parcel) for parcel in books.parcels) == _sold(books.order)
    total = sum(_minor(invoice["total"]) for invoice in books.billed)
    if whole and total != (sold := totals(books.order, current=True).total):
        yield f"{books.order.name}: invoices sum to {total / 100:.2f}, the order was over {sold / 100:.2f}"


def _due(order: Order, parcel: Row) -> tuple[Goods, int, int]:
    """(goods, net, total) in minor units that the parcel's invoice must say; tax is rounded once an invoice."""
    net = tax = Fraction(0)
    for line in parcel["lines"]:
        ordered = order.line(int(line["line"]))
        worth = _worth(ordered, line["units"])
        net += worth
        tax += sum(worth * Fraction(str(each.rate)) for each in ordered.taxes)
    return _units(parcel), _rounded(net), _rounded(net) + _rounded(tax)


def _worth(line: Line, units: int) -> Fraction:
    return Fraction(line.price * units) - Fraction(sum(line.discounts) * units, line.quantity)


def _rounded(amount: Fraction) -> int:
    """Half away from zero, as ledgers round; Python's own would round half to even."""
    return int(amount + Fraction(1, 2)) if amount >= 0 else -int(Fraction(1, 2) - amount)


def _minor(amount: str) -> int:
    return int(Decimal(amount).scaleb(2).to_integral_exact())


def _sold(order: Order) -> Goods:
    return _sum([(line.product.sku, line.current)] for line in order.lines if line.current)


def _units(parcel: Row) -> Goods:
    return _sum([(line["sku"], line["units"])] for line in parcel["lines"])


def _goods(lines: Iterable[Row]) -> Goods:
    """Products and quantities of an ERP document; lines without a product (delivery) are no goods."""
    return _sum([(line["product"], int(line["quantity"]))] for line in lines if line["product"])


def _sum(parts: Iterable[Iterable[tuple[str, int]]]) -> Goods:
    summed = Counter[str]()
    for part in parts:
        for sku, units in part:
            summed[sku] += units
    return tuple(sorted(summed.items()))


def _from(parcel: Row) -> tuple[tuple[str, str, int], ...]:
    return tuple(sorted((parcel["location"], sku, units) for sku, units in _units(parcel)))


def _taken(shipment: Row) -> tuple[tuple[str, str, int], ...]:
    taken = Counter[tuple[str, str]]()
    for line in shipment["lines"]:
        taken[line["from"], line["product"]] += int(line["quantity"])
    return tuple(sorted((place, sku, units) for (place, sku), units in taken.items()))


def _place(address: Row | None) -> tuple[str, ...]:
    """Where an address is, in a form that the warehouse's and the ERP's have in common."""
    if address is None:
        return ()
    street = address["street"] or ""
    lines = street.splitlines() if isinstance(street, str) else street
    parts = (address["name"], *lines, address["postal_code"], address["city"], address["country"])
    return tuple(part.casefold() for part in parts if part)
