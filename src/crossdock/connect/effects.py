"""What a target offers to make an act happen once, and so what follows when nobody knows whether it did."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class Keyed(msgspec.Struct, frozen=True):
    """The target keeps our key: the same act is sent again with the same key, inside the window.

    No window means a unique business key that the target never forgets.
    """

    window: timedelta | None = None


class Searchable(msgspec.Struct, frozen=True):
    """The target can be searched by our reference: wait until nothing still travels, look, send only if absent."""

    by: str
    visible_after: timedelta
    """A finished act is found by search at the latest after this long."""
    max_travel: timedelta
    """A request sent takes effect at the latest after this long."""

    @property
    def quiet_period(self) -> timedelta:
        return self.max_travel + self.visible_after


class Blind(msgspec.Struct, frozen=True):
    """Neither: an unknown outcome is never sent again by the hub; a person decides."""


Effect = Keyed | Searchable | Blind
