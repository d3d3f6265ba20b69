"""`[tenants]` of the settings: whose orders there are."""

from __future__ import annotations

import msgspec

ONLY_TENANT = "main"
"""Whose everything is where the settings name no tenants."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tenants.<name>]`: whose orders these are; consumers of one tenant see nothing of another's."""

    brand: str = ""
    """What buyers know it as."""
    legal_entity: str = ""
    """Who it is before the law."""
