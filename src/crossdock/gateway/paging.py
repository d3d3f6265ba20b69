"""Lists that may be long, a page at a time: `Link` leads to the next one (RFC 8288), by a cursor that only we can make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from crossdock.gateway.cursors import cursor, position_of
from crossdock.gateway.route import Call, Reply
from crossdock.store.events import BEGINNING, Position

T = TypeVar("T")
PAGE_MAX = 1000


class PageAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list."""

    after: Annotated[str, Meta(max_length=1000)] = ""
    """Where the page before it ended: follow its `Link`, rather than to make it up."""
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_MAX


def place_asked(call: Call, path: str) -> Position:
    """After what the page begins; `Problem` for a cursor that is none of ours, or of another list or caller."""
    asked: PageAsked = call.query
    return position_of(asked.after, _bound(call, path), call.house.secrets, "after") if asked.after else BEGINNING


def page(
    call: Call, path: str, found: Sequence[T], place: Callable[[T], Position], tell: Callable[[T], Any]
) -> tuple[list[Any], str]:
    """(what is told, the `Link` to what comes then); `found`: one more than asked for, where there are more."""
    asked: PageAsked = call.query
    limit = asked.limit
    told = [tell(each) for each in found[:limit]]
    if len(found) <= limit:
        return told, ""
    after = cursor(place(found[limit - 1]), _bound(call, path), call.house.secrets)
    return told, f'<{path}?after={after}&limit={limit}>; rel="next"'


def paged(call: Call, path: str, found: Sequence[T], place: Callable[[T], Position], tell: Callable[[T], Any]) -> Reply:
    """The page, where it is all that is told."""
    told, link = page(call, path, found, place, tell)
    return Reply(told, link=link)


def _bound(call: Call, path: str) -> str:
    return f"{call.caller.id}\0{path}"
