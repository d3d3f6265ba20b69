"""What a sale refers to: company, shop, currencies, taxes, products, locations. Looked up by name, kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from crossdock.connect.link import Link
from crossdock.connectors.tryton.rpc import Amount, Code, Day, ask, rows
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.faults import Missing, Refused, Rejected

T = TypeVar("T")

_FRESH_SECONDS = 600.0
"""A tax or product changed in Tryton is seen here after ten minutes at the latest; what isn't known is asked for at once."""


class ShopRow(msgspec.Struct, frozen=True):
    id: int
    company: int


class CompanyRow(msgspec.Struct, frozen=True):
    timezone: str | None
    currency: Code = msgspec.field(name="currency.")


class CurrencyRow(msgspec.Struct, frozen=True):
    id: int
    code: str


class WarehouseRow(msgspec.Struct, frozen=True):
    id: int
    input_location: int
    storage_location: int
    picking_location: int | None

    @property
    def storage(self) -> int:
        """Where shipments are picked from."""
        return self.picking_location or self.storage_location


class GroupRow(msgspec.Struct, frozen=True):
    kind: str


class TaxRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    rate: Amount
    group: GroupRow | None = msgspec.field(name="group.")

    @property
    def on_sales(self) -> bool:
        return self.group is None or self.group.kind != "purchase"


class ProductRow(msgspec.Struct, frozen=True):
    id: int
    code: str
    sale_uom: int | None
    default_uom: int
    salable: bool | int | None


class LocationRow(msgspec.Struct, frozen=True):
    id: int
    code: str


class FieldRow(msgspec.Struct, frozen=True):
    digits: str = ""


class NamedRow(msgspec.Struct, frozen=True):
    id: int


@dataclass(frozen=True)
class Reference:
    """What does not change from sale to sale."""

    shop: int
    company: int
    timezone: str | None
    currency_code: str
    """The company's own; products are priced in it."""
    warehouse: WarehouseRow
    payment_term: int | None
    currencies: Mapping[str, int]
    taxes: Mapping[Decimal, Sequence[TaxRow]]
    tax_names: Mapping[Decimal, str]
    price_digits: int
    """Decimals a unit price may have."""

    def currency(self, code: str) -> int:
        if code not in self.currencies:
            raise Rejected(f"Tryton has no currency {code}; activate it there", field="currency")
        return self.currencies[code]

    def tax(self, rate: Decimal, refs: Mapping[str, str], field: str) -> int:
        """The one tax on sales of this rate; where several have it, the settings or a mapping name it."""
        name = refs.get(f"tax/{rate}") or self.tax_names.get(rate)
        fitting = [tax for tax in self.taxes.get(rate, ()) if name in (None, tax.name)]
        if len(fitting) != 1:
            told = "no tax" if not fitting else f"{len(fitting)} taxes"
            raise Rejected(
                f"Tryton has {told} on sales with the rate {rate}; make one, or name it in the connection's taxes",
                field=field,
                missing=Missing("tax", str(rate)),
            )
        return fitting[0].id


async def reference(link: Link[Settings]) -> Reference:
    return await _kept(link, "reference", lambda: _look_up(link))


async def _look_up(link: Link[Settings]) -> Reference:
    settings = link.settings
    shop = _the_only(await rows(link, "web.shop", [["name", "=", settings.shop]], ShopRow), "web shop", settings.shop)
    where = [["type", "=", "warehouse"], ["code", "=", settings.warehouse]]
    warehouse = _the_only(await rows(link, "stock.location", where, WarehouseRow), "warehouse", settings.warehouse)
    [company] = await rows(link, "company.company", [["id", "=", shop.company]], CompanyRow)
    taxed = [["company", "=", shop.company], ["type", "=", "percentage"], ["parent", "=", None]]
    taxes = await rows(link, "account.tax", taxed, TaxRow)
    return Reference(
        shop=shop.id,
        company=shop.company,
        timezone=company.timezone,
        currency_code=company.currency.code or "",
        warehouse=warehouse,
        payment_term=await _payment_term(link),
        currencies={row.code: row.id for row in await rows(link, "currency.currency", [], CurrencyRow)},
        taxes=_by_rate([tax for tax in taxes if tax.on_sales]),
        tax_names={Decimal(rate): name for rate, name in settings.taxes.items()},
        price_digits=await _price_digits(link),
    )


async def _payment_term(link: Link[Settings]) -> int | None:
    name = link.settings.payment_term
    if not name:
        return None
    found = await rows(link, "account.invoice.payment_term", [["name", "=", name]], NamedRow)
    return _the_only(found, "payment term", name).id


async def _price_digits(link: Link[Settings]) -> int:
    """Tryton tells a field's digits as JSON: `[null, 4]`."""
    told = await ask(link, "model.sale.line.fields_get", dict[str, FieldRow], ["unit_price"])
    try:
        _, digits = msgspec.json.decode(told["unit_price"].digits, type=tuple[int | None, int])
    except msgspec.DecodeError:
        return 4  # Tryton's default
    return digits


def _by_rate(taxes: Sequence[TaxRow]) -> dict[Decimal, list[TaxRow]]:
    found: dict[Decimal, list[TaxRow]] = {}
    for tax in taxes:
        found.setdefault(tax.rate.value, []).append(tax)
    return found


def _the_only(found: Sequence[T], what: str, name: str) -> T:
    """Settings that name nothing, or two things, stop the connection: every call would fail alike."""
    if len(found) != 1:
        raise Refused(f"Tryton has {len(found)} {what}s named {name!r} that this user may read; correct the settings")
    return found[0]


# --- products and locations, by code -----------------------------------------------------------------------------------


async def products(link: Link[Settings], codes: Collection[str]) -> Mapping[str, Sequence[ProductRow]]:
    """The products of these codes; a code nobody has is not in the answer."""
    known: dict[str, list[ProductRow]] = await _kept(link, "products", _no_products)
    if unknown := sorted(set(codes) - known.keys()):
        # Gathered apart and put in whole: another call may have asked for the same codes meanwhile.
        found: dict[str, list[ProductRow]] = {}
        for row in await rows(link, "product.product", [["code", "in", unknown]], ProductRow):
            found.setdefault(row.code, []).append(row)
        known.update(found)
    return known


async def storage_location(link: Link[Settings], code: str, refs: Mapping[str, str]) -> int:
    """The place that parcels leave from, by a location's code, mapped or its own."""
    storage = (await reference(link)).warehouse.storage
    where = [["parent", "child_of", [storage], "parent"], ["type", "=", "storage"]]
    return await _location(link, code, refs, ("locations", "shipment.location"), where)


async def return_location(link: Link[Settings], code: str, refs: Mapping[str, str], field: str) -> int:
    """Where goods that came back may be put: anywhere in the warehouse, outside its picking too, or among its waste."""
    warehouse = (await reference(link)).warehouse
    stored = [["parent", "child_of", [warehouse.storage_location], "parent"], ["type", "=", "storage"]]
    where = [["OR", stored, [["waste_warehouses", "=", warehouse.id]]]]
    return await _location(link, code, refs, ("return_locations", field), where)


async def _location(
    link: Link[Settings], code: str, refs: Mapping[str, str], kept_for: tuple[str, str], among: Sequence[object]
) -> int:
    """The one location of this code among those; `kept_for` is the memory's name and the command's field."""
    name, (memory, field) = refs.get(f"location/{code}", code), kept_for
    known: dict[str, list[int]] = await _kept(link, memory, _no_locations)
    if name not in known and (found := await rows(link, "stock.location", [["code", "=", name], *among], LocationRow)):
        known[name] = [row.id for row in found]
    if len(known.get(name, ())) != 1:
        told = "no location" if name not in known else f"{len(known[name])} locations"
        raise Rejected(
            f"Tryton has {told} {name!r} under the warehouse {link.settings.warehouse}",
            field=field,
            missing=Missing("location", code),
        )
    return known[name][0]


async def coded_locations(link: Link[Settings]) -> Mapping[str, int]:
    """Every place under the warehouse that has a code."""
    storage = (await reference(link)).warehouse.storage
    where = [["code", "!=", None], ["parent", "child_of", [storage], "parent"], ["type", "=", "storage"]]
    return {row.code: row.id for row in await rows(link, "stock.location", where, LocationRow) if row.id != storage}


async def _no_products() -> dict[str, list[ProductRow]]:
    return {}


async def _no_locations() -> dict[str, list[int]]:
    return {}


async def _kept(link: Link[Settings], name: str, make: Callable[[], Awaitable[T]]) -> T:
    """What `make` gave last, unless that was too long ago."""
    lock: asyncio.Lock = link.memory.setdefault(f"{name}_lock", asyncio.Lock())
    async with lock:
        kept: tuple[float, T] | None = link.memory.get(name)
        if kept is None or time.monotonic() - kept[0] > _FRESH_SECONDS:
            kept = (time.monotonic(), await make())
            link.memory[name] = kept
        return kept[1]


# --- days --------------------------------------------------------------------------------------------------------------


async def day_of(link: Link[Settings], moment: datetime) -> date:
    """The day to book something under: the company's, and never later than the server's own today, which it refuses."""
    [day] = await days_of(link, [moment])
    return day


async def days_of(link: Link[Settings], moments: Sequence[datetime]) -> list[date]:
    about = await reference(link)
    today = await ask(link, "model.ir.date.today", Day)
    zone = ZoneInfo(about.timezone) if about.timezone else UTC
    return [min(moment.astimezone(zone).date(), today.value) for moment in moments]
