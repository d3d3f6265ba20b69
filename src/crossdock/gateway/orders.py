"""Where an order stands, as partners and channels may see it: its milestones and parcels, and what happened when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.returns import Return
from crossdock.canonical.shipment import Shipment
from crossdock.gateway.finding import entity_of
from crossdock.gateway.problems import conflicting
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.kernel.money import AnyMoney
from crossdock.promises.exchanges import with_agreed
from crossdock.store import settling


class LineTold(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the order; `ordered` counts units as last edited. `replaces` names the return it is sent in exchange for."""

    id: str
    sku: str
    title: str
    ordered: int
    replaces: str = ""


class ParcelTold(msgspec.Struct, frozen=True, kw_only=True):
    """What left together."""

    id: str
    shipped_at: Moment
    carrier: str
    number: str
    """The carrier's, to follow it by."""
    units: dict[str, int]
    """By order line."""


class Milestone(msgspec.Struct, frozen=True, kw_only=True):
    """Something that another system is owed because of the order, and how far that is."""

    name: str
    system: str
    standing: str
    promised_at: Moment
    deadline: Moment | None = None
    confirmed_at: Moment | None = None
    number: str | None = None
    """What it is called there."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What has to come from somebody else yet."""

    what: str
    of: str
    until: Moment


class OrderTold(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order stands, as of `as_of`; without personal data."""

    order: str
    """Its key at the hub."""
    id: str
    number: str
    channel: str
    state: Literal["case", "overdue", "in flight", "waiting", "converged"]
    as_of: Moment
    placed_at: Moment
    cancelled_at: Moment | None
    total: AnyMoney
    """In minor units: cents."""
    payment: str
    lines: list[LineTold]
    parcels: list[ParcelTold]
    milestones: list[Milestone]
    expected: list[Expected]


class EventTold(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at: Moment
    happened: str
    what: str


class TimelineTold(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened to an order, oldest first."""

    order: str
    events: list[EventTold]


async def tell_order(call: Call) -> Reply:
    entity, told = await record_of(call)
    order = next(_facts(told, "order", Order), None)
    if order is None:
        raise conflicting(f"{entity} is spoken of, but was not read yet; ask again in a minute")
    seen = with_agreed(order, list(_facts(told, "return", Return)), _facts(told, "shipment", Shipment))
    return Reply(
        OrderTold(
            order=entity,
            id=order.id,
            number=order.number,
            channel=entity.split(":")[1],
            state=told["state"],
            as_of=await settling.now(call.tx),
            placed_at=order.placed_at,
            cancelled_at=order.cancelled_at,
            total=order.total,
            payment=order.payment,
            lines=[_line(each) for each in seen.lines],
            parcels=list(_parcels(_facts(told, "shipment", Shipment))),
            milestones=[milestone(each) for each in told["promises"]],
            expected=[expected(each) for each in told["expected"]],
        ),
        entity,
    )


async def tell_timeline(call: Call) -> Reply:
    entity, told = await record_of(call)
    events = [EventTold(at=e["at"], happened=e["happened"], what=e["what"]) for e in told["timeline"]]
    return Reply(TimelineTold(order=entity, events=events), entity)


async def tell_record(call: Call) -> Reply:
    """Everything on record, personal data included: for people who look into it."""
    entity, told = await record_of(call)
    return Reply(told, entity)


async def record_of(call: Call) -> tuple[str, Mapping[str, Any]]:
    """(the order's key, everything on record about it)"""
    entity = await entity_of(call, call.parts["order"])
    [told] = await call.house.told(call.tx, [entity])
    return entity, told


def _facts(told: Mapping[str, Any], kind: str, shape: type[Any]) -> Iterator[Any]:
    """The facts of a kind that hold, as their types."""
    for each in told["facts"]:
        if each["kind"] == kind and not each["gone"]:
            yield msgspec.convert(each["body"], shape, strict=False)


def _line(line: OrderLine) -> LineTold:
    return LineTold(id=line.id, sku=line.sku, title=line.title, ordered=line.ordered, replaces=line.replaces)


def _parcels(shipments: Iterable[Shipment]) -> Iterator[ParcelTold]:
    for each in shipments:
        tracking = each.tracking
        yield ParcelTold(
            id=each.id,
            shipped_at=each.shipped_at,
            carrier=tracking.carrier if tracking else "",
            number=tracking.number if tracking else "",
            units={line.line: line.units for line in each.lines},
        )


def expected(wait: Mapping[str, Any]) -> Expected:
    return Expected(what=wait["what"], of=wait["of"], until=wait["until"])


def milestone(promise: Mapping[str, Any]) -> Milestone:
    return Milestone(
        name=promise["name"],
        system=promise["target"],
        standing=promise["standing"],
        promised_at=promise["promised_at"],
        deadline=promise["deadline"],
        confirmed_at=promise["confirmed_at"],
        number=promise["number"] or None,
    )
