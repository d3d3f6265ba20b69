"""How returns stand, for whoever follows them: what came back, what is sent for it, its money, and what is still to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from crossdock.canonical.returns import Replacement, Return
from crossdock.gateway.orders import Expected, Milestone, expected, milestone, record_of
from crossdock.gateway.problems import conflicting, unknown
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.govern.own import API
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.difference import APPROVAL
from crossdock.promises.money import cause_in
from crossdock.promises.refunds import NEXT_DAY
from crossdock.store import operations

_PATH = ":"
"""May stand in a part of an address as it is (RFC 3986, 3.3)."""


class GoodsBack(msgspec.Struct, frozen=True, kw_only=True):
    """Units of an order line that come back; what was handed in apart stands apart."""

    line: str
    """The order's; empty where who takes goods back knows only their SKU."""
    sku: str
    units: int
    received: int
    disposition: Literal["sellable", "damaged", "vendor"] | None
    """What became of them; nobody has looked at those without one."""
    location: str
    keeps_goods: bool
    """Nothing comes back: it is paid for without."""


class NewGoods(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent in exchange; `line` is the order's line it is from then on."""

    line: str
    sku: str
    title: str
    units: int
    given_up: int
    """Units of it that will not be sent."""
    unit_price: AnyMoney


class ReturnMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What the return entitles to, and what came of it."""

    entitled: AnyMoney
    exchanged: AnyMoney
    """What more it came to, and new goods are had for."""
    paid: AnyMoney
    in_flight: AnyMoney
    open: AnyMoney


class ReturnTold(msgspec.Struct, frozen=True, kw_only=True):
    """Where a return stands; without personal data."""

    id: str
    href: str
    fact: str
    """Its name at the hub, unlike every other system's returns."""
    order: str
    """The order's key at the hub."""
    number: str
    """What the customer was told."""
    told_by: str
    """The connection it was opened at; `api`: here."""
    status: Literal["requested", "authorised", "closed", "cancelled"]
    settle_by: Literal["refund", "store_credit", "exchange", "nothing"]
    channel: str
    returned_at: Moment
    lines: list[GoodsBack]
    new_goods: list[NewGoods]
    money: ReturnMoney | None
    """None as long as it entitles to nothing."""
    milestones: list[Milestone]
    """What other systems are owed because of it."""
    expected: list[Expected]


class ReturnsTold(msgspec.Struct, frozen=True, kw_only=True):
    """The returns of an order, those of every system, the oldest first."""

    order: str
    returns: list[ReturnTold]


@dataclass(frozen=True, slots=True)
class _Known:
    """A return as whoever opened it states it."""

    fact: str
    told_by: str
    body: Return


async def tell_returns(call: Call) -> Reply:
    entity, told = await record_of(call)
    found = [_told(each, entity, told) for each in await _returns(call, entity, told)]
    return Reply(ReturnsTold(order=entity, returns=found), entity)


async def tell_return(call: Call) -> Reply:
    entity, told = await record_of(call)
    name = call.parts["return"]
    found = [each for each in await _returns(call, entity, told) if name in (each.body.id, each.fact)]
    if not found:
        raise unknown(f"{entity} has no return {name[:100]}")
    if len(found) > 1:
        names = ", ".join(each.fact for each in found[:10])
        raise conflicting(f"{name[:100]} names several returns; ask for one of {names}")
    return Reply(_told(found[0], entity, told), entity)


async def _returns(call: Call, entity: str, told: Mapping[str, Any]) -> list[_Known]:
    """Those opened here as they were asked for last, whether that was read yet or not."""
    own = [each for each in await operations.own_facts(call.tx, entity) if each.kind == "return"]
    found = [
        *(_Known(f"return:{API}:{each.id}", API, msgspec.json.decode(each.body, type=Return)) for each in own),
        *_of_others(told),
    ]
    return sorted(found, key=lambda each: (each.body.returned_at, each.fact))


def _of_others(told: Mapping[str, Any]) -> Iterator[_Known]:
    for each in told["facts"]:
        if each["kind"] == "return" and each["from"] != API and not each["gone"]:
            yield _Known(each["fact"], each["from"], msgspec.convert(each["body"], Return, strict=False))


def _told(known: _Known, entity: str, told: Mapping[str, Any]) -> ReturnTold:
    body = known.body
    return ReturnTold(
        id=body.id,
        href=f"/v1/orders/{quote(entity, safe=_PATH)}/returns/{quote(known.fact, safe=_PATH)}",
        fact=known.fact,
        order=entity,
        number=body.number or body.id,
        told_by=known.told_by,
        status=body.status,
        settle_by=body.settle_by,
        channel=body.channel,
        returned_at=body.returned_at,
        lines=[msgspec.convert(each, GoodsBack, from_attributes=True) for each in body.lines],
        new_goods=[_new(each) for each in body.replacements],
        money=_money(known.fact, told["money"]),
        milestones=[milestone(each) for each in told["promises"] if _is_because_of(known.fact, each)],
        expected=[expected(each) for each in told["expected"] if _is_about(known.fact, each["name"])],
    )


def _new(goods: Replacement) -> NewGoods:
    line = goods.line
    return NewGoods(
        line=line.id,
        sku=line.sku,
        title=line.title,
        units=line.ordered,
        given_up=goods.given_up,
        unit_price=line.unit_price,
    )


def _money(fact: str, money: Mapping[str, Any] | None) -> ReturnMoney | None:
    cause = next((each for each in (money or {"causes": ()})["causes"] if each["id"] == fact), None)
    if money is None or cause is None:
        return None
    names = ReturnMoney.__struct_fields__
    return ReturnMoney(**{name: _amount(cause[name], money["currency"]) for name in names})


def _amount(minor: int, currency: str) -> AnyMoney:
    return Money(minor, currency)


def _is_because_of(fact: str, promise: Mapping[str, Any]) -> bool:
    """Money that goes back is named after its cause: `refund:return:api:R1|pi_9:1`."""
    return promise["cause"] == fact or cause_in(promise["name"]) == fact


def _is_about(fact: str, waits: str) -> bool:
    """Waits are named `goods_back:return:api:R1`, or after the money that waits for them; and say what they wait for."""
    name = waits.removeprefix(APPROVAL).removeprefix(NEXT_DAY)
    return fact in (name.partition(":")[2], cause_in(name))
