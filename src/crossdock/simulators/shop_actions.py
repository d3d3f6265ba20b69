"""What people do in the shop: buy, pay, change, cancel, pack by hand. Each tells the webhooks Shopify tells."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from crossdock.kernel.moments import Clock
from crossdock.kernel.money import AnyMoney, Money, allocate, from_decimal
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.shop_packing import close_shipped, expect
from crossdock.simulators.shop_prices import Json, taxes_on
from crossdock.simulators.shop_records import Transaction
from crossdock.simulators.shop_refund_webhooks import transaction_body
from crossdock.simulators.shop_state import (
    Address,
    Customer,
    FulfilledLine,
    Fulfilment,
    Line,
    Location,
    NotPossible,
    Order,
    Product,
    ShippingLine,
    ToFulfil,
    World,
    totals,
)
from crossdock.simulators.shop_webhooks import customer_body, fulfilment_body, order_body

Tell = Callable[[str, Json, str], None]
"""(topic, body, id of what happened): send a webhook."""


class Bought(msgspec.Struct, forbid_unknown_fields=True):
    """Units of one product."""

    sku: str
    quantity: int = 1


class TrackingInfo(msgspec.Struct):
    company: str | None = None
    numbers: list[str] = []
    urls: list[str] = []


class Trading:
    """The shop's till; times are whole seconds, as Shopify's are."""

    tells_transactions = False
    """Whether anyone has subscribed to `order_transactions/create`."""

    def __init__(self, world: World, ledger: Ledger, tell: Tell, clock: Clock, seed: int) -> None:
        self.world = world
        self.ledger = ledger
        self._tell_webhook = tell
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311  (repeatable on purpose)
        self._events = 0
        self.charge: Callable[[int, int], object] | None = None
        """Has an outside provider take the money for an order at the checkout: (order id, cents)."""

    def now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def add_location(self, name: str) -> Location:
        location = Location(92_000_000_000 + len(self.world.locations) + 1, name)
        self.world.locations[location.id] = location
        return location

    def add_product(
        self,
        sku: str,
        title: str,
        price: str,
        variant_title: str | None = None,
        grams: int = 500,
        ships: bool = True,
        location: int | None = None,
    ) -> Product:
        """A product with one variant, kept at the location given or the first one."""
        product = Product(
            id=self.world.next_id("Product"),
            variant_id=self.world.next_id("ProductVariant"),
            sku=sku,
            title=title,
            variant_title=variant_title,
            price=self._minor(price),
            grams=grams,
            ships=ships,
            location=location or next(iter(self.world.locations)),
        )
        self.world.products[sku] = product
        return product

    def create_customer(
        self,
        first_name: str | None = None,
        last_name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        address: Address | None = None,
    ) -> Customer:
        customer = Customer(
            id=self.world.next_id("Customer"),
            created_at=self.now(),
            updated_at=self.now(),
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone=phone,
            address_id=self.world.next_id("MailingAddress"),
            address=address,
        )
        self.world.customers[customer.id] = customer
        self.ledger.append("customer_created", str(customer.id))
        self._tell_customer("customers/create", customer)
        return customer

    def update_customer(
        self,
        customer: int,
        email: str | None = None,
        phone: str | None = None,
        address: Address | None = None,
    ) -> Customer:
        """Change what is given, and leave the rest."""
        known = self._customer(customer)
        known.email, known.phone = email or known.email, phone or known.phone
        known.address, known.updated_at = address or known.address, self.now()
        self.ledger.append("customer_updated", str(customer))
        self._tell_customer("customers/update", known)
        return known

    def delete_customer(self, customer: int) -> None:
        del self.world.customers[self._customer(customer).id]
        self.ledger.append("customer_deleted", str(customer))
        gone: Json = {
            "id": customer,
            "tax_exemptions": [],
            "admin_graphql_api_id": f"gid://shopify/Customer/{customer}",
        }
        self._tell_webhook("customers/delete", gone, self._event())

    def place_order(
        self,
        lines: list[Bought],
        customer: int | None = None,
        email: str | None = None,
        shipping_address: Address | None = None,
        billing_address: Address | None = None,
        discount: str = "0",
        discount_code: str | None = None,
        tax_rate: str = "0",
        tax_title: str = "Sales tax",
        taxes_included: bool = False,
        shipping: str | None = None,
        shipping_title: str = "Standard",
        pickup: str | None = None,
        paid: bool = False,
        charged: bool = False,
        authorised: bool = False,
        gateway: str = "bogus",
        manual_gateway: bool = False,
        payment: str | None = None,
        tip: str = "0",
        presentment_currency: str | None = None,
        presentment_rate: float = 1.0,
    ) -> Order:
        """Amounts are decimal strings; the discount is for the whole order and spread over its lines by value.

        `paid` or `authorised`: at the checkout, so that even the first webhook says so; otherwise the payment is pending.
        `charged`: paid, and an outside provider has taken the money, where the shop is joined to one.
        `pickup` names the location the buyer comes to: such an order has no address to go to, and a charge named as the location.
        `payment` is what an outside payment provider calls it, `manual_gateway` means that Shopify never calls that provider.
        """
        paid, manual_gateway = paid or charged, manual_gateway or charged
        buyer = None if customer is None else self._customer(customer)
        fetched_at = None if pickup is None else self._location(pickup)
        order = Order(
            id=self.world.next_id("Order"),
            number=1000 + self.world.given_ids["Order"],
            confirmation_number="".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=9)),
            token=self._random.randbytes(16).hex(),
            created_at=self.now(),
            updated_at=self.now(),
            currency=self.world.currency,
            presentment_currency=presentment_currency or self.world.currency,
            presentment_rate=presentment_rate,
            taxes_included=taxes_included,
            customer=customer,
            email=email or (buyer.email if buyer else None),
            phone=None,
            billing_address=billing_address or shipping_address,
            shipping_address=None if fetched_at else shipping_address,
            pickup_at=fetched_at and fetched_at.id,
            lines=[self._line(bought) for bought in lines],
            shipping_lines=[],
            financial_status="paid" if paid else "authorized" if authorised else "pending",
            discount_code=discount_code,
            gateway=gateway,
            manual_gateway=manual_gateway,
            tip=self._minor(tip),
        )
        self._price(order, self._minor(discount), tax_rate, tax_title)
        if fetched_at is not None:
            shipping, shipping_title = shipping or "0", fetched_at.name
        if shipping is not None:
            order.shipping_lines = [self._shipping(shipping, shipping_title, tax_rate, tax_title, taxes_included)]
        self._enter(order)
        self._tell_placed(order, payment)
        if charged and self.charge is not None:
            self.charge(order.id, totals(order, current=True).total)
        return order

    def _price(self, order: Order, discount: int, tax_rate: str, tax_title: str) -> None:
        """Of each line its part of the discount, and the taxes of what is left."""
        self._discount(order.lines, discount)
        for line in order.lines:
            left = line.price * line.quantity - sum(line.discounts)
            line.taxes = taxes_on(left, tax_rate, tax_title, order.taxes_included)

    def _enter(self, order: Order) -> None:
        """It is in the shop's books from now on, and its goods are to be packed."""
        for line in order.lines:
            expect(self.world, order, line, line.quantity, self.now())
        self.world.orders[order.id] = order
        self.ledger.append(
            "order_placed",
            str(order.id),
            name=order.name,
            email=order.email,
            total=totals(order, current=True).total,
            lines=[_sold(line) for line in order.lines],
        )

    def _tell_placed(self, order: Order, payment: str | None) -> None:
        """That there is a new order, with what the checkout took or was promised for it."""
        event, at_checkout = self._event(), {"paid": "sale", "authorized": "authorization"}
        if kind := at_checkout.get(order.financial_status):
            self.transact(order, kind, totals(order, current=True).total, event, authorization=payment)
        self._tell_order("orders/create", order, event)
        if order.financial_status == "paid":
            self._tell_paid(order, event)

    def pay_order(self, order: int, payment: str | None = None) -> Order:
        """All of it: what was authorised is captured, and what wasn't is paid now."""
        found = self._order(order)
        held = next((each for each in found.transactions if each.kind == "authorization"), None)
        due = totals(found, current=True).total - found.captured
        found.financial_status, found.updated_at = "paid", self.now()
        event = self._event()
        kind, parent = ("capture", held.id) if held else ("sale", None)
        self.transact(found, kind, due, event, parent=parent, authorization=payment or (held and held.authorization))
        self._tell_paid(found, event)
        self._tell_order("orders/updated", found, event)
        return found

    def transact(
        self,
        order: Order,
        kind: str,
        minor: int,
        event: str,
        *,
        parent: int | None = None,
        authorization: str | None = None,
        gateway: str | None = None,
    ) -> Transaction:
        """Write a transaction down that its gateway confirmed."""
        by = gateway or order.gateway
        made = Transaction(
            id=self.world.next_id("OrderTransaction"),
            kind=kind,
            status="success",
            gateway=by,
            minor=minor,
            created_at=self.now(),
            parent=parent,
            authorization=authorization,
            manual=order.manual_gateway and by == order.gateway,
        )
        order.transactions.append(made)
        self.ledger.append("transaction", str(order.id), id=str(made.id), kind=kind, gateway=by, amount=minor)
        if self.tells_transactions:
            self._tell_webhook("order_transactions/create", transaction_body(made, order), event)
        return made

    def _tell_paid(self, order: Order, event: str) -> None:
        self.ledger.append("order_paid", str(order.id), total=totals(order, current=True).total)
        self._tell_order("orders/paid", order, event)

    def edit_address(self, order: int, address: Address) -> Order:
        """Support changes where the order goes."""
        found = self._order(order)
        found.shipping_address, found.updated_at = address, self.now()
        self.ledger.append("address_edited", str(order), address=msgspec.to_builtins(address))
        self._tell_order("orders/updated", found, self._event())
        return found

    def delete_order(self, order: int) -> None:
        del self.world.orders[self._order(order).id]
        self.ledger.append("order_deleted", str(order))
        self._tell_webhook("orders/delete", {"id": order}, self._event())

    def fulfil_by_hand(self, order: int, quantities: dict[int, int], tracking_number: str | None = None) -> Fulfilment:
        """A clerk packs units of lines, by line id, and types in the tracking number."""
        found = self._order(order)
        for wanted in found.fulfilment_orders:
            parts = [(part, quantities[part.line]) for part in wanted.lines if quantities.get(part.line)]
            if parts and all(units <= part.remaining for part, units in parts):
                tracking = TrackingInfo(numbers=[tracking_number] if tracking_number else [])
                return self.fulfil(found, wanted.location, parts, tracking, by="hand")
        raise NotPossible("no fulfilment order has that many units left")

    def fulfil(
        self,
        order: Order,
        location: int,
        parts: Iterable[tuple[ToFulfil, int]],
        tracking: TrackingInfo,
        *,
        by: str,
        told_customer: bool = False,
    ) -> Fulfilment:
        """Ship units of fulfilment order lines in one parcel; the caller has checked that they are there."""
        shipped = list(parts)
        fulfilment = Fulfilment(
            id=self.world.next_id("Fulfillment"),
            order=order.id,
            name=f"{order.name}-F{len(order.fulfilments) + 1}",
            status="success",
            created_at=self.now(),
            updated_at=self.now(),
            location=location,
            company=tracking.company,
            numbers=tracking.numbers,
            urls=tracking.urls,
            lines=[
                FulfilledLine(self.world.next_id("FulfillmentLineItem"), part.line, units) for part, units in shipped
            ],
        )
        for part, units in shipped:
            part.remaining -= units
        order.fulfilments.append(fulfilment)
        order.updated_at = self.now()
        close_shipped(order, self.now())
        self.ledger.append(
            "fulfilment_created",
            str(order.id),
            id=str(fulfilment.id),
            name=fulfilment.name,
            tracking=tracking.numbers,
            company=tracking.company,
            location=self.world.locations[location].name,
            lines={str(part.line): units for part, units in shipped},
            by=by,
            told_customer=told_customer,
        )
        self._tell_fulfilment("fulfillments/create", order, fulfilment)
        return fulfilment

    def cancel_fulfilment(self, fulfilment: int) -> Fulfilment:
        """A clerk takes a parcel back: its units are to ship again."""
        order, found = next(
            (order, each) for order in self.world.orders.values() for each in order.fulfilments if each.id == fulfilment
        )
        found.status, found.updated_at = "cancelled", self.now()
        order.updated_at = self.now()
        for part in found.lines:
            expect(self.world, order, order.line(part.line), part.units, self.now())
        self.ledger.append("fulfilment_cancelled", str(order.id), id=str(fulfilment))
        self._tell_fulfilment("fulfillments/update", order, found)
        return found

    def _tell_fulfilment(self, topic: str, order: Order, fulfilment: Fulfilment) -> None:
        event = self._event()
        self._tell_webhook(topic, fulfilment_body(fulfilment, order), event)
        self._tell_order("orders/updated", order, event)
        complete = order.fulfilment_status == "fulfilled"
        self._tell_order("orders/fulfilled" if complete else "orders/partially_fulfilled", order, event)

    def _tell_order(self, topic: str, order: Order, event: str) -> None:
        self._tell_webhook(topic, order_body(order, self.world), event)

    def _tell_customer(self, topic: str, customer: Customer) -> None:
        self._tell_webhook(topic, customer_body(customer, self.world.currency), self._event())

    def _event(self) -> str:
        """The id of one thing that happened: every webhook it causes carries it."""
        self._events += 1
        return f"{self._random.getrandbits(96):024x}-{self._events}"

    def _location(self, name: str) -> Location:
        found = next((each for each in self.world.locations.values() if name in (each.name, str(each.id))), None)
        if found is None:
            raise NotPossible(f"there is no location {name}")
        return found

    def _order(self, number: int) -> Order:
        if number not in self.world.orders:
            raise NotPossible(f"there is no order {number}")
        return self.world.orders[number]

    def _customer(self, number: int) -> Customer:
        if number not in self.world.customers:
            raise NotPossible(f"there is no customer {number}")
        return self.world.customers[number]

    def _minor(self, amount: str) -> int:
        return from_decimal(amount, self.world.currency).minor

    def _line(self, bought: Bought, rate: str = "0", tax_title: str = "", *, included: bool = False) -> Line:
        if bought.sku not in self.world.products:
            raise NotPossible(f"there is no product {bought.sku}")
        product, units = self.world.products[bought.sku], bought.quantity
        taxes = taxes_on(product.price * units, rate, tax_title, included)
        return Line(self.world.next_id("LineItem"), product, product.price, units, units, discounts=[], taxes=taxes)

    def _discount(self, lines: list[Line], whole: int) -> None:
        for line, part in self._spread(lines, whole) if whole else ():
            line.discounts = [part]

    def _spread(self, lines: list[Line], whole: int) -> list[tuple[Line, int]]:
        """Parts of an amount for each line, by its value."""
        amount: AnyMoney = Money(whole, self.world.currency)
        parts = allocate(amount, [line.price * line.quantity for line in lines])
        return [(line, part.minor) for line, part in zip(lines, parts, strict=True)]

    def _shipping(self, price: str, title: str, rate: str, tax_title: str, included: bool) -> ShippingLine:
        minor = self._minor(price)
        taxes = taxes_on(minor, rate, tax_title, included)
        return ShippingLine(self.world.next_id("ShippingLine"), title, price=minor, discounted=minor, taxes=taxes)


def _sold(line: Line) -> Json:
    """A line at the checkout; amounts are minor units."""
    taxes = [{"rate": str(tax.rate), "amount": tax.minor} for tax in line.taxes]
    sold: Json = {"line": str(line.id), "sku": line.product.sku, "units": line.quantity, "price": line.price}
    return sold | {"discount": sum(line.discounts), "taxes": taxes}
