"""What a simulated shop holds: customers, products, orders, what is to leave and what left. Amounts in minor units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from crossdock.kernel.money import AnyMoney, Money, allocate
from crossdock.simulators.shop_records import Refund, Return, Transaction

# Shopify's ids have 13 or 14 digits and each kind its own range, so that a mixed-up id shows.
_FIRST_IDS = {
    "Customer": 7_100_000_000_000,
    "MailingAddress": 8_300_000_000_000,
    "Product": 8_900_000_000_000,
    "ProductVariant": 46_000_000_000_000,
    "Order": 5_900_000_000_000,
    "LineItem": 14_200_000_000_000,
    "ShippingLine": 4_700_000_000_000,
    "FulfillmentOrder": 6_600_000_000_000,
    "FulfillmentOrderLineItem": 15_300_000_000_000,
    "Fulfillment": 5_400_000_000_000,
    "FulfillmentLineItem": 13_100_000_000_000,
    "Metafield": 31_000_000_000_000,
    "OrderEdit": 79_000_000_000,
    "OrderTransaction": 7_600_000_000_000,
    "Refund": 9_800_000_000_000,
    "RefundLineItem": 5_600_000_000_000,
    "Return": 12_300_000_000,
    "ReturnLineItem": 25_400_000_000,
    "ReverseFulfillmentOrder": 8_700_000_000,
    "StoreCreditAccount": 1_200_000_000,
}
_RETURN_STATUS = {"REQUESTED": "RETURN_REQUESTED", "OPEN": "IN_PROGRESS", "CLOSED": "RETURNED"}


class NotPossible(ValueError):
    """The shop can't do that; the message says why."""


class Address(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A postal address with the fields Shopify knows."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    country: str | None = None
    country_code: str | None = None
    zip: str | None = None
    phone: str | None = None

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))


@dataclass
class Location:
    id: int
    name: str


@dataclass
class Customer:
    id: int
    created_at: datetime
    updated_at: datetime
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    address_id: int
    address: Address | None


@dataclass
class Product:
    id: int
    variant_id: int
    sku: str
    title: str
    variant_title: str | None
    price: int
    grams: int
    ships: bool
    location: int


@dataclass
class TaxLine:
    title: str
    rate: float
    minor: int


@dataclass
class Line:
    """One order line; `quantity` counts every unit ever ordered, `current` those not removed since."""

    id: int
    product: Product
    price: int
    quantity: int
    current: int
    discounts: list[int]
    taxes: list[TaxLine]

    def on_current(self, minor: int) -> int:
        """The part of a whole-line amount that falls on the current units."""
        return self.on(self.current, minor)

    def on(self, units: int, minor: int) -> int:
        """The part of a whole-line amount that falls on that many units."""
        if units == self.quantity:
            return minor
        whole: AnyMoney = Money(minor, "USD")  # any currency: its parts are counted in the same minor units
        return allocate(whole, (units, self.quantity - units))[0].minor

    def worth(self, units: int) -> int:
        """What that many units come to after discount, as stated: with or without tax."""
        return self.price * units - sum(self.on(units, minor) for minor in self.discounts)

    def taxed(self, units: int) -> int:
        return sum(self.on(units, tax.minor) for tax in self.taxes)

    @property
    def name(self) -> str:
        return (
            f"{self.product.title} - {self.product.variant_title}" if self.product.variant_title else self.product.title
        )


@dataclass
class ShippingLine:
    id: int
    title: str
    price: int
    discounted: int
    taxes: list[TaxLine]


@dataclass
class ToFulfil:
    """Units of one order line that a fulfilment order ships."""

    id: int
    line: int
    total: int
    remaining: int


@dataclass
class FulfilmentOrder:
    id: int
    order: int
    location: int
    status: str
    updated_at: datetime
    lines: list[ToFulfil]
    method: str = "SHIPPING"


@dataclass
class FulfilledLine:
    id: int
    line: int
    units: int


@dataclass
class Fulfilment:
    id: int
    order: int
    name: str
    status: str
    created_at: datetime
    updated_at: datetime
    location: int
    company: str | None
    numbers: list[str]
    urls: list[str]
    lines: list[FulfilledLine]


@dataclass
class Metafield:
    id: int
    namespace: str
    key: str
    type: str
    value: str


@dataclass
class Order:
    id: int
    number: int
    confirmation_number: str
    token: str
    created_at: datetime
    updated_at: datetime
    currency: str
    presentment_currency: str
    taxes_included: bool
    customer: int | None
    email: str | None
    phone: str | None
    billing_address: Address | None
    shipping_address: Address | None
    lines: list[Line]
    shipping_lines: list[ShippingLine]
    financial_status: str
    presentment_rate: float = 1.0
    """Buyer's currency per shop currency."""
    discount_code: str | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    staff_note: str | None = None
    fulfilment_orders: list[FulfilmentOrder] = field(default_factory=list["FulfilmentOrder"])
    fulfilments: list[Fulfilment] = field(default_factory=list["Fulfilment"])
    pickup_at: int | None = None
    """The location its buyer fetches it from."""
    metafields: dict[str, Metafield] = field(default_factory=dict[str, "Metafield"])
    """By `namespace.key`."""
    gateway: str = "bogus"
    manual_gateway: bool = False
    """A payment method Shopify only writes down: it calls nobody, neither to capture nor to refund."""
    tip: int = 0
    transactions: list[Transaction] = field(default_factory=list[Transaction])
    refunds: list[Refund] = field(default_factory=list[Refund])
    returns: list[Return] = field(default_factory=list[Return])

    @property
    def name(self) -> str:
        return f"#{self.number}"

    @property
    def captured(self) -> int:
        return sum(each.minor for each in self.transactions if each.kind in ("sale", "capture") and each.succeeded)

    @property
    def given_back(self) -> int:
        return sum(each.minor for each in self.transactions if each.kind == "refund" and each.succeeded)

    @property
    def shipping_refunded(self) -> int:
        return sum(each.shipping for each in self.refunds)

    def transaction(self, number: int) -> Transaction:
        found = next((each for each in self.transactions if each.id == number), None)
        if found is None:
            raise NotPossible(f"order {self.id} has no transaction {number}")
        return found

    def returned(self, line: int) -> int:
        """Units that left and were refunded since."""
        return sum(each.of_left(line) for each in self.refunds)

    def line(self, number: int) -> Line:
        found = next((line for line in self.lines if line.id == number), None)
        if found is None:
            raise NotPossible(f"order {self.id} has no line {number}")
        return found

    def fulfilled(self, line: int) -> int:
        """Units of the line in fulfilments that stand."""
        standing = (each for each in self.fulfilments if each.status != "cancelled")
        return sum(part.units for each in standing for part in each.lines if part.line == line)

    def to_ship(self, line: int) -> int:
        return sum(part.remaining for each in self.fulfilment_orders for part in each.lines if part.line == line)

    @property
    def return_status(self) -> str:
        """What the shop says of all returns together; one that was declined or called off is none."""
        standing = [each for each in self.returns if each.status in _RETURN_STATUS]
        found = {_RETURN_STATUS[each.status] for each in standing}
        if "IN_PROGRESS" in found and all(each.looked_at for each in standing if each.status == "OPEN"):
            found = found - {"IN_PROGRESS"} | {"INSPECTION_COMPLETE"}
        shown = ("RETURN_REQUESTED", "IN_PROGRESS", "INSPECTION_COMPLETE", "RETURNED")
        return next((each for each in shown if each in found), "NO_RETURN")

    @property
    def fulfilment_status(self) -> str | None:
        if not any(each.status != "cancelled" for each in self.fulfilments):
            return None
        return "partial" if any(self.to_ship(line.id) for line in self.lines) else "fulfilled"


@dataclass(frozen=True)
class Totals:
    """An order's sums, as ordered or as it is now, after edits and refunds."""

    goods: int
    discounts: int
    tax: int
    shipping: int
    total: int


def totals(order: Order, *, current: bool) -> Totals:
    """Sums over every unit ever ordered, or over the current ones."""

    def part(line: Line, minor: int) -> int:
        return line.on_current(minor) if current else minor

    goods = sum(line.price * (line.current if current else line.quantity) for line in order.lines)
    discounts = sum(part(line, minor) for line in order.lines for minor in line.discounts)
    tax = sum(part(line, tax.minor) for line in order.lines for tax in line.taxes)
    tax += sum(tax.minor for charge in order.shipping_lines for tax in charge.taxes)
    shipping = sum(charge.discounted for charge in order.shipping_lines)
    if current:
        shipping -= order.shipping_refunded
        tax -= sum(each.shipping_tax for each in order.refunds)
    total = goods - discounts + shipping + (0 if order.taxes_included else tax) + order.tip
    return Totals(goods, discounts, tax, shipping, total)


@dataclass
class World:
    """All that a backup of the shop would hold, and its counters, which no restore sets back."""

    currency: str = "USD"
    customers: dict[int, Customer] = field(default_factory=dict[int, "Customer"])
    products: dict[str, Product] = field(default_factory=dict[str, "Product"])
    locations: dict[int, Location] = field(default_factory=dict[int, "Location"])
    orders: dict[int, Order] = field(default_factory=dict[int, "Order"])
    fulfilment_orders: dict[int, FulfilmentOrder] = field(default_factory=dict[int, "FulfilmentOrder"])
    store_credit: Counter[int] = field(default_factory=Counter[int])
    """By customer, in the shop's currency."""
    refunds_by_key: dict[str, tuple[str, int, datetime]] = field(default_factory=dict[str, tuple[str, int, datetime]])
    """By idempotency key: the input it came with, the refund it made, and when."""
    given_ids: Counter[str] = field(default_factory=Counter[str])

    def next_id(self, kind: str) -> int:
        self.given_ids[kind] += 1
        return _FIRST_IDS[kind] + self.given_ids[kind]


C = TypeVar("C", Customer, Order)


def _no_more(_: object) -> bool:
    return False


def by_last_change(things: Iterable[C], since: datetime | None, besides: Callable[[C], bool] = _no_more) -> list[C]:
    """Those changed at or after `since`, and others `besides`, the oldest change first."""
    chosen = (thing for thing in things if since is None or thing.updated_at >= since or besides(thing))
    return sorted(chosen, key=lambda thing: (thing.updated_at, thing.id))
