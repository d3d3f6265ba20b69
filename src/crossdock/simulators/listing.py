"""How a simulated system lies about what it lists: cut short, a page left out, something hidden, counted wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

T = TypeVar("T")


class ListMischief(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with lists whose name contains `match`. Pages are as long as they are asked for."""

    match: str = ""
    cut_at: int | None = None
    """The list ends after so many, and says that there is no more."""
    skip_page: int | None = None
    """The n-th page is left out; the pages behind it move up."""
    hide: tuple[str, ...] = ()
    """Things of these ids are not shown."""
    miscount: int = 0
    """Added to what is counted."""

    def shown(self, name: str, things: Sequence[T], page: int, id_of: Callable[[T], str]) -> list[T]:
        """What the list `name` holds, in its order, as it is shown by pages of that length."""
        if self.match not in name:
            return list(things)
        left = [thing for thing in things if id_of(thing) not in self.hide]
        if self.skip_page is not None:
            left = left[: page * (self.skip_page - 1)] + left[page * self.skip_page :]
        return left

    def ends(self, name: str, shown: int) -> bool:
        """Whether the list pretends to end after so many."""
        return self.match in name and self.cut_at is not None and shown >= self.cut_at

    def counted(self, name: str, count: int) -> int:
        return count + self.miscount if self.match in name else count


HONEST = ListMischief()
