"""What a shop is asked to do: keep an order ready for its buyer, and give that up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from crossdock.canonical.pickup import PickupOrder, PickupRelease
from crossdock.connect.connector import Command
from crossdock.connect.effects import Searchable
from crossdock.connect.link import Answer, Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.square import wire
from crossdock.connectors.square.pickups import PICKUP, pickup_of
from crossdock.connectors.square.system import Settings, connector, headers, unexpected
from crossdock.kernel.faults import Missing, Rejected, Transient

_KEY = "crossdock_key"
_REFERENCE_LENGTH_MAX = 40
# Square names no time after which a key is forgotten, so what may have been placed is looked for instead.
_FOUND_BY = Searchable(
    by="metadata.crossdock_key", visible_after=timedelta(seconds=10), max_travel=timedelta(seconds=60)
)
_CLOCKS_APART = timedelta(minutes=5)
_OVER = ("COMPLETED", "CANCELED", "FAILED")


class _Held(msgspec.Struct):
    order: wire.Order


class _Keyed(msgspec.Struct):
    id: str
    metadata: dict[str, str | None] = {}


class _Found(msgspec.Struct):
    orders: list[_Keyed]
    cursor: str = ""


class _Error(msgspec.Struct):
    code: str = ""
    detail: str = ""
    field: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


@connector.act(PickupOrder, effect=[_FOUND_BY])
async def place(command: Command[PickupOrder], link: Link[Settings]) -> Outcome:
    """Ask the shop to keep the goods ready; Square takes a second request of one key for the first."""
    if len(command.body.reference) > _REFERENCE_LENGTH_MAX:
        return Rejected(f"{command.body.reference} is longer than Square's {_REFERENCE_LENGTH_MAX}", field="reference")
    asked = {"idempotency_key": command.key[:192], "order": _order(command, link.settings)}
    answer = await link.http.post("/v2/orders", asked, headers=headers(link.settings))
    if answer.status == 404:
        return Rejected(
            "Square has no such location", field="location", missing=Missing("location", command.body.location)
        )
    if not answer.ok:
        return _refused(answer)
    return Confirmed(id=answer.decode(_Held).order.id)


@connector.find(PickupOrder)
async def find(commands: Sequence[Command[PickupOrder]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """The pickup orders that carry our keys, among those placed since the oldest of them was sealed."""
    wanted, found, cursor = {command.key for command in commands}, dict[str, Outcome](), ""
    query = _placed_since(min(command.sealed_at for command in commands) - _CLOCKS_APART)
    while len(found) < len(wanted):
        asked = {"location_ids": link.settings.locations, "limit": 500, "query": query}
        asked |= {"cursor": cursor} if cursor else {}
        answer = await link.http.post("/v2/orders/search", asked, headers=headers(link.settings), safe=True)
        if not answer.ok:
            raise unexpected(answer)
        page = answer.decode(_Found)
        keyed = {order.metadata.get(_KEY) or "": order.id for order in page.orders}
        found |= {key: Confirmed(id=id_) for key, id_ in keyed.items() if key in wanted}
        cursor = page.cursor
        if not cursor:
            break
    return found


@connector.state(PickupRelease)
async def release(commands: Sequence[Command[PickupRelease]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Cancel what is kept ready; too late once it was handed over."""
    return {command.key: await _release(command, link) for command in commands}


async def _release(command: Command[PickupRelease], link: Link[Settings]) -> Outcome:
    id_ = command.refs.get("pickup_order", "")
    path = f"/v2/orders/{quote(id_, safe='')}"
    answer = await link.http.get(path, headers=headers(link.settings))
    if not id_ or answer.status == 404:
        return Rejected(f"Square has no pickup order {id_ or 'for this order'}", field="pickup_order")
    if not answer.ok:
        raise unexpected(answer)
    order = answer.decode(_Held).order
    pickup = pickup_of(order)
    if pickup is None or pickup.state == "COMPLETED":
        return Rejected("too late to release it: it was handed over", field="state")
    if pickup.state not in _OVER:
        answer = await link.http.send("PUT", path, _cancelled(order, pickup), headers=headers(link.settings))
        if answer.status == 409:
            return Transient("the shop changed the order meanwhile")
        if not answer.ok:
            return _refused(answer)
        answer.decode(_Held)
    return Confirmed(id=id_, body=command.body)


def _cancelled(order: wire.Order, pickup: wire.Fulfilment) -> Mapping[str, object]:
    """A sparse order. The key names the version, for Square answers a repeated key with the order as it was."""
    sparse = {"location_id": order.location_id, "version": order.version, "state": "CANCELED"}
    fulfilment = {"uid": pickup.uid, "state": "CANCELED"}
    return {
        "idempotency_key": f"release:{order.id}:{order.version}",
        "order": sparse | {"fulfillments": [fulfilment]},
    }


def _order(command: Command[PickupOrder], settings: Settings) -> Mapping[str, Any]:
    """Lines without a price: the order was sold elsewhere, and nothing is paid at the till."""
    wanted = command.body
    free = {"amount": 0, "currency": wanted.currency}
    details = {
        "recipient": {"display_name": wanted.name},
        "schedule_type": "SCHEDULED",
        "pickup_at": wanted.pick_by.isoformat(),
        "note": f"{wanted.number}: hold until {wanted.hold_until.isoformat()}",
    }
    return {
        "location_id": command.refs.get(f"location/{wanted.location}")
        or settings.stores.get(wanted.location, wanted.location),
        "reference_id": wanted.reference,
        "ticket_name": wanted.number[:30],
        "line_items": [
            {
                "uid": line.line,
                "name": line.title,
                "quantity": str(line.units),
                "base_price_money": free,
                "metadata": {"sku": line.sku},
            }
            for line in wanted.lines
        ],
        "fulfillments": [{"uid": "pickup", "type": PICKUP, "state": "PROPOSED", "pickup_details": details}],
        "metadata": {_KEY: command.key},
    }


def _placed_since(moment: datetime) -> Mapping[str, object]:
    return {
        "filter": {
            "date_time_filter": {"created_at": {"start_at": moment.isoformat()}},
            "fulfillment_filter": {"fulfillment_types": [PICKUP]},
        },
        "sort": {"sort_field": "CREATED_AT", "sort_order": "ASC"},
    }


def _refused(answer: Answer) -> Rejected:
    """Square's own words, with the field it names."""
    try:
        errors = msgspec.json.decode(answer.body, type=_Errors).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        errors = []
    if not errors:
        return answer.rejected()
    return Rejected(f"{errors[0].code}: {errors[0].detail}"[:500], field=errors[0].field)
