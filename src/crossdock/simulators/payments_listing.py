"""Lists as the provider gives them, newest first by pages, and objects put in the place of their ids."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence

from crossdock.simulators.listing import HONEST, ListMischief
from crossdock.simulators.payments_books import Books
from crossdock.simulators.payments_form import Form, invalid
from crossdock.simulators.payments_shapes import Shown

_EXPANDABLE = {
    "payment_intent": "payment_intent",
    "charge": "charge",
    "latest_charge": "charge",
    "balance_transaction": "balance_transaction",
}
_FILTERS = {
    "charge": ("payment_intent",),
    "refund": ("payment_intent", "charge"),
    "dispute": ("payment_intent", "charge"),
    "balance_transaction": ("source", "type", "payout"),
    "event": ("type",),
}
_QUERY = re.compile(r'metadata\["order"\]:"((?:[^"\\]|\\.)*)"')
_BOUNDS: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda made, bound: made >= bound,
    "gt": lambda made, bound: made > bound,
    "lte": lambda made, bound: made <= bound,
    "lt": lambda made, bound: made < bound,
}


def expanded(books: Books, thing: Shown, paths: Sequence[str]) -> Shown:
    """A copy with the objects at these dotted paths in the place of their ids."""
    shown = copy.deepcopy(thing)
    for path in paths:
        place = shown
        for name in path.split("."):
            if name not in _EXPANDABLE or name not in place:
                raise invalid(f"This property cannot be expanded ({path}).", "expand")
            if isinstance(place[name], str):
                place[name] = copy.deepcopy(books.get(_EXPANDABLE[name], place[name]))
            if place[name] is None:
                break
            place = place[name]
    return shown


def listed(books: Books, kind: str, form: Form, lists: ListMischief = HONEST, *, lag_seconds: float = 0.0) -> Shown:
    """One page. `created[gte]=` and its like, `types[]=` and the filters of the kind narrow it."""
    form.only(("limit", "starting_after", "ending_before", "created", "types", *_FILTERS.get(kind, ())))
    visible_until = books.now() - lag_seconds
    found = [t for t in reversed(books.all(kind)) if _wanted(books, t, kind, form) and t["created"] <= visible_until]
    limit = min(form.whole("limit") or 10, 100)
    found = lists.shown(kind, found, limit, lambda thing: thing["id"])
    page, more = _page(found, limit, form.text("starting_after"), form.text("ending_before"))
    if page and lists.ends(kind, found.index(page[-1]) + 1):
        more = False
    inner = [path.removeprefix("data.") for path in form.expand]
    shown = [expanded(books, thing, inner) for thing in page]
    return {"object": "list", "url": f"/v1/{kind}s", "has_more": more, "data": shown}


def searched(books: Books, form: Form) -> Shown:
    """The payments whose metadata names an order: of the query language only that."""
    form.only(("query", "limit", "page"))
    asked = _QUERY.fullmatch(form.must("query"))
    if asked is None:
        raise invalid("We were unable to parse your search query.", "query")
    order = re.sub(r"\\(.)", r"\1", asked[1])
    found = [each for each in reversed(books.all("payment_intent")) if each["metadata"].get("order") == order]
    inner = [path.removeprefix("data.") for path in form.expand]
    limit = min(form.whole("limit") or 10, 100)
    return {
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "has_more": len(found) > limit,
        "data": [expanded(books, each, inner) for each in found[:limit]],
    }


def _wanted(books: Books, thing: Shown, kind: str, form: Form) -> bool:
    if any(not _BOUNDS[how](thing["created"], int(bound)) for how, bound in form.nested.get("created", {}).items()):
        return False
    if form.lists.get("types") and thing["type"] not in form.lists["types"]:
        return False
    return all(
        form.text(name) in (None, books.payout_of.get(thing["id"]) if name == "payout" else thing[name])
        for name in _FILTERS.get(kind, ())
    )


def _page(found: list[Shown], limit: int, after: str | None, before: str | None) -> tuple[list[Shown], bool]:
    ids = [thing["id"] for thing in found]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor is not None and cursor not in ids:
            raise invalid(f"No such object: '{cursor}'", name, "resource_missing")
    if before is not None:
        end = ids.index(before)
        return found[max(0, end - limit) : end], end > limit
    start = 0 if after is None else ids.index(after) + 1
    return found[start : start + limit], start + limit < len(found)
