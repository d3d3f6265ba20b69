"""What the API is asked to change, decided in one transaction: claimed by its key, checked against what is known, sent in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from crossdock.canonical.order import Order
from crossdock.canonical.returns import Allowance, Return
from crossdock.gateway.problems import Problem, conflicting, unknown
from crossdock.gateway.returning import (
    AllowanceAsked,
    CancellationAsked,
    ReceiptAsked,
    ReturnAsked,
    cancelled,
    granted,
    inspected,
    opened,
    received,
)
from crossdock.govern.own import API
from crossdock.kernel.ids import new_id
from crossdock.promises.standing import Standing
from crossdock.settle.reading import Targets, read
from crossdock.store import inbox, operations, settling, tracing
from crossdock.store.database import Database, Transaction
from crossdock.store.inbox import Message
from crossdock.store.operations import Operation, OwnFact

Asked = ReturnAsked | ReceiptAsked | CancellationAsked | AllowanceAsked
N = TypeVar("N", Return, Allowance)


@dataclass(frozen=True, slots=True)
class Request:
    """One authenticated request that would change something."""

    client: str
    key: str
    digest: bytes
    """Of method, path and body."""
    order: str
    """Any name of it."""
    asked: Asked
    rma: str = ""
    inspects: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """The order a request is about, locked, with everything known of what comes back."""

    order: Order
    entity: str
    returns: dict[str, Return]
    """The API's own, by id."""
    other_returns: list[Return]
    allowances: list[Allowance]
    tokens: dict[str, int]
    now: datetime


@dataclass(frozen=True, slots=True)
class Operations:
    """`connections`: those whose ids are looked at when an order is named."""

    database: Database
    connections: Sequence[str]

    async def perform(self, request: Request) -> Operation:
        """Do it, or answer what the same key did before; `Problem` when it is refused, and then nothing was done."""
        id_ = new_id()
        async with self.database.transaction() as tx:
            earlier = await operations.claim(tx, id_, request.client, request.key, request.digest)
            if earlier is None:
                await self._perform(tx, id_, request)
            elif earlier[1] != request.digest:
                raise Problem(422, "key-reused", "this Idempotency-Key asked for something else; take a new one",
                              "Idempotency-Key")  # fmt: skip
            else:
                id_ = earlier[0]
            found = await operations.operation(tx, id_, request.client, API)
        assert found is not None
        return found

    async def _perform(self, tx: Transaction, id_: str, request: Request) -> None:
        entity = await self.entity(tx, request.order)
        await operations.lock_entity(tx, entity)
        about = await _about(tx, entity)
        match request.asked:
            case ReturnAsked() as asked:
                await self._open(tx, id_, about, asked)
            case AllowanceAsked() as asked:
                number = f"A{await operations.next_number(tx)}"
                await _send(
                    tx, id_, about, "allowance", granted(asked, number, about.order, about.allowances, about.now)
                )
            case ReceiptAsked() as asked:
                change = inspected if request.inspects else received
                await _change(tx, id_, about, request.rma, lambda held: change(asked, held))
            case CancellationAsked():
                await _change(tx, id_, about, request.rma, cancelled)

    async def entity(self, tx: Transaction, name: str) -> str:
        """The one order of that name."""
        named = await tracing.entities_named(tx, name, self.connections)
        found = [entity for entity in named if entity.startswith("order:")]
        if not found:
            raise unknown(f"no order is known as {name[:100]}; it may not have been received yet")
        if len(found) > 1:
            raise conflicting(f"{name[:100]} names several orders; ask for one of {', '.join(found[:10])}")
        return found[0]

    async def _open(self, tx: Transaction, id_: str, about: About, asked: ReturnAsked) -> None:
        return_id = asked.id or f"R{await operations.next_number(tx)}"
        if await operations.entity_of(tx, "return", return_id) is not None:
            raise conflicting(f"there is a return {return_id} already; take another id, or leave it out")
        returns = [*about.returns.values(), *about.other_returns]
        await _send(tx, id_, about, "return", opened(asked, return_id, about.order, returns, about.now))


async def _change(tx: Transaction, id_: str, about: About, rma: str, change: Callable[[Return], Return]) -> None:
    held = about.returns.get(rma)
    if held is None:
        elsewhere = any(each.id == rma for each in about.other_returns)
        raise unknown(
            f"return {rma[:100]} of order {about.order.number} was opened in another system; tell it there"
            if elsewhere
            else f"order {about.order.number} has no return {rma[:100]}"
        )
    await _send(tx, id_, about, "return", change(held))


async def _send(tx: Transaction, id_: str, about: About, kind: str, fact: Return | Allowance) -> None:
    """Kept as the API's own word, and received as a message, both or neither."""
    token = about.tokens.get(f"{kind}/{fact.id}", 0) + 1
    await operations.keep(tx, about.entity, OwnFact(kind, fact.id, token, msgspec.json.encode(fact)))
    body = msgspec.json.encode({"entity": about.entity, "token": token, kind: fact})
    await inbox.store(tx, [Message(API, kind, body, id_)])
    await operations.describe(tx, id_, about.entity, kind, fact.id)


async def _about(tx: Transaction, entity: str) -> About:
    standing = await _standing(tx, entity)
    fact = standing.one("order")
    if fact is None:
        raise conflicting(f"{entity} is spoken of, but was not read yet; ask again in a minute")
    own = await operations.own_facts(tx, entity)
    return About(
        order=fact.body,
        entity=entity,
        returns={each.id: _decoded(each, Return) for each in own if each.kind == "return"},
        other_returns=[f.body for f in standing.of("return") if f.connection != API],
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
