"""What can be read from Square: one order, payment or refund, and those changed since a cursor.

Square answers in parts: an order's lines name catalog objects, which have the SKUs, and a refund names the order of its return,
which says what the clerk scanned. A reading holds the parts together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, urlencode

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Answer, Link
from crossdock.connectors.square.system import Settings, connector, headers, unexpected
from crossdock.kernel.moments import parse

_PAGE_ITEMS = 100  # the most that Square gives of refunds and payments; of orders it gives 1,000
_CATALOG_MAX = 1000  # ids of one call
_NO_ORDER = msgspec.Raw(b"null")


class _Cursor(msgspec.Struct):
    """Where a listing stands: `since` what it asks, `after` which page, `latest` the last change it saw.

    `behind` asks only for what changed after that moment, with no overlap: a list that ended too early has more there.
    """

    since: str = ""
    after: str = ""
    latest: str = ""
    behind: str = ""


class _Stub(msgspec.Struct):
    """What a listing must know of an item without translating it."""

    id: str
    updated_at: str = ""
    order_id: str | None = None


class _Line(msgspec.Struct):
    catalog_object_id: str | None = None


class _Returned(msgspec.Struct):
    return_line_items: list[_Line] = []


class _Lines(msgspec.Struct):
    line_items: list[_Line] = []
    returns: list[_Returned] = []


class _OneOrder(msgspec.Struct):
    order: msgspec.Raw


class _OneRefund(msgspec.Struct):
    refund: msgspec.Raw


# A list must be in its answer: an answer without it is taken for a broken one, not for "none". Square leaves it out where
# there is nothing at all, which with the overlap is only before a shop's first sale.
class _Orders(msgspec.Struct):
    orders: list[msgspec.Raw]
    cursor: str = ""


class _Refunds(msgspec.Struct):
    refunds: list[msgspec.Raw]
    cursor: str = ""


class _Payments(msgspec.Struct):
    payments: list[msgspec.Raw]
    cursor: str = ""


class _Objects(msgspec.Struct):
    objects: list[msgspec.Raw] = []


@connector.read("order")
@connector.read("return")
@connector.read("pickup")
async def read_order(order_id: str, link: Link[Settings]) -> Reading | None:
    """An order with the SKUs of its lines; the returns in it are read by its id, too."""
    order_id = order_id.partition(":")[0]
    answer = await link.http.get(f"/v2/orders/{quote(order_id, safe='')}", headers=headers(link.settings))
    if answer.status == 404:
        return None
    order = _accepted(answer).decode(_OneOrder).order
    return (await _with_skus([order], link))[0]


@connector.list("order", tells=("return", "pickup", "shipment"))
async def list_orders(cursor: str, link: Link[Settings]) -> Page:
    """Orders of all states by their last change, the oldest first, with a minute's overlap."""
    at = _decoded(cursor)
    since = _since(at, link)
    asked: dict[str, object] = {
        "location_ids": link.settings.locations,
        "limit": _PAGE_ITEMS,
        "query": {
            "filter": {"date_time_filter": {"updated_at": {"start_at": since}}} if since else {},
            "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
        },
    }
    if at.after:
        asked["cursor"] = at.after
    found = (await _search("/v2/orders/search", asked, link)).decode(_Orders)
    return _page(await _with_skus(found.orders, link), found.orders, found.cursor, at)


@connector.read("refund")
async def read_refund(refund_id: str, link: Link[Settings]) -> Reading | None:
    """A refund with the order of the return it was paid for."""
    answer = await link.http.get(f"/v2/refunds/{quote(refund_id, safe='')}", headers=headers(link.settings))
    if answer.status == 404:
        return None
    return await _with_order(_accepted(answer).decode(_OneRefund).refund, link)


@connector.list("refund")
async def list_refunds(cursor: str, link: Link[Settings]) -> Page:
    at = _decoded(cursor)
    found = (await _listed("/v2/refunds", at, link)).decode(_Refunds)
    return _page([await _with_order(raw, link) for raw in found.refunds], found.refunds, found.cursor, at)


@connector.read("payment")
@connector.read("capture")
async def read_payment(payment_id: str, link: Link[Settings]) -> Reading | None:
    answer = await link.http.get(f"/v2/payments/{quote(payment_id, safe='')}", headers=headers(link.settings))
    if answer.status == 404:
        return None
    _accepted(answer).json()  # half an answer is no reading
    return Reading(topic="payment.read", id=payment_id, body=answer.body)


@connector.list("payment", tells=("capture",))
async def list_payments(cursor: str, link: Link[Settings]) -> Page:
    at = _decoded(cursor)
    found = (await _listed("/v2/payments", at, link)).decode(_Payments)
    readings = [
        Reading(topic="payment.read", id=_stub(raw).id, body=msgspec.json.encode({"payment": raw}))
        for raw in found.payments
    ]
    return _page(readings, found.payments, found.cursor, at)


async def _with_skus(orders: Sequence[msgspec.Raw], link: Link[Settings]) -> list[Reading]:
    """Orders as readings, each with the catalog objects its lines point to; one call for all of them."""
    named = [_catalog_ids(order) for order in orders]
    variations = await _variations(set[str]().union(*named), link)
    return [
        Reading(
            topic="order.read",
            id=_stub(order).id,
            body=msgspec.json.encode(
                {"order": order, "variations": [variations[each] for each in sorted(ids) if each in variations]}
            ),
        )
        for order, ids in zip(orders, named, strict=True)
    ]


def _catalog_ids(order: msgspec.Raw) -> set[str]:
    try:
        held = msgspec.json.decode(order, type=_Lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()
    lines = [*held.line_items, *(line for each in held.returns for line in each.return_line_items)]
    return {line.catalog_object_id for line in lines if line.catalog_object_id}


async def _variations(ids: Iterable[str], link: Link[Settings]) -> Mapping[str, msgspec.Raw]:
    wanted, found = sorted(ids), dict[str, msgspec.Raw]()
    for at in range(0, len(wanted), _CATALOG_MAX):
        asked = {"object_ids": wanted[at : at + _CATALOG_MAX], "include_deleted_objects": True}
        objects = (await _search("/v2/catalog/batch-retrieve", asked, link)).decode(_Objects).objects
        found.update({_stub(each).id: each for each in objects})
    return found


async def _with_order(refund: msgspec.Raw, link: Link[Settings]) -> Reading:
    held, order = _stub(refund), _NO_ORDER
    if held.order_id is not None:
        answer = await link.http.get(f"/v2/orders/{quote(held.order_id, safe='')}", headers=headers(link.settings))
        if answer.status != 404:
            order = _accepted(answer).decode(_OneOrder).order
    return Reading(topic="refund.read", id=held.id, body=msgspec.json.encode({"refund": refund, "order": order}))


async def _search(path: str, asked: Mapping[str, object], link: Link[Settings]) -> Answer:
    return _accepted(await link.http.post(path, asked, headers=headers(link.settings), safe=True))


async def _listed(path: str, at: _Cursor, link: Link[Settings]) -> Answer:
    since = _since(at, link)
    asked: dict[str, object] = {"sort_field": "UPDATED_AT", "sort_order": "ASC", "limit": _PAGE_ITEMS}
    asked |= {"updated_at_begin_time": since} if since else {}
    asked |= {"cursor": at.after} if at.after else {}
    return _accepted(await link.http.get(f"{path}?{urlencode(asked)}", headers=headers(link.settings)))


def _accepted(answer: Answer) -> Answer:
    if not answer.ok:
        raise unexpected(answer)
    return answer


def _stub(raw: msgspec.Raw) -> _Stub:
    """Nameless when it has another shape: the inbox then quarantines it, and the page goes on."""
    try:
        return msgspec.json.decode(raw, type=_Stub)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Stub(id="")


def _decoded(cursor: str) -> _Cursor:
    return msgspec.json.decode(cursor, type=_Cursor) if cursor else _Cursor()


def _since(at: _Cursor, link: Link[Settings]) -> str:
    """Since the last change seen and some time before it; the filter stays the same through all pages."""
    if at.behind:
        return (parse(at.behind) + timedelta(milliseconds=1)).isoformat()
    if not at.since:
        return ""
    return (parse(at.since) - timedelta(seconds=link.settings.overlap_seconds)).isoformat()


def _page(readings: list[Reading], items: Sequence[msgspec.Raw], after: str, at: _Cursor) -> Page:
    latest = _stub(items[-1]).updated_at if items else at.latest
    if after:
        next_at = _Cursor(at.since, after, latest, at.behind)
        return Page(items=readings, cursor=_encoded(next_at), more=True)
    cursor, behind = _Cursor(since=latest or at.behind or at.since), _Cursor(latest=latest, behind=latest)
    beyond = _encoded(behind) if items and latest else ""
    return Page(items=readings, cursor=_encoded(cursor), more=False, asked=_PAGE_ITEMS, beyond=beyond)


def _encoded(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()
