"""What a simulated shop keeps ready for buyers who come for it: placed by others, picked and handed over by clerks. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from crossdock.simulators.pos_counter import Counter, Json, Turned

Text = Annotated[str, msgspec.Meta(min_length=1)]
_OVER = ("COMPLETED", "CANCELED", "FAILED")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an order to be placed, without a catalog object."""

    uid: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    quantity: Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,8}\Z")]
    name: Annotated[str, msgspec.Meta(max_length=512)]
    base_price_money: Json
    metadata: dict[str, str] = {}


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    display_name: Text


class PickupDetails(msgspec.Struct, frozen=True, kw_only=True):
    recipient: Recipient
    pickup_at: Text
    schedule_type: str = "SCHEDULED"
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class AskedFulfilment(msgspec.Struct, frozen=True, kw_only=True):
    uid: Text
    type: Text
    pickup_details: PickupDetails
    state: str = "PROPOSED"


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    location_id: Text
    line_items: Annotated[list[Asked], msgspec.Meta(min_length=1)]
    fulfillments: Annotated[list[AskedFulfilment], msgspec.Meta(min_length=1, max_length=1)]
    reference_id: Annotated[str, msgspec.Meta(max_length=40)] = ""
    ticket_name: Annotated[str, msgspec.Meta(max_length=30)] = ""
    metadata: dict[str, str] = {}


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v2/orders`."""

    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=192)]
    order: NewOrder


class ChangedFulfilment(msgspec.Struct, frozen=True, kw_only=True):
    uid: Text
    state: Text


class SparseOrder(msgspec.Struct, frozen=True, kw_only=True):
    location_id: Text
    version: int
    state: str = ""
    fulfillments: list[ChangedFulfilment] = []


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """`PUT /v2/orders/{id}`: only what is to be different, of the version it was read in."""

    order: SparseOrder
    idempotency_key: str = ""


class Pickups:
    """The pickup orders among the orders of a counter."""

    def __init__(self, counter: Counter, locations: frozenset[str]) -> None:
        self._counter, self._locations = counter, locations

    def place(self, asked: Placed) -> tuple[Json, bool]:
        """The order, and whether it is new: a repeated key gets the order it placed."""
        if asked.idempotency_key in self._counter.placed:
            return self._counter.orders[self._counter.placed[asked.idempotency_key]], False
        if asked.order.location_id not in self._locations:
            raise Turned(404, "NOT_FOUND", f"Location `{asked.order.location_id}` not found.")
        wanted = {name: held for name, held in msgspec.to_builtins(asked.order).items() if held}
        order = self._counter.new_order(asked.order.reference_id) | wanted | {"state": "OPEN"}
        order["total_money"] = self._counter.money(0)
        self._counter.orders[order["id"]] = order
        self._counter.placed[asked.idempotency_key] = order["id"]
        units = {line.uid: int(line.quantity) for line in asked.order.line_items}
        self._counter.ledger.append("pickup_placed", asked.idempotency_key, id=order["id"], units=units)
        return order, True

    def change(self, order_id: str, asked: Changed) -> Json:
        """Only to cancel; an order that is over, or was changed since it was read, is left alone."""
        order = self._known(order_id)
        if asked.order.version != order["version"]:
            raise Turned(409, "VERSION_MISMATCH", "The version of the order does not match.")
        if [each.state for each in asked.order.fulfillments] != ["CANCELED"]:
            raise Turned(400, "INVALID_VALUE", "fulfillment state")
        return self.cancel(order_id)

    def reserve(self, order_id: str) -> Json:
        """The shop accepts: it will keep the goods."""
        return self._to(order_id, "RESERVED", None)

    def prepare(self, order_id: str, picked: Mapping[str, int] | None = None) -> Json:
        """All of it lies ready, or as many units of a line as were found: a short pick."""
        return self._to(order_id, "PREPARED", picked)

    def hand_over(self, order_id: str, units: Mapping[str, int] | None = None) -> Json:
        """What lies ready goes out of the shop, or as many units of it as the buyer takes."""
        return self._to(order_id, "COMPLETED", units)

    def hand_over_anyway(self, order_id: str) -> Json:
        """Goods that were given up go out of the shop all the same. Square's own till wouldn't let a clerk say so."""
        order = self._known(order_id)
        pickup = order["fulfillments"][0]
        pickup["state"] = "PREPARED"
        return self._to(order_id, "COMPLETED", None)

    def cancel(self, order_id: str) -> Json:
        """Back to the shelf: nobody came, or nobody wants it any more."""
        return self._to(order_id, "CANCELED", None)

    def _to(self, order_id: str, state: str, units: Mapping[str, int] | None) -> Json:
        order = self._known(order_id)
        pickup = order["fulfillments"][0]
        if pickup["state"] in _OVER:
            raise Turned(400, "INVALID_VALUE", f"Fulfillment is {pickup['state']} and cannot be changed.")
        if units is not None:
            _list(order, pickup, units)
        pickup["state"] = state
        if state in _OVER:
            order["state"] = state
        self._counter.touch(order)
        done: dict[str, Any] = {"id": order_id, "units": _units(order, pickup)}
        self._counter.ledger.append(f"pickup_{state.lower()}", order.get("reference_id") or "", **done)
        return order

    def _known(self, order_id: str) -> Json:
        order = self._counter.orders.get(order_id)
        if order is None or not order.get("fulfillments"):
            raise Turned(404, "NOT_FOUND", f"there is no pickup order {order_id}")
        return order


def _list(order: Json, pickup: Json, units: Mapping[str, int]) -> None:
    """Name the units; at most as many as were there before."""
    before = _units(order, pickup)
    if any(count < 0 or count > before.get(uid, 0) for uid, count in units.items()):
        raise Turned(400, "INVALID_VALUE", f"of {before} there can't be {dict(units)}")
    entries = [{"line_item_uid": uid, "quantity": str(count)} for uid, count in units.items() if count]
    pickup |= {"line_item_application": "ENTRY_LIST", "entries": entries}


def _units(order: Json, pickup: Json) -> dict[str, int]:
    if pickup.get("line_item_application") == "ENTRY_LIST":
        return {entry["line_item_uid"]: int(entry["quantity"]) for entry in pickup["entries"]}
    return {line["uid"]: int(line["quantity"]) for line in order["line_items"]}
