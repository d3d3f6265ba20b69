"""Shopify's terms in canonical words: what a webhook and a GraphQL answer must come to alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Literal, Protocol, TypeVar

import msgspec

from crossdock.canonical.order import Tax
from crossdock.canonical.party import Address, Customer
from crossdock.connect.documents import Document, Origin, Untranslatable
from crossdock.kernel.moments import to_micros
from crossdock.kernel.money import AnyMoney, Money, allocate, from_decimal

T = TypeVar("T")

Id = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
Units = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
CurrencyCode = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Amount = Annotated[str, msgspec.Meta(max_length=24)]
"""A decimal string; bounded, because an exponent turns a few bytes into a number of a million digits."""

_NAME_LENGTH_MAX = 200

Payment = Literal["pending", "authorised", "paid", "refunded", "voided"]

PAYMENT: dict[str | None, Payment] = {
    None: "pending",
    "pending": "pending",
    "authorized": "authorised",
    "partially_paid": "pending",  # not wholly paid yet: nothing may rely on it
    "paid": "paid",
    "partially_refunded": "paid",  # it was paid; what went back is a fact of its own
    "refunded": "refunded",
    "voided": "voided",
    "expired": "voided",  # an authorisation that lapsed holds no money any more
}
"""Shopify's financial status, in lower case, to ours."""

NOT_SHIPPED = frozenset(("cancelled", "error", "failure"))
"""States of a fulfilment, in lower case, in which the shop shows no parcel."""


def decoded(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The message as its wire type; `Untranslatable` when it is none."""
    if b"\\u0000" in body:
        raise Untranslatable("a NUL character, which no text in our database can hold")
    try:
        str(body, "utf-8")  # msgspec skips fields we don't read without a look at their bytes
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Untranslatable(str(error)) from error


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; `Untranslatable` at the edges of the calendar, where that is no date."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Untranslatable(f"{moment} is no date in UTC") from error


@lru_cache(maxsize=8192)  # prices repeat: a hit costs a tenth of parsing the decimal again
def amount(text: str, currency: str) -> AnyMoney:
    """Money of a decimal string; `Untranslatable` when it is none in that currency."""
    try:
        return from_decimal(text, currency)
    except ValueError as error:
        raise Untranslatable(str(error)) from error


def plus(whole: AnyMoney, minor: int) -> AnyMoney:
    """An amount and some minor units of it more; `Untranslatable` beyond what can be booked."""
    if abs(whole.minor + minor) >= 2**63:
        raise Untranslatable(f"{whole.minor} and {minor} minor units are more than can be booked")
    return Money(whole.minor + minor, whole.currency)


def tip(text: str, currency: str) -> AnyMoney | None:
    given = amount(text, currency)
    return given if given.minor else None


def share(whole: AnyMoney, units: int, of: int) -> AnyMoney:
    """The part of a line's amount that falls on `units` of its `of`.

    Shopify states a line's discounts and taxes "including refunded and removed quantities" (schema 2026-07).
    """
    if units == of:
        return whole
    if units > of:
        raise Untranslatable(f"{units} units current of only {of} ever ordered")
    return allocate(whole, (units, of - units))[0]


def discount(allocated: Sequence[str], currency: str, units: int, of: int) -> AnyMoney | None:
    """What is taken off the line's current units, all discounts together; None when nothing is."""
    if not allocated or not units:
        return None
    minor = sum([amount(text, currency).minor for text in allocated])
    if abs(minor) >= 2**63:
        raise Untranslatable(f"{minor} minor units of discount on one line")
    part = share(Money(minor, currency), units, of)
    return part if part.minor else None


def tax(title: str, rate: float | None, price: str, currency: str, units: int, of: int) -> Tax:
    """One tax on the line's current units."""
    return Tax(title=title, rate=_rate(rate or 0.0), amount=share(amount(price, currency), units, of))


@lru_cache(maxsize=1024)
def _rate(rate: float) -> str:
    """The rate as Shopify wrote it, which is the shortest decimal of the float: "0.0825"."""
    if not 0 <= rate <= 10:
        raise Untranslatable(f"{rate} is no tax rate")
    return repr(rate) if rate >= 0.0001 else format(rate, ".10f").rstrip("0").rstrip(".")


class Postal(Protocol):
    """An address as either API gives it; any part may be missing."""

    name: str | None
    company: str | None
    address1: str | None
    address2: str | None
    city: str | None
    province: str | None
    province_code: str | None
    zip: str | None
    country: str | None
    country_code: str | None
    phone: str | None


def address(wire: Postal | None) -> Address | None:
    if wire is None:
        return None
    return Address(
        name=wire.name or "",
        company=wire.company or "",
        street=tuple([line for line in (wire.address1, wire.address2) if line]),
        city=wire.city or "",
        region=wire.province_code or wire.province or "",
        postal_code=wire.zip or "",
        country=wire.country_code or wire.country or "",
        phone=wire.phone or "",
    )


def customer(
    origin: Origin,
    number: str,
    changed_at: datetime,
    *,
    first: str | None,
    last: str | None,
    email: str,
    phone: str,
    lives_at: Address | None,
) -> Document:
    """A customer, called by the name given, else the one on the address, else the e-mail address."""
    given = " ".join(filter(None, (first, last)))
    name = given or (lives_at.name or lives_at.company if lives_at else "") or email
    return Document(
        kind="customer",
        id=number,
        entity=origin.entity("customer", number),
        body=Customer(id=number, name=name, email=email, phone=phone, address=lives_at),
        token=token(changed_at),
        aliases=(gid("Customer", number),),
    )


def order_names(number: str, name: str, order_number: int, confirmation: str | None) -> tuple[str, ...]:
    """Every name an order goes by in its shop, none of them personal: "#1042", "1042", its ids, what the buyer was told."""
    return names(name, str(order_number), number, gid("Order", number), confirmation)


def names(*given: str | None) -> tuple[str, ...]:
    """Those that somebody can search by; a tracking number typed in by hand may be anything."""
    return tuple([each for each in given if each and len(each) <= _NAME_LENGTH_MAX and each.isprintable()])


def token(changed_at: datetime) -> int:
    """A version from the shop's clock, which has whole seconds."""
    micros = to_micros(changed_at)
    if micros < 0:
        raise Untranslatable(f"{changed_at} is before any shop")
    return micros


def gid(kind: str, number: str) -> str:
    """Shopify's global id: `gid://shopify/Order/1001`."""
    return f"gid://shopify/{kind}/{number}"


def number_of(global_id: str) -> str:
    """The plain id in a global id; some carry a query behind it (`…/Location/9?inventory=1`)."""
    return plain_number(global_id.rpartition("/")[2].partition("?")[0])


def plain_number(text: str) -> str:
    """An id as a string of digits, as GraphQL gives 64-bit numbers."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise Untranslatable(f"{text[:40]!r} is no id")
    return text
