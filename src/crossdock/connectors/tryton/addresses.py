"""Postal addresses in the retail language and in Tryton's. Pure, but for looking up countries and their parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from crossdock.canonical.party import Address
from crossdock.connect.link import Link
from crossdock.connectors.tryton.rpc import Code, Values, rows
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.faults import Rejected


class HeldAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A `party.address` as it is read, with ids."""

    id: int
    party: int
    party_name: str | None
    attn: str | None
    street: str | None
    city: str | None
    postal_code: str | None
    country: int | None
    subdivision: int | None


class SpeltAddress(HeldAddress, frozen=True, kw_only=True):
    """An address with the codes behind the ids."""

    active: bool | int
    sequence: int | None
    country_code: Code | None = msgspec.field(name="country.")
    region_code: Code | None = msgspec.field(name="subdivision.")


class CountryRow(msgspec.Struct, frozen=True):
    id: int
    code: str | None


class SubdivisionRow(msgspec.Struct, frozen=True):
    id: int
    country: int
    code: str
    name: str


class Label(NamedTuple):
    """What an address says, field by field as Tryton keeps it: two addresses that say the same are the same."""

    party_name: str = ""
    attn: str = ""
    street: str = ""
    city: str = ""
    postal_code: str = ""
    country: int | None = None
    subdivision: int | None = None

    def values(self) -> Values:
        return self._asdict()


@dataclass(frozen=True)
class Geography:
    """Countries by ISO code, and what is known of their parts."""

    countries: Mapping[str, int]
    subdivisions: Mapping[int, Sequence[SubdivisionRow]]

    def country(self, code: str, field: str) -> int | None:
        if code and code not in self.countries:
            raise Rejected(
                f"Tryton doesn't know the country {code}; import it there (trytond_import_countries)", field=field
            )
        return self.countries.get(code)

    def subdivision(self, country: int | None, region: str) -> int | None:
        """By ISO code with or without the country's ("US-MA", "MA"), or by name."""
        wanted = region.casefold()
        for row in self.subdivisions.get(country or 0, ()):
            if wanted in (row.code.casefold(), row.code.partition("-")[2].casefold(), row.name.casefold()):
                return row.id
        return None


async def geography(link: Link[Settings], addresses: Collection[Address]) -> Geography:
    """What is needed to write these addresses; kept in the process, for countries seldom change."""
    countries: dict[str, int] = link.memory.setdefault("countries", {})
    parts: dict[int, list[SubdivisionRow]] = link.memory.setdefault("subdivisions", {})
    codes = {as_held(address).country for address in addresses} - {""}
    if not codes <= countries.keys():
        found = await rows(link, "country.country", [], CountryRow)
        countries.update({row.code: row.id for row in found if row.code})
    with_regions = {as_held(address).country for address in addresses if address.region}
    if unread := sorted({countries[code] for code in with_regions & countries.keys()} - parts.keys()):
        found = await rows(link, "country.subdivision", [["country", "in", unread]], SubdivisionRow)
        parts.update({country: [row for row in found if row.country == country] for country in unread})
    return Geography(countries, parts)


def as_held(address: Address) -> Address:
    """How Tryton will hold it: blanks cut, one name line and one "attention" line, no phone (that is the party's)."""
    given = {name: value.strip() for name, value in _texts(address).items()}
    lines = tuple(line.strip() for line in address.street if line.strip())
    held = Address(**{**given, "country": given["country"].upper(), "phone": ""}, street=lines)
    if held.company and not held.name:
        return msgspec.structs.replace(held, name=held.company, company="")
    return held


def label_of(address: Address, known: Geography, field: str) -> Label:
    """What Tryton is to hold; a region it doesn't know stays readable behind the city."""
    held = as_held(address)
    country = known.country(held.country, f"{field}.country")
    subdivision = known.subdivision(country, held.region) if held.region else None
    unlisted = held.region if subdivision is None else ""
    return Label(
        party_name=held.company or held.name,
        attn=held.name if held.company else "",
        street="\n".join(held.street),
        city=", ".join(part for part in (held.city, unlisted) if part),
        postal_code=held.postal_code,
        country=country,
        subdivision=subdivision,
    )


def label_held(held: HeldAddress) -> Label:
    return Label(
        party_name=held.party_name or "",
        attn=held.attn or "",
        street="\n".join(line.strip() for line in (held.street or "").splitlines() if line.strip()),
        city=held.city or "",
        postal_code=held.postal_code or "",
        country=held.country,
        subdivision=held.subdivision,
    )


def canonical(held: SpeltAddress) -> Address:
    """An address as Tryton holds it, in the retail language."""
    attn, name = held.attn or "", held.party_name or ""
    region = (held.region_code and held.region_code.code) or ""
    return Address(
        name=attn or name,
        company=name if attn else "",
        street=tuple(line.strip() for line in (held.street or "").splitlines() if line.strip()),
        city=held.city or "",
        region=region.partition("-")[2] or region,
        postal_code=held.postal_code or "",
        country=(held.country_code and held.country_code.code) or "",
    )


def read_back(held: SpeltAddress, wanted: Address | None, label: Label | None) -> Address:
    """What is held; in the words it was wanted in where it says the same ("Massachusetts" is held as "US-MA")."""
    return as_held(wanted) if wanted is not None and label_held(held) == label else canonical(held)


def _texts(address: Address) -> dict[str, str]:
    fields = msgspec.structs.asdict(address)
    return {name: value for name, value in fields.items() if isinstance(value, str)}
