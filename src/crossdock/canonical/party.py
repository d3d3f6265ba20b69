"""People and organisations, and where to find them."""

from __future__ import annotations

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A postal address; `country` is ISO 3166-1 alpha-2, `region` the vendor's subdivision code or name."""

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party that buys, as one system knows it."""

    id: str
    name: str
    email: str = ""
    phone: str = ""
    address: Address | None = None
