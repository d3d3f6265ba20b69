"""The books of shop, warehouse, till, payment provider, ERP and mail server held against each other: what independent judges
of the hub go by.

Nothing here asks the hub, and no sum is taken from a system that is being judged by it: amounts are worked out anew from
what was sold at the checkout, what left the warehouse and what was handed in at the till. What came back is judged in
`retailer_returns`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from crossdock.simulators.retailer_ledgers import (
    Books,
    Goods,
    Row,
    books_of,
    goods,
    minor,
    rounded,
    sold_for,
    sold_units,
    summed,
)
from crossdock.simulators.retailer_returns import returns_differ
from crossdock.simulators.shop_state import Line, Order

__all__ = ["Books", "books_of", "disagreements"]


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
    if len(books.notices) > len(books.parcels):
        yield f"{order.name}: {len(books.notices)} mails for {len(books.parcels)} parcels"
    if books.sales is not None:
        yield from _erp_differs(books, books.sales)
    yield from returns_differ(books, mails_lost=mails_lost)


def _parcel_untold(books: Books, parcel: Row, *, mails_lost: bool) -> Iterator[str]:
    """The shop shows the parcel's units under its tracking number once, and the customer had one mail about it."""
    name, number = books.order.name, parcel["tracking"]["number"]
    shown = [each for each in books.fulfilments if number in each.numbers]
    if [Counter({str(part.line): part.units for part in each.lines}) for each in shown] != [
        Counter({line["line"]: line["units"] for line in parcel["lines"]})
    ]:
        yield f"{name}: the shop does not show parcel {number} once with what it holds"
    told = [mail for mail in books.notices if number in mail["text"]]
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
    if (total := sold_for(order)) != minor(sale["total"]):
        yield f"{order.name}: sold for {total / 100:.2f}, the ERP's sale is over {sale['total']}"
    if goods(sale["lines"]) != _sold(order):
        yield f"{order.name}: the ERP's sale holds {goods(sale['lines'])} and not {_sold(order)}"
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
    never_ordered = Counter(dict(summed(goods(s["lines"]) for s in books.left))) - Counter(dict(_sold(books.order)))
    if never_ordered:
        yield f"{books.order.name}: the ERP shipped more than was sold: {dict(never_ordered)}"


def _billed_differs(books: Books) -> Iterator[str]:
    """One posted invoice per parcel, over its units at the price and tax of the checkout."""
    due = Counter(_due(books.order, parcel) for parcel in books.parcels)
    billed = Counter((goods(i["lines"]), minor(i["untaxed"]), minor(i["total"])) for i in books.billed)
    for what in (due - billed).elements():
        yield f"{books.order.name}: not billed, or not so: {what}"
    for what in (billed - due).elements():
        yield f"{books.order.name}: billed, but nothing left for it: {what}"
    whole = summed(_units(parcel) for parcel in books.parcels) == _sold(books.order)
    total = sum(minor(invoice["total"]) for invoice in books.billed)
    if whole and total != (due_in_all := sold_for(books.order)):
        yield f"{books.order.name}: invoices sum to {total / 100:.2f}, the order was over {due_in_all / 100:.2f}"


def _due(order: Order, parcel: Row) -> tuple[Goods, int, int]:
    """(goods, net, total) in minor units that the parcel's invoice must say; tax is rounded once an invoice."""
    net = tax = Fraction(0)
    for line in parcel["lines"]:
        ordered = order.line(int(line["line"]))
        worth = _worth(ordered, line["units"])
        net += worth
        tax += sum(worth * Fraction(str(each.rate)) for each in ordered.taxes)
    return _units(parcel), rounded(net), rounded(net) + rounded(tax)


def _worth(line: Line, units: int) -> Fraction:
    return Fraction(line.price * units) - Fraction(sum(line.discounts) * units, line.quantity)


def _sold(order: Order) -> Goods:
    sold = [(line.product.sku, sold_units(order, line)) for line in order.lines]
    return summed([each] for each in sold if each[1])


def _units(parcel: Row) -> Goods:
    return summed([(line["sku"], line["units"])] for line in parcel["lines"])


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
