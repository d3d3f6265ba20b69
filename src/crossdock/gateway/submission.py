"""An order as a partner submits it, and what it becomes: amounts are decimal text, in the one currency of the order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from crossdock.canonical.order import Order, OrderLine, ShippingCharge, Tax
from crossdock.canonical.party import Address
from crossdock.gateway.problems import unfit
from crossdock.gateway.returning import Id, Text
from crossdock.gateway.route import Moment
from crossdock.kernel.money import AnyMoney, Money, from_written

Amount = Annotated[str, Meta(pattern=r"^\d{1,13}(\.\d{1,4})?$", max_length=20)]
Rate = Annotated[str, Meta(pattern=r"^[01](\.\d{1,6})?$")]
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)  # clocks differ, and so do the offsets that people believe in


class TaxSubmitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tax; `rate` is a fraction, "0.1" for ten percent."""

    title: Text
    rate: Rate
    amount: Amount


class LineSubmitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line; `unit_price` is before `discount`, which is for the whole line, as the taxes are."""

    id: Id
    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    title: Text
    ordered: Annotated[int, Meta(ge=0, le=1_000_000)]
    """Units; 0 takes the line off an order that had it."""
    unit_price: Amount
    discount: Amount = "0"
    taxes: Annotated[tuple[TaxSubmitted, ...], Meta(max_length=20)] = ()
    ships: bool = True


class ShippingSubmitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the buyer pays for delivery."""

    title: Text
    price: Amount
    taxes: Annotated[tuple[TaxSubmitted, ...], Meta(max_length=20)] = ()


class AddressSubmitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A postal address."""

    name: Text
    street: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=4)]
    city: Text
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    """ISO 3166-1."""
    company: Text = ""
    region: Text = ""
    postal_code: Text = ""
    phone: Text = ""


class OrderSubmitted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order whole, as its partner has it now."""

    id: Id
    """The partner's own, for good."""
    placed_at: Moment
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    lines: Annotated[tuple[LineSubmitted, ...], Meta(min_length=1, max_length=10_000)]
    total: Amount
    """What the buyer pays: lines, taxes unless they are included, delivery and tip."""
    number: Text = ""
    """What people call it; its id where it has no other."""
    tax_included: bool = False
    """Prices have their taxes in them."""
    email: Text = ""
    ship_to: AddressSubmitted | None = None
    bill_to: AddressSubmitted | None = None
    shipping: Annotated[tuple[ShippingSubmitted, ...], Meta(max_length=20)] = ()
    tip: Amount = "0"
    payment: Literal["pending", "authorised", "paid"] = "pending"
    cancelled_at: Moment | None = None
    """Set on an order that is cancelled whole; its lines have no units left."""


def as_order(told: OrderSubmitted, now: datetime) -> Order:
    """The order it is; `Problem` names the field that can't be so."""
    _check(told, now)
    order = Order(
        id=told.id,
        number=told.number or told.id,
        placed_at=told.placed_at.astimezone(UTC),
        currency=told.currency,
        lines=tuple(_line(each, told.currency, f"lines[{nth}]") for nth, each in enumerate(told.lines)),
        total=_money(told.total, told.currency, "total"),
        tax_included=told.tax_included,
        email=told.email,
        bill_to=_address(told.bill_to),
        ship_to=_address(told.ship_to),
        shipping=tuple(_charge(each, told.currency, f"shipping[{nth}]") for nth, each in enumerate(told.shipping)),
        tip=_money(told.tip, told.currency, "tip") if told.tip.strip("0.") else None,
        payment=told.payment,
        cancelled_at=told.cancelled_at and told.cancelled_at.astimezone(UTC),
    )
    if (due := sum(_worth(order))) != order.total.minor:
        raise unfit(
            "total", f"{order.total} is not what lines, taxes, delivery and tip come to: {_spelt(due, told.currency)}"
        )
    return order


def _check(told: OrderSubmitted, now: datetime) -> None:
    for field in ("placed_at", "cancelled_at"):
        at: datetime | None = getattr(told, field)
        if at is not None and not _EARLIEST <= at <= now + _AHEAD:
            raise unfit(field, f"{at.isoformat()} is not between 2000 and now")
    seen = set[str]()
    for nth, line in enumerate(told.lines):
        if line.id in seen:
            raise unfit(f"lines[{nth}].id", f"{line.id} is the id of an earlier line")
        seen.add(line.id)
        if told.cancelled_at is not None and line.ordered:
            raise unfit(f"lines[{nth}].ordered", "an order that is cancelled has no units left; write 0")


def check_follows(new: Order, held: Order) -> None:
    """`Problem` when this can't be the same order, edited: what was sold in a line stays in that line."""
    for name in ("id", "currency", "placed_at", "tax_included"):
        if getattr(new, name) != getattr(held, name):
            raise unfit(name, f"it was {getattr(held, name)}, and that doesn't change")
    lines = {line.id: line for line in new.lines}
    for line in held.lines:
        if line.id not in lines:
            raise unfit("lines", f"line {line.id} is missing; to take it off, have its ordered 0")
        if lines[line.id].sku != line.sku:
            raise unfit("lines", f"line {line.id} is {line.sku}; take it off, and add another line")
    if held.cancelled_at is not None and new.cancelled_at != held.cancelled_at:
        raise unfit("cancelled_at", "it is cancelled, and stays so; submit a new order")


def _line(told: LineSubmitted, currency: str, where: str) -> OrderLine:
    discount = _money(told.discount, currency, f"{where}.discount")
    price = _money(told.unit_price, currency, f"{where}.unit_price")
    if discount.minor > price.minor * told.ordered:
        raise unfit(f"{where}.discount", f"{discount} is more than the line comes to")
    return OrderLine(
        id=told.id,
        sku=told.sku,
        title=told.title,
        ordered=told.ordered,
        unit_price=price,
        discount=discount if discount.minor else None,
        taxes=tuple(_tax(each, currency, f"{where}.taxes[{nth}]") for nth, each in enumerate(told.taxes)),
        ships=told.ships,
    )


def _charge(told: ShippingSubmitted, currency: str, where: str) -> ShippingCharge:
    taxes = tuple(_tax(each, currency, f"{where}.taxes[{nth}]") for nth, each in enumerate(told.taxes))
    return ShippingCharge(title=told.title, price=_money(told.price, currency, f"{where}.price"), taxes=taxes)


def _tax(told: TaxSubmitted, currency: str, where: str) -> Tax:
    rate = _in_ascii(told.rate, f"{where}.rate")
    return Tax(title=told.title, rate=rate, amount=_money(told.amount, currency, f"{where}.amount"))


def _address(told: AddressSubmitted | None) -> Address | None:
    return None if told is None else msgspec.convert(msgspec.to_builtins(told), Address)


def _money(told: str, currency: str, where: str) -> AnyMoney:
    try:
        return from_written(told, currency)
    except ValueError as error:
        raise unfit(where, f"{told} is no amount in {currency}: {error}") from error


def _in_ascii(told: str, where: str) -> str:
    """JSON Schema's `\\d` is a digit from 0 to 9; Python's is one of any script, and so is `Decimal`'s."""
    if not told.isascii():
        raise unfit(where, f"{told} is not written in digits from 0 to 9")
    return told


def _worth(order: Order) -> Iterator[int]:
    """Minor units of everything the buyer pays for."""
    for line in order.lines:
        yield line.unit_price.minor * line.ordered - (line.discount.minor if line.discount else 0)
    for charge in order.shipping:
        yield charge.price.minor
    if order.tip is not None:
        yield order.tip.minor
    if not order.tax_included:
        taxed = [*(line.taxes for line in order.lines), *(charge.taxes for charge in order.shipping)]
        yield from (tax.amount.minor for taxes in taxed for tax in taxes)


def _spelt(minor: int, currency: str) -> str:
    due: AnyMoney = Money(minor, currency)
    return str(due)
