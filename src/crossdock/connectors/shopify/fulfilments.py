"""Showing a parcel on its order in the shop, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.shopify.graphql import UserError, ask
from crossdock.connectors.shopify.graphql_wire import PageInfo
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import NOT_SHIPPED, gid, number_of
from crossdock.kernel.faults import Fault, Rejected, Unknown

_FULFILMENT_ORDERS = {"fulfillmentOrders": 5, "lines": 90}
_LINES_PAGE = 250
_FULFILMENTS_MAX = 80


class _LineItem(msgspec.Struct):
    id: str


class _Left(msgspec.Struct, rename="camel"):
    """Units of one order line that one fulfilment order has still to ship."""

    id: str
    remaining_quantity: int
    line_item: _LineItem


class _LeftLines(msgspec.Struct, rename="camel"):
    nodes: list[_Left]
    page_info: PageInfo


class _Location(msgspec.Struct, rename="camel"):
    legacy_resource_id: str


class _AssignedLocation(msgspec.Struct):
    name: str
    location: _Location | None


class FulfilmentOrder(msgspec.Struct, rename="camel"):
    """What Shopify expects to leave from one location; a fulfilment is made from these, never from the order itself."""

    id: str
    status: str
    assigned_location: _AssignedLocation
    line_items: _LeftLines

    @property
    def open(self) -> bool:
        return self.status in ("OPEN", "IN_PROGRESS")

    def goes_by(self, location: str) -> bool:
        place = self.assigned_location
        return location in (place.name, place.location and place.location.legacy_resource_id)


class _FulfilmentOrders(msgspec.Struct, rename="camel"):
    nodes: list[FulfilmentOrder]
    page_info: PageInfo


class _OrderToFulfil(msgspec.Struct, rename="camel"):
    fulfillment_orders: _FulfilmentOrders


class _ToFulfil(msgspec.Struct):
    order: _OrderToFulfil | None


class _OneFulfilmentOrder(msgspec.Struct, rename="camel"):
    fulfillment_order: FulfilmentOrder | None


class _Tracking(msgspec.Struct):
    number: str | None


class _Shown(msgspec.Struct, rename="camel"):
    legacy_resource_id: str
    name: str
    status: str
    total_quantity: int
    tracking_info: list[_Tracking]

    def confirmed(self) -> Confirmed:
        numbers = [tracking.number for tracking in self.tracking_info if tracking.number]
        names = (self.name, gid("Fulfillment", self.legacy_resource_id), *numbers)
        return Confirmed(id=self.legacy_resource_id, aliases=names)


class _Payload(msgspec.Struct, rename="camel"):
    fulfillment: _Shown | None
    user_errors: list[UserError]


class _Created(msgspec.Struct, rename="camel"):
    fulfillment_create: _Payload | None


class _OrderShown(msgspec.Struct):
    fulfillments: list[_Shown]


class _AllShown(msgspec.Struct):
    order: _OrderShown | None


def tracking_number(parcel: Fulfilment) -> str:
    """What the parcel is found by again; one without tracking goes by its own number at the warehouse."""
    return parcel.tracking.number if parcel.tracking else parcel.shipment


async def show_parcel(command: Command[Fulfilment], link: Link[Settings]) -> Outcome:
    """Make one fulfilment of exactly the parcel's units. The customer isn't told by Shopify: the hub tells them."""
    parcel = command.body
    open_orders = [each for each in await _fulfilment_orders(parcel.order, link) if each.open]
    chosen = from_one_location(parcel, open_orders, link.settings.locations.get(parcel.location, parcel.location))
    variables = {
        "fulfillment": {
            "lineItemsByFulfillmentOrder": chosen,
            "trackingInfo": _tracking(parcel),
            "notifyCustomer": False,
        }
    }
    answer = await ask("FulfillmentCreate", variables, _Created, link, safe=False)
    payload = answer.fulfillment_create
    if payload is None or (payload.fulfillment is None and not payload.user_errors):
        raise Unknown("Shopify answered neither a fulfilment nor an error")
    if payload.user_errors:
        raise payload.user_errors[0].rejected()
    return payload.fulfillment.confirmed() if payload.fulfillment else payload.user_errors[0].rejected()


async def find_parcels(commands: Sequence[Command[Fulfilment]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Look on each order for a fulfilment with the parcel's tracking number and as many units, cancelled since or not.

    The units tell parcels of one consignment apart, which some carriers give a single number.
    """
    outcomes = dict[str, Outcome]()
    for number in dict.fromkeys(command.body.order for command in commands):
        of_order = [command for command in commands if command.body.order == number]
        outcomes.update(_found(of_order, await _shown(number, link)))
    return outcomes


async def _shown(number: str, link: Link[Settings]) -> list[_Shown]:
    variables = {"id": gid("Order", number), "fulfillments": _FULFILMENTS_MAX}
    answer = await ask("OrderFulfillments", variables, _AllShown, link)
    return answer.order.fulfillments if answer.order else []


def _found(commands: Iterable[Command[Fulfilment]], shown: Sequence[_Shown]) -> Iterator[tuple[str, Outcome]]:
    standing_last = sorted(shown, key=lambda each: each.status.lower() not in NOT_SHIPPED)
    known = {(tracking.number, each.total_quantity): each for each in standing_last for tracking in each.tracking_info}
    for command in commands:
        match = known.get((tracking_number(command.body), sum(line.units for line in command.body.lines)))
        if match is not None:
            yield command.key, match.confirmed()
        elif len(shown) >= _FULFILMENTS_MAX:
            yield command.key, Unknown(f"more than {_FULFILMENTS_MAX} fulfilments on order {command.body.order}")


def _tracking(parcel: Fulfilment) -> dict[str, str]:
    given = {"number": tracking_number(parcel)}
    if parcel.tracking:
        given |= {"company": parcel.tracking.carrier, "url": parcel.tracking.url}
    return {name: value for name, value in given.items() if value}


async def _fulfilment_orders(number: str, link: Link[Settings]) -> list[FulfilmentOrder]:
    found, after = list[FulfilmentOrder](), None
    while True:
        variables = {"id": gid("Order", number), "after": after, **_FULFILMENT_ORDERS}
        answer = await ask("OrderFulfillmentOrders", variables, _ToFulfil, link)
        if answer.order is None:
            raise Rejected(f"the shop has no order {number}", field="order")
        page = answer.order.fulfillment_orders
        found += [await _with_all_lines(each, link) for each in page.nodes]
        if not page.page_info.has_next_page:
            return found
        after = page.page_info.end_cursor


async def _with_all_lines(order: FulfilmentOrder, link: Link[Settings]) -> FulfilmentOrder:
    while order.open and order.line_items.page_info.has_next_page:
        variables = {"id": order.id, "lines": _LINES_PAGE, "linesAfter": order.line_items.page_info.end_cursor}
        answer = await ask("FulfillmentOrder", variables, _OneFulfilmentOrder, link)
        if answer.fulfillment_order is None:
            break
        order.line_items.nodes += answer.fulfillment_order.line_items.nodes
        order.line_items.page_info = answer.fulfillment_order.line_items.page_info
    return order


def from_one_location(parcel: Fulfilment, orders: Sequence[FulfilmentOrder], location: str) -> list[dict[str, object]]:
    """Which units of which fulfilment orders make up the parcel; all of one location, as Shopify demands.

    The location the warehouse names comes first, but Shopify may have assigned the goods to another: then that one.
    `Rejected` when the shop has fewer units left to ship, or has them at several locations.
    """
    places = dict[str, list[FulfilmentOrder]]()
    for order in sorted(orders, key=lambda each: not each.goes_by(location)):
        places.setdefault(order.assigned_location.name, []).append(order)
    for of_place in places.values():
        if (taken := _taken(parcel, of_place)) is not None:
            return taken
    raise _cannot_be_taken(parcel, orders)


def _taken(parcel: Fulfilment, orders: Sequence[FulfilmentOrder]) -> list[dict[str, object]] | None:
    """The parcel's units in these fulfilment orders, or None when they don't hold all of them."""
    missing = _units(parcel)
    taken = list[dict[str, object]]()
    for order in orders:
        lines = list[dict[str, object]]()
        for left in order.line_items.nodes:
            line = number_of(left.line_item.id)
            units = min(missing.get(line, 0), left.remaining_quantity)
            if units > 0:
                missing[line] -= units
                lines.append({"id": left.id, "quantity": units})
        if lines:
            taken.append({"fulfillmentOrderId": order.id, "fulfillmentOrderLineItems": lines})
    return None if any(missing.values()) else taken


def _units(parcel: Fulfilment) -> dict[str, int]:
    units = dict[str, int]()
    for line in parcel.lines:
        units[line.line] = units.get(line.line, 0) + line.units
    return units


def _cannot_be_taken(parcel: Fulfilment, orders: Sequence[FulfilmentOrder]) -> Fault:
    left = dict[str, int]()
    for order in orders:
        for each in order.line_items.nodes:
            line = number_of(each.line_item.id)
            left[line] = left.get(line, 0) + each.remaining_quantity
    for line, units in _units(parcel).items():
        if units > left.get(line, 0):
            detail = f"the shop has {left.get(line, 0)} units of line {line} left to ship, the parcel holds {units}"
            return Rejected(detail, field=f"lines/{line}")
    return Rejected("the shop expects the parcel's goods to leave from several locations: move them", field="location")
