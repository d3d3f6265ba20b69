"""What came back, judged: the money, the goods, the credit note, the shop's record and the mail, each once and to the cent.

Worked out from the checkout, the parcels and what the till wrote down; a return counts when everything in it was looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from crossdock.simulators.retailer_ledgers import Books, Goods, Row, minor, rounded, sold_units
from crossdock.simulators.shop_state import Line, Order, Refund

LOCATIONS = {"damaged": "DAMAGED", "vendor": "VENDOR", "sellable": "MAIN"}
"""Where the terms of this retailer put goods, by what became of them."""


@dataclass(frozen=True)
class Due:
    """What one return must come to, in minor units; `stored` is (SKU, location, units), sorted."""

    id: str
    units: Goods
    net: int
    tax: int
    paid_out: int
    stored: tuple[tuple[str, str, int], ...]

    @property
    def total(self) -> int:
        return self.net + self.tax


def due_for(books: Books) -> list[Due]:
    """Each return in the order it was handed in: it takes the last units of its lines."""
    kept = Counter({line.id: sold_units(books.order, line) for line in books.order.lines})
    complete = [each for each in books.handed_in if all(line["as"] for line in each["units"])]
    return [_due(books.order, handed_in, kept) for handed_in in complete]


def _due(order: Order, handed_in: Row, kept: Counter[int]) -> Due:
    """Lowers `kept` by what came back."""
    net = tax = 0
    for back in handed_in["units"]:
        line = next(line for line in order.lines if line.product.sku == back["sku"])
        before, after = kept[line.id], kept[line.id] - back["units"]
        kept[line.id] = after
        net += _net(order, line, before) - _net(order, line, after)
        tax += _tax(line, before) - _tax(line, after)
    units = tuple(sorted((back["sku"], back["units"]) for back in handed_in["units"]))
    stored = tuple(sorted((back["sku"], LOCATIONS[back["as"]], back["units"]) for back in handed_in["units"]))
    return Due(handed_in["id"], units, net, tax, handed_in["paid_out"], stored)


def _net(order: Order, line: Line, units: int) -> int:
    charged = Fraction((line.price * line.quantity - sum(line.discounts)) * units, line.quantity)
    return rounded(charged) - (_tax(line, units) if order.taxes_included else 0)


def _tax(line: Line, units: int) -> int:
    return sum(rounded(Fraction(tax.minor * units, line.quantity)) for tax in line.taxes)


def returns_differ(books: Books, *, mails_lost: bool = False) -> Iterator[str]:
    """Where money, goods, notes and mails are not what the returns make them."""
    due = due_for(books)
    yield from _money_differs(books, due)
    yield from _shop_differs(books, due)
    yield from _mails_differ(books, mails_lost=mails_lost)
    if books.sales is not None:
        yield from _goods_differ(books, due)
        yield from _notes_differ(books, due)


def _money_differs(books: Books, due: list[Due]) -> Iterator[str]:
    """One refund for each return that the till did not pay out, never more than was captured; a clerk's counts as ours."""
    name = books.order.name
    captured = sum(entry["amount"] for entry in books.paid if entry["what"] == "captured")
    given = [entry["amount"] for entry in books.refunded]
    if sum(given) > captured:
        yield f"{name}: {sum(given) / 100:.2f} was refunded of {captured / 100:.2f} captured"
    owed = [each.total - each.paid_out for each in due if each.total > each.paid_out] if captured else []
    by_hand = any(not entry["key"] for entry in books.refunded)
    if (sum(given) != sum(owed)) if by_hand else (Counter(given) != Counter(owed)):
        yield f"{name}: returns are worth refunds of {owed}, the provider made {given}"


def _goods_differ(books: Books, due: list[Due]) -> Iterator[str]:
    """One return shipment for each return, its units where their disposition says."""
    owed = Counter(each.stored for each in due)
    done = Counter(
        tuple(sorted((line["product"], line["to"], int(line["quantity"])) for line in shipment["stored"]))
        for shipment in books.received
        if shipment["state"] == "done"
    )
    if owed != done:
        yield f"{books.order.name}: came back {list(owed.elements())}, the ERP received {list(done.elements())}"


def _notes_differ(books: Books, due: list[Due]) -> Iterator[str]:
    """Exact net and tax; at most one credit note for each return, for what comes at once may share one."""
    name = books.order.name
    notes = [(-minor(note["untaxed"]), -minor(note["tax"])) for note in books.corrected]
    owed = [(each.net, each.tax) for each in due]
    if (sum(n for n, _ in notes), sum(t for _, t in notes)) != (sum(n for n, _ in owed), sum(t for _, t in owed)):
        yield f"{name}: returns are worth credit notes of (net, tax) {owed}, the ERP posted {notes}"
    if len(notes) > len(owed) or any(net < 0 or tax < 0 for net, tax in notes):
        yield f"{name}: {len(notes)} corrections for {len(owed)} returns: {notes}"


def _shop_differs(books: Books, due: list[Due]) -> Iterator[str]:
    """The shop shows each return once, with its units and what the buyer got for it."""
    captured = any(entry["what"] == "captured" for entry in books.paid)
    owed = Counter((each.units, each.total if captured else each.paid_out) for each in due)
    shown = Counter(_shown(books.order, refund) for refund in books.order.refunds if any(p.left for p in refund.lines))
    if owed != shown:
        yield f"{books.order.name}: came back {list(owed.elements())}, the shop shows {list(shown.elements())}"


def _shown(order: Order, refund: Refund) -> tuple[Goods, int]:
    units = tuple(sorted((order.line(part.line).product.sku, part.units) for part in refund.lines))
    return units, sum(order.transaction(number).minor for number in refund.transactions)


def _mails_differ(books: Books, *, mails_lost: bool) -> Iterator[str]:
    """One mail about each refund we made, with its amount."""
    made = Counter(
        f"{entry['amount'] / 100:.2f} {entry['currency'].upper()}" for entry in books.refunded if entry["key"]
    )
    told = Counter(amount for mail in books.refund_mails for amount in made if amount in mail["text"])
    if len(books.refund_mails) > made.total() or told - made or (made - told and not mails_lost):
        yield f"{books.order.name}: refunds of {list(made.elements())}, {len(books.refund_mails)} mails about refunds"
    if any(mail["recipients"] != [books.order.email] for mail in books.refund_mails):
        yield f"{books.order.name}: the mail about a refund went to somebody else"
