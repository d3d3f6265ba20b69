"""What can be read from Tryton: the accounts of our customers, products by SKU, and stock by location."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.tryton import wire
from crossdock.connectors.tryton.changes import Found, changed, counted, place_of
from crossdock.connectors.tryton.reference import coded_locations, reference
from crossdock.connectors.tryton.rpc import Day, as_day, ask, fields_of
from crossdock.connectors.tryton.system import Settings, connector

ACCOUNT, PRODUCT, STOCK = "party_account.read", "product.read", "stock_level.read"
_OURS = [["code", "like", "customer:%"]]
_SOLD = [["code", "!=", None], ["salable", "=", True]]


# --- accounts ----------------------------------------------------------------------------------------------------------


@connector.read("party_account")
async def read_account(party: str, link: Link[Settings]) -> Reading | None:
    """One account by Tryton's id of the party."""
    where = [["id", "=", int(party) if party.isdigit() else 0]]
    asked = [where, 0, 1, None, fields_of(wire.PartyRow)]
    found = await ask(link, "model.party.party.search_read", list[msgspec.Raw], *asked, active_test=False)
    return _account(found[0], link) if found else None


@connector.list("party_account")
async def list_accounts(cursor: str, link: Link[Settings]) -> Page:
    """The accounts that changed; an address or an e-mail changes without its party, so they are looked at too."""
    related = [("addresses", "party.address"), ("contact_mechanisms", "party.contact_mechanism")]
    found = await changed(cursor, link, "party.party", wire.PartyRow, where=_OURS, related=related, active_test=False)
    return _page(found, [_account(raw, link) for raw in found.rows])


@connector.count("party_account")
async def count_accounts(link: Link[Settings]) -> int:
    return await counted(link, "party.party", _OURS, active_test=False)


def _account(raw: msgspec.Raw, link: Link[Settings]) -> Reading:
    id_ = msgspec.json.decode(raw, type=wire.Named).id
    body = msgspec.json.encode({"mark": link.settings.shop, "party": raw})
    return Reading(topic=ACCOUNT, id=str(id_), body=body)


# --- products ----------------------------------------------------------------------------------------------------------


@connector.read("product")
async def read_product(sku: str, link: Link[Settings]) -> Reading | None:
    """One product by its SKU, if it is on sale."""
    asked = [[["code", "=", sku], *_SOLD], 0, 1, [["id", "ASC"]], fields_of(wire.ProductRow)]
    found = await ask(link, "model.product.product.search_read", list[msgspec.Raw], *asked)
    return await _product(found[0], link) if found else None


@connector.list("product")
async def list_products(cursor: str, link: Link[Settings]) -> Page:
    """The products on sale that changed, themselves or in what their variants share."""
    related = [("template", "product.template")]
    found = await changed(cursor, link, "product.product", wire.ProductRow, where=_SOLD, related=related)
    return _page(found, [await _product(raw, link) for raw in found.rows])


@connector.count("product")
async def count_products(link: Link[Settings]) -> int:
    return await counted(link, "product.product", _SOLD)


async def _product(raw: msgspec.Raw, link: Link[Settings]) -> Reading:
    sku = msgspec.json.decode(raw, type=wire.Coded).code or ""
    body = msgspec.json.encode({"currency": (await reference(link)).currency_code, "product": raw})
    return Reading(topic=PRODUCT, id=sku, body=body)


# --- stock -------------------------------------------------------------------------------------------------------------


@connector.read("stock_level")
async def read_level(id_: str, link: Link[Settings]) -> Reading | None:
    """One level by `SKU@LOCATION`, of a product that is on sale."""
    sku, _, location = id_.rpartition("@")
    levels = await levels_of(sku, link) or []
    return next((level for level in levels if level.id == f"{sku}@{location}"), None)


async def levels_of(sku: str, link: Link[Settings]) -> list[Reading] | None:
    """All levels of a product; None when none of that SKU is on sale."""
    asked = [[["code", "=", sku], *_SOLD], 0, 1, [["id", "ASC"]], ["id"]]
    found = await ask(link, "model.product.product.search_read", list[wire.Named], *asked)
    return await _levels([row.id for row in found], link) if found else None


@connector.list("stock_level")
async def list_levels(cursor: str, link: Link[Settings]) -> Page:
    """All levels first, then those of products that moved."""
    if place_of(cursor).since is not None:
        found = await changed(cursor, link, "stock.move", wire.MovedRow)
        moved = {msgspec.json.decode(raw, type=wire.MovedRow).product for raw in found.rows}
        return _page(found, await _levels(sorted(moved), link))
    found = await changed(cursor, link, "product.product", wire.Named, where=_SOLD, clocks=["stock.move"])
    return _page(found, await _levels([msgspec.json.decode(raw, type=wire.Named).id for raw in found.rows], link))


async def _levels(products: Sequence[int], link: Link[Settings]) -> list[Reading]:
    """The levels of these products at every location that has a code. What is assigned to a shipment is reserved."""
    today = as_day((await ask(link, "model.ir.date.today", Day)).value)
    levels: list[Reading] = []
    for code, location in (await coded_locations(link)).items() if products else ():
        here = {"locations": [location], "stock_date_end": today}
        read = ("model.product.product.read", list[wire.CountedRow], products, ["code", "quantity"])
        there = await ask(link, *read, **here)
        free = {row.id: row.quantity for row in await ask(link, *read, **here, stock_assign=True)}
        levels += [_level(row, code, free[row.id]) for row in there if row.code]
    return levels


def _level(row: wire.CountedRow, location: str, free: float) -> Reading:
    body = {"sku": row.code, "location": location, "on_hand": row.quantity, "free": free}
    return Reading(topic=STOCK, id=f"{row.code}@{location}", body=msgspec.json.encode(body))


def _page(found: Found, items: Iterable[Reading]) -> Page:
    return Page(items=list(items), cursor=found.place.cursor, more=found.more)
