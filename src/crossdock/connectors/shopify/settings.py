"""What a connection to one Shopify shop needs to know."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from crossdock.connect.secrets import Secret

API_VERSION = "2026-07"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop; `calls_per_second` and `burst` count points of query cost, as Shopify's own bucket does."""

    url: str
    """The shop's address: `https://example.myshopify.com`."""
    access_token: Secret
    """The Admin API access token of the shop's app."""
    webhook_secrets: tuple[Secret, ...] = ()
    """The app's client secret; during a rotation the old one and the new one."""
    locations: dict[str, str] = {}
    """Our code of a location (the warehouse's name of it) to the shop's location id, where the names differ."""
    payments: str = ""
    """The connection of the payment provider, where the money of orders is not the shop's own to tell (Shopify Payments)."""
    restock_location: str = ""
    """The shop's location id where sellable returned goods are counted in; empty: the shop's stock is left alone."""
    overlap_seconds: float = 300.0
    """How far a listing looks back behind the last change it saw: Shopify's search index lags behind its database."""
    timeout_seconds: float = 30.0
    # Standard plan: 100 points a second, a bucket of 2,000; Advanced 200, Plus 1,000, Enterprise 2,000 a second.
    calls_per_second: float = 100.0
    burst: int = 2000

    @property
    def location_codes(self) -> Mapping[str, str]:
        """Our codes by the shop's location ids."""
        return {id_: code for code, id_ in self.locations.items()}
