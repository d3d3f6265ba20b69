"""Asking a source for one of its things."""

from __future__ import annotations

import msgspec


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """Read the thing of this kind and id at its source."""

    kind: str
    id: str
