"""What can be read from Stripe: payments, refunds and disputes by id, all of them, and the events of an account since a cursor.

A listing of changes is one of events, because only they tell of changes, and they are translated as their webhooks are. Stripe
keeps them for 30 days; what is older is in the lists of the objects themselves, the newest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from crossdock.canonical.nouns import PAYMENTS_OF_ORDER
from crossdock.canonical.payment import PaymentCapture, PaymentRefund
from crossdock.connect.connector import List
from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Answer, Link
from crossdock.connectors.stripe import wire
from crossdock.connectors.stripe.system import ORDER, Settings, connector, get
from crossdock.kernel.faults import Rejected, Transient

_PAGE_ITEMS = 100
_WITH_CHARGE = "expand[]=latest_charge.balance_transaction"
_WITH_PAYMENT = "expand[]=payment_intent&expand[]=balance_transaction"
OVERLAP_SECONDS = 600
"""An event may be listed later than the second it names; nobody has documented how much, so ten minutes."""
_CURSOR = re.compile(r"(\d{1,10})(?::(\d{1,10}):(\w{1,200}))?")


@connector.read("payment")
async def read_payment(id_: str, link: Link[Settings]) -> Reading | None:
    """One payment with its charge, and what that came to."""
    return await _one(f"/v1/payment_intents/{quote(id_, safe='')}?{_WITH_CHARGE}", "payment_intent.read", id_, link)


@connector.read(PAYMENTS_OF_ORDER)
async def read_order_payments(order: str, link: Link[Settings]) -> Reading | None:
    """The payments that name an order, with their charges. Stripe's search shows what is a minute old, at times later."""
    if not ORDER.fullmatch(order):
        raise Rejected(f"no payment can name order {order[:40]!r}")
    named = order.replace("\\", "\\\\").replace('"', '\\"')
    asked = urlencode({"query": f'metadata["order"]:"{named}"', "limit": _PAGE_ITEMS})
    answer = await get(f"/v1/payment_intents/search?{asked}&expand[]=data.latest_charge.balance_transaction", link)
    if answer is None:
        raise Transient("Stripe has no search here")
    found = answer.decode(wire.RawPage)
    body = msgspec.json.encode({"read_at": _stripes_clock(answer), "objects": found.data})
    return Reading(topic="payment_intents.found", id=order, body=body)


@connector.read("refund")
async def read_refund(id_: str, link: Link[Settings]) -> Reading | None:
    """One refund with what it came to, and its payment, which names the order where a clerk's refund doesn't."""
    return await _one(f"/v1/refunds/{quote(id_, safe='')}?{_WITH_PAYMENT}", "refund.read", id_, link)


@connector.read("dispute")
async def read_dispute(id_: str, link: Link[Settings]) -> Reading | None:
    return await _one(f"/v1/disputes/{quote(id_, safe='')}?expand[]=payment_intent", "dispute.read", id_, link)


async def _one(path: str, topic: str, id_: str, link: Link[Settings]) -> Reading | None:
    answer = await get(path, link)
    if answer is None:
        return None
    answer.json()  # half an answer is no reading
    body = msgspec.json.encode({"read_at": _stripes_clock(answer), "object": msgspec.Raw(answer.body)})
    return Reading(topic=topic, id=id_, body=body)


def _stripes_clock(answer: Answer) -> int:
    """When Stripe answered, by its own clock, so that ours is never compared with the times of events."""
    try:
        told = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return 0
    return max(0, int(told.replace(tzinfo=told.tzinfo or UTC).timestamp()))


def _list_events(*types: str) -> List:
    """Lists events of these types. A pass goes from the newest back to where the last pass began, less the overlap.

    Cursor: `since` between passes, `since:newest:id` within one.
    """

    async def listing(cursor: str, link: Link[Settings]) -> Page:
        since, newest, after = _where(cursor)
        answer = await get(f"/v1/events?{_query(types, since, after)}", link)
        if answer is None:
            raise Transient("Stripe has no events here")
        page = answer.decode(wire.RawPage)
        items, heads = [_reading(raw) for raw in page.data], [_head(raw) for raw in page.data]
        times = [head.created for head in heads if head is not None]
        newest = max([newest, since, *times])
        last = next((head.id for head in reversed(heads) if head is not None), "")
        if page.has_more and last:
            return Page(items=items, cursor=f"{since}:{newest}:{last}", more=True)
        return Page(items=items, cursor=str(max(since, newest - OVERLAP_SECONDS)), more=False)

    return listing


def _query(types: Sequence[str], since: int, after: str) -> str:
    fields: list[tuple[str, Any]] = [("limit", _PAGE_ITEMS), ("created[gte]", since)]
    fields += [("types[]", each) for each in types]
    return urlencode([*fields, ("starting_after", after)] if after else fields)


def _where(cursor: str) -> tuple[int, int, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        return 0, 0, ""
    return int(found[1]), int(found[2] or 0), found[3] or ""


def _reading(raw: msgspec.Raw) -> Reading:
    head = _head(raw)
    return (
        Reading(topic="", id="", body=bytes(raw))
        if head is None
        else Reading(topic=head.type, id=head.id, body=bytes(raw))
    )


def _head(raw: msgspec.Raw) -> wire.EventHead | None:
    """None when it has none: the inbox then quarantines it, and the page goes on."""
    try:
        return msgspec.json.decode(raw, type=wire.EventHead)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _list_objects(path: str, topic: str, expand: str) -> List:
    """Lists everything there is, the newest first; the cursor is the last object's id. What comes meanwhile is an event."""

    async def listing(cursor: str, link: Link[Settings]) -> Page:
        fields = [("limit", str(_PAGE_ITEMS)), ("expand[]", f"data.{expand}")]
        query = urlencode([*fields, ("starting_after", cursor)] if cursor else fields)
        answer = await get(f"{path}?{query}", link)
        if answer is None:
            raise Transient(f"Stripe has no {path} here")
        page, at = answer.decode(wire.RawPage), _stripes_clock(answer)
        items = [_object(raw, topic, at) for raw in page.data]
        last = items[-1].id if items else cursor
        return Page(items=items, cursor=last, more=page.has_more, asked=_PAGE_ITEMS, beyond=last if items else "")

    return listing


def _object(raw: msgspec.Raw, topic: str, at: int) -> Reading:
    body = msgspec.json.encode({"read_at": at, "object": raw})
    return Reading(topic=topic, id=_named(raw), body=body)


def _named(raw: msgspec.Raw) -> str:
    """Empty when it has none: the inbox then quarantines it, and the page goes on."""
    try:
        return msgspec.json.decode(raw, type=wire.Named).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


connector.whole("payment")(_list_objects("/v1/payment_intents", "payment_intent.read", "latest_charge"))
connector.whole("refund")(_list_objects("/v1/refunds", "refund.read", "payment_intent"))
connector.whole("dispute")(_list_objects("/v1/disputes", "dispute.read", "payment_intent"))
connector.list("payment", whole=False)(
    _list_events(
        "payment_intent.created",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
    )
)
connector.list("capture", whole=False, shows=[PaymentCapture])(
    _list_events("charge.succeeded", "charge.captured", "charge.updated")
)
connector.list("refund", whole=False, shows=[PaymentRefund])(
    _list_events("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"),
)
connector.list("dispute", whole=False)(
    _list_events(
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    )
)
