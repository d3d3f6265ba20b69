"""Questions that are answered at once: is there some, what does it cost, and is this a customer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from crossdock.canonical.answers import Availability, PriceQuote
from crossdock.canonical.stock import StockLevel
from crossdock.deliver.asking import Answered, Terms, Unanswered
from crossdock.gateway.problems import Problem, conflicting, unknown
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.kernel.money import AnyMoney
from crossdock.promises.policy import Roles
from crossdock.store import answers, tracing

Order = Callable[[Call], Sequence[str | None]]
"""Which connections are asked, one after the other."""

_DEADLINE_MS_MAX = 10_000
_AGE_SECONDS_MAX = 7 * 86400


class ProductAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which product, and what answer will do."""

    sku: Annotated[str, Meta(min_length=1, max_length=200)]
    max_age_seconds: Annotated[int, Meta(ge=0, le=_AGE_SECONDS_MAX)] = 60
    """An earlier answer that is no older is given at once; 0: the system itself is asked."""
    deadline_ms: Annotated[int, Meta(ge=10, le=_DEADLINE_MS_MAX)] = 1000
    """How long to wait for the system."""
    fallback: Literal["last_known", "none"] = "last_known"
    """When it does not answer in time: the last answer however old, or none."""


class LevelTold(msgspec.Struct, frozen=True, kw_only=True):
    """Units at one location; reserved ones are promised but still there."""

    location: str
    on_hand: int
    reserved: int
    available: int


class AvailabilityTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is there of a product."""

    sku: str
    available: int
    """Units that nothing is promised from, at all locations."""
    levels: list[LevelTold]
    source: str
    """The connection that says so."""
    at: Moment
    """When it was asked."""
    age_seconds: float
    given_by: Literal["the system", "an earlier answer"]


class PriceTold(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of a product is sold for by its list, before discounts."""

    sku: str
    unit_price: AnyMoney
    includes_tax: bool
    source: str
    """The connection that says so."""
    at: Moment
    """When it was asked."""
    age_seconds: float
    given_by: Literal["the system", "an earlier answer"]


class CustomerAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is meant."""

    customer: Annotated[str, Meta(min_length=1, max_length=200)]
    """The customer's id in a system of yours, or the hub's key of them."""


class CustomerTold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody the hub knows as a customer, and under which names systems do."""

    customer: str
    """The hub's key."""
    known_to: list[str]
    """The connections that tell of them."""
    accounts: dict[str, str]
    """Their number or id at each system that has an account of theirs."""
    source: Literal["the hub"]
    at: Moment
    """When a system told of them last."""
    age_seconds: float


async def tell_availability(call: Call) -> Reply:
    told = await _product(call, Availability, _warehouse_then_erp)
    found: Availability = told.body
    levels = [_level(each) for each in found.levels]
    return Reply(AvailabilityTold(sku=call.asked.sku, available=found.available, levels=levels, **_source(told)))


async def tell_price(call: Call) -> Reply:
    """Of the caller's own channel where it can say, else of the ERP."""
    told = await _product(call, PriceQuote, _channel_then_erp)
    found: PriceQuote = told.body
    quote = {"unit_price": found.unit_price, "includes_tax": found.includes_tax}
    return Reply(PriceTold(sku=call.asked.sku, **quote, **_source(told)))


async def _product(call: Call, noun: type[msgspec.Struct], order: Order) -> Answered:
    asked: ProductAsked = call.asked
    terms = Terms(asked.max_age_seconds, asked.deadline_ms / 1000, asked.fallback == "last_known")
    connections = [each for each in order(call) if each]
    try:
        told = await call.house.asker.ask(noun, asked.sku, connections, terms, call.trace)
    except Unanswered as error:
        raise Problem("no-answer", str(error)[:500], Retry_After="5") from error
    if told.body is None:
        raise unknown(f"{told.source} sells nothing of SKU {asked.sku}")
    return told


def _roles(call: Call) -> Roles:
    return call.house.settings.policy.roles


def _warehouse_then_erp(call: Call) -> Sequence[str | None]:
    return (_roles(call).warehouse, _roles(call).erp)


def _channel_then_erp(call: Call) -> Sequence[str | None]:
    return (call.caller.connection, _roles(call).erp)


def _source(told: Answered) -> dict[str, Any]:
    return {"source": told.source, "at": told.at, "age_seconds": told.age_seconds, "given_by": told.given_by}


def _level(level: StockLevel) -> LevelTold:
    return LevelTold(location=level.location, on_hand=level.on_hand, reserved=level.reserved, available=level.available)


async def tell_customer(call: Call) -> Reply:
    """From what the hub was told: nobody else is asked, and no personal data is answered."""
    settings, name = call.house.settings, call.asked.customer
    async with call.house.asker.database.transaction() as tx:
        named = await tracing.entities_named(tx, name, list(settings.translators))
        mine = [each for each in named if each.startswith("customer:") and call.caller.sees(each, settings)]
        found = await answers.customers(tx, mine)
    if not found:
        raise unknown(f"nobody is known as customer {name[:100]}")
    if len(found) > 1:
        raise conflicting(f"{name[:100]} is several: {', '.join(each.entity for each in found[:10])}")
    [known] = found
    told = CustomerTold(
        customer=known.entity,
        known_to=known.connections,
        accounts=known.accounts,
        source="the hub",
        at=known.at,
        age_seconds=known.age_seconds,
    )
    return Reply(told, known.entity)
