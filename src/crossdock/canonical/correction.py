"""What people have put right in what a system said."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that one field of a fact reads otherwise; it holds while its source says what it said then."""

    about: str
    """The fact's identity."""
    field: str
    """Names and positions from the outside in, with dots between: `ship_to.street.0`."""
    was: str
    now: str
    reason: str
    by: str
    corrected_at: datetime
