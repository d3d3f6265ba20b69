"""Finding the culprit: a list that Tryton refuses whole is tried again in halves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from crossdock.kernel.faults import Rejected

K = TypeVar("K")


async def isolated(
    items: Sequence[K],
    perform: Callable[[Sequence[K]], Awaitable[object]],
    remaining: Callable[[Sequence[K]], Awaitable[Sequence[K]]] | None = None,
) -> dict[K, Rejected]:
    """Do all in one call, and when that is refused, in halves; answers the refusals by item.

    A list is one transaction in Tryton, so a refusal has done nothing to any of its items. `remaining` says which of them are
    still to be done, where somebody else may do them too.
    """
    if not items:
        return {}
    try:
        await perform(items)
    except Rejected as refusal:
        left = await remaining(items) if remaining else items
        if len(items) == 1:
            return dict.fromkeys(left, refusal)
        # Fewer than before means that somebody was at work: what is left may pass together now.
        middle = (len(left) + 1) // 2 if len(left) == len(items) else len(left)
        first = await isolated(left[:middle], perform, remaining)
        return first | await isolated(left[middle:], perform, remaining)
    return {}
