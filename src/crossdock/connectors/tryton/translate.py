"""Tryton's readings in the retail language. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from crossdock.canonical.stock import Product, StockLevel
from crossdock.connect.documents import Document, Ignore, Origin, Translated, Untranslatable
from crossdock.connectors.tryton import wire
from crossdock.connectors.tryton.parties import account_seen
from crossdock.connectors.tryton.reads import ACCOUNT, PRODUCT, STOCK
from crossdock.connectors.tryton.system import connector
from crossdock.kernel.money import AnyMoney, from_decimal, minor_digits

T = TypeVar("T")

_CUSTOMER = re.compile(r"customer:[a-z0-9_]{1,60}:[!-~]{1,120}")
"""A customer's entity key, which is the code of a party that is an account of ours."""


@connector.translate(ACCOUNT)
def account(body: bytes, origin: Origin) -> Iterator[Translated]:
    """An account as Tryton holds it: evidence for the state the hub keeps there."""
    reading = read_as(body, wire.AccountReading)
    party = reading.party
    if not _CUSTOMER.fullmatch(party.code):
        yield Ignore("party_of_someone_else")
        return
    held = account_seen(party, reading.mark)
    yield Document(kind="party_account", id=str(party.id), entity=party.code, body=held, token=_sane(party))


@connector.translate(PRODUCT)
def product(body: bytes, origin: Origin) -> Iterator[Translated]:
    reading = read_as(body, wire.ProductReading)
    row = reading.product
    listed = product_in(reading)
    yield Document(
        kind="product", id=row.code, entity=origin.entity("product", row.code), body=listed, token=_sane(row)
    )


@connector.translate(STOCK)
def stock_level(body: bytes, origin: Origin) -> Iterator[Translated]:
    """What is counted at one location; there is no clock in it, so the later read speaks."""
    level = level_in(body)
    id_ = f"{level.sku}@{level.location}"
    yield Document(kind="stock_level", id=id_, entity=origin.entity("stock", level.sku), body=level, token=0)


def product_in(reading: wire.ProductReading) -> Product:
    row = reading.product
    return Product(sku=row.code, name=row.name, list_price=_price(row, reading.currency))


def level_in(body: bytes) -> StockLevel:
    reading = read_as(body, wire.LevelReading)
    on_hand = _units(reading.on_hand)
    free = min(_units(reading.free), on_hand)
    return StockLevel(
        sku=reading.sku, location=reading.location, on_hand=on_hand, reserved=on_hand - free, available=free
    )


def _price(row: wire.ProductRow, currency: str) -> AnyMoney:
    """Tryton lists prices with four decimals; the retail language knows whole cents."""
    try:
        price = Decimal(row.list_price_used.decimal if row.list_price_used else "0")
        return from_decimal(price.quantize(Decimal(1).scaleb(-minor_digits(currency)), ROUND_HALF_EVEN), currency)
    except (InvalidOperation, ValueError) as error:
        raise Untranslatable(f"product {row.code} has no price that can be booked") from error


def _units(quantity: float) -> int:
    """Whole units; a shelf that Tryton books below zero, by force, holds none."""
    if abs(quantity) >= 2**31 or quantity != round(quantity):
        raise Untranslatable(f"{quantity} is no number of whole units")
    return max(0, round(quantity))


def _sane(row: wire.PartyRow | wire.ProductRow) -> int:
    try:
        return row.token
    except (ValueError, OverflowError) as error:
        raise Untranslatable("the time of the last change is not in the calendar") from error


def read_as(body: bytes, shape: type[T]) -> T:
    """The reading in its wire type. msgspec raises these two of Python's beside its own."""
    try:
        return msgspec.json.decode(body, type=shape)
    except UnicodeDecodeError as error:
        raise Untranslatable("the body is not UTF-8") from error
    except RecursionError as error:
        raise Untranslatable("the body is nested too deeply") from error
