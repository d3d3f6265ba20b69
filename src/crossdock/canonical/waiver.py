"""What people have decided is not to be done."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that something promised is left undone; it holds for exactly what was promised then, and no other."""

    name: str
    """The promise."""
    digest: str
    """Of what was promised, 32 hex digits: with other contents it is owed again."""
    reason: str
    by: str
    waived_at: datetime
