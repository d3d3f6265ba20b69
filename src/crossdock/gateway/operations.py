"""What the API is asked about orders' returns and allowances: checked against what is known, and sent in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from crossdock.canonical.order import Order
from crossdock.canonical.returns import Allowance, Return
from crossdock.gateway.finding import entity_of
from crossdock.gateway.problems import conflicting, unfit, unknown
from crossdock.gateway.replacing import without
from crossdock.gateway.returning import AllowanceAsked, cancelled, granted, inspected, opened, received
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.govern.own import API
from crossdock.promises.exchanges import with_agreed
from crossdock.promises.standing import Standing
from crossdock.settle.reading import Targets, read
from crossdock.store import inbox, operations, settling
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider
from crossdock.store.inbox import Message
from crossdock.store.operations import Operation, OwnFact

N = TypeVar("N", Return, Allowance)


class OperationTold(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request: `pending` until the hub has read it, `translated` from when on the order shows it."""

    id: str
    href: str
    state: Literal["pending", "translated", "ignored", "quarantined"]
    order: str
    """The order's key at the hub."""
    kind: str
    """What was made or changed: an order, a return, an allowance."""
    thing: str
    """Its id."""
    asked_at: Moment
    reason: str | None = None
    """Why it was ignored or quarantined."""


@dataclass(frozen=True, slots=True)
class About:
    """The order a request is about, locked, with everything known of what comes back."""

    order: Order
    """With new goods that were agreed on in exchange."""
    entity: str
    returns: dict[str, Return]
    """The API's own, by id."""
    other_returns: list[Return]
    allowances: list[Allowance]
    tokens: dict[str, int]
    now: datetime


async def tell_operation(call: Call) -> Reply:
    found = await operations.operation(call.tx, call.parts["operation"], call.caller.id)
    if found is None or not found.entity:
        raise unknown("no operation of yours has this id")
    return Reply(_told(found), found.entity)


def _told(found: Operation) -> OperationTold:
    return OperationTold(
        id=found.id,
        href=f"/v1/operations/{found.id}",
        state=msgspec.convert(found.state, type=Literal["pending", "translated", "ignored", "quarantined"]),
        order=found.entity,
        kind=found.kind,
        thing=found.thing,
        asked_at=found.at,
        reason=found.reason,
    )


async def open_return(call: Call) -> Reply:
    about = await _about(call)
    id_ = call.asked.id or f"R{await operations.next_number(call.tx)}"
    if await operations.entity_of(call.tx, "return", id_) is not None:
        raise conflicting(f"there is a return {id_} already; take another id, or leave it out")
    returns = [*about.returns.values(), *about.other_returns]
    return await _send(call, about, "return", opened(call.asked, id_, about.order, returns, about.now))


async def receive_return(call: Call) -> Reply:
    return await _change(call, lambda held: received(call.asked, held))


async def inspect_return(call: Call) -> Reply:
    return await _change(call, lambda held: inspected(call.asked, held))


async def cancel_return(call: Call) -> Reply:
    reply = await _change(call, cancelled)
    await _keep_reason(call, reply, "cancel return")
    return reply


async def give_up_new_goods(call: Call) -> Reply:
    reply = await _change(call, lambda held: without(call.asked, held))
    await _keep_reason(call, reply, "give up new goods")
    return reply


async def _keep_reason(call: Call, reply: Reply, what: str) -> None:
    by = call.caller.person or call.caller.id
    await Decider(call.tx, by).record(what, entity=reply.about, id=call.parts["return"], reason=call.asked.reason)


async def grant_allowance(call: Call) -> Reply:
    """Granted by the person who is signed in; a system says by whom."""
    asked: AllowanceAsked = call.asked
    by = call.caller.person or asked.by
    if not by:
        raise unfit("by", "say who granted it")
    about = await _about(call)
    number = f"A{await operations.next_number(call.tx)}"
    allowance = granted(asked, number, about.order, about.allowances, about.now, by)
    return await _send(call, about, "allowance", allowance)


async def _change(call: Call, change: Callable[[Return], Return]) -> Reply:
    about, rma = await _about(call), call.parts["return"]
    held = about.returns.get(rma.removeprefix(f"return:{API}:"))
    if held is None:
        elsewhere = any(each.id == rma for each in about.other_returns)
        raise unknown(
            f"return {rma[:100]} of order {about.order.number} was opened in another system; tell it there"
            if elsewhere
            else f"order {about.order.number} has no return {rma[:100]}"
        )
    return await _send(call, about, "return", change(held))


async def _send(call: Call, about: About, kind: str, fact: Return | Allowance) -> Reply:
    """Kept as the API's own word, and received as a message, both or neither."""
    token = about.tokens.get(f"{kind}/{fact.id}", 0) + 1
    await operations.keep(call.tx, about.entity, OwnFact(kind, fact.id, token, msgspec.json.encode(fact)))
    body = msgspec.json.encode({"entity": about.entity, "token": token, kind: fact})
    return await sent_in(call, Message(API, kind, body, call.id), about.entity, kind, fact.id)


async def sent_in(call: Call, message: Message, entity: str, kind: str, thing: str, tag: str = "") -> Reply:
    """The message in the inbox, and the operation that follows it."""
    await inbox.store(call.tx, [replace(message, trace=call.trace)])
    await operations.describe(call.tx, call.id, entity, kind, thing, message.connection)
    found = await operations.operation(call.tx, call.id, call.caller.id)
    assert found is not None
    return Reply(_told(found), entity, tag)


async def _about(call: Call) -> About:
    entity = await entity_of(call, call.parts["order"])
    await operations.lock_entity(call.tx, entity)
    standing = await _standing(call.tx, entity)
    fact = standing.one("order")
    if fact is None:
        raise conflicting(f"{entity} is spoken of, but was not read yet; ask again in a minute")
    own = await operations.own_facts(call.tx, entity)
    returns = {each.id: _decoded(each, Return) for each in own if each.kind == "return"}
    others: list[Return] = [f.body for f in standing.of("return") if f.connection != API]
    return About(
        order=with_agreed(fact.body, [*returns.values(), *others], (f.body for f in standing.of("shipment"))),
        entity=entity,
        returns=returns,
        other_returns=others,
        allowances=[
            *(_decoded(each, Allowance) for each in own if each.kind == "allowance"),
            *(f.body for f in standing.of("allowance") if f.connection != API),
        ],
        tokens={f"{each.kind}/{each.id}": each.token for each in own},
        now=standing.as_of,
    )


async def _standing(tx: Transaction, entity: str) -> Standing:
    unsettled = await settling.entities_by_key(tx, [entity])
    record = await settling.on_record(tx, unsettled, b"")
    return read(unsettled, record, Targets(), record.as_of)[0].standing


def _decoded(fact: OwnFact, shape: type[N]) -> N:
    return msgspec.json.decode(fact.body, type=shape)
