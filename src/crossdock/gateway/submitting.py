"""Partners' orders: submitted whole, replaced whole by those who know the version they replace, and sent in like a shop's."""

from __future__ import annotations

import msgspec

from crossdock.canonical.order import Order
from crossdock.gateway.finding import entity_of
from crossdock.gateway.operations import sent_in
from crossdock.gateway.problems import Problem, conflicting, unknown
from crossdock.gateway.route import Call, Reply
from crossdock.gateway.submission import OrderSubmitted, as_order, check_follows
from crossdock.gateway.versions import check_matches, tag_of
from crossdock.store import operations, settling
from crossdock.store.inbox import Message
from crossdock.store.operations import OwnFact

CONNECTOR = "partner"
_KIND = "order"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A submitted order as it is kept: word for word, and as what it became."""

    told: OrderSubmitted
    order: Order


async def submit_order(call: Call) -> Reply:
    """A new order of the caller's channel."""
    channel, told = _channel(call), call.asked
    entity = f"order:{channel}:{told.id}"
    await operations.lock_entity(call.tx, entity)
    if await _held(call, entity) is not None:
        raise conflicting(f"order {told.id} was submitted already; to change it, PUT {_path(entity)}")
    order = as_order(told, await settling.now(call.tx))
    return await _send(call, entity, Kept(told=told, order=order), 1)


async def tell_submission(call: Call) -> Reply:
    """The order as it was submitted last; its ETag is what a replacement has to name."""
    entity, token, kept = await _submission(call)
    return Reply(kept.told, entity, tag_of(token))


async def replace_order(call: Call) -> Reply:
    """The same order, edited or cancelled."""
    _channel(call)
    entity, token, kept = await _submission(call)
    check_matches(call.if_match, token)
    order = as_order(call.asked, await settling.now(call.tx))
    check_follows(order, kept.order)
    return await _send(call, entity, Kept(told=call.asked, order=order), token + 1)


async def _submission(call: Call) -> tuple[str, int, Kept]:
    entity = await _named(call, call.parts["order"])
    await operations.lock_entity(call.tx, entity)
    held = await _held(call, entity)
    if held is None:
        raise unknown(f"{entity} was not submitted here; its channel is where it is changed")
    return entity, held.token, msgspec.json.decode(held.body, type=Kept)


async def _named(call: Call, name: str) -> str:
    """The order of that name; one that was submitted just now is found by its id or key before it is read."""
    for entity in (name, f"order:{call.caller.connection}:{name}"):
        if call.caller.sees(entity, call.house.settings) and await _held(call, entity) is not None:
            return entity
    return await entity_of(call, name)


async def _held(call: Call, entity: str) -> OwnFact | None:
    own = await operations.own_facts(call.tx, entity)
    return next((each for each in own if each.kind == _KIND), None)


def _channel(call: Call) -> str:
    """The channel whose orders the caller submits."""
    held = call.house.settings.connections.get(call.caller.connection)
    if held is None or held.connector.name != CONNECTOR:
        raise Problem(
            "no-right",
            f'orders are submitted by a consumer of a connection with connector = "{CONNECTOR}";'
            " whoever runs the hub adds one: crossdock consumer add … --connection NAME",
        )
    return call.caller.connection


async def _send(call: Call, entity: str, kept: Kept, token: int) -> Reply:
    await operations.keep(call.tx, entity, OwnFact(_KIND, entity, token, msgspec.json.encode(kept)))
    body = msgspec.json.encode({"token": token, "order": kept.order})
    message = Message(entity.split(":")[1], _KIND, body, call.id)
    return await sent_in(call, message, entity, _KIND, kept.order.id, tag_of(token))


def _path(entity: str) -> str:
    return f"/v1/orders/{entity}/submission"
