"""What auditors ask by the API; each answer is plain values, as the command line has them."""

from __future__ import annotations

from crossdock.gateway.finding import entity_of
from crossdock.gateway.route import Call, Reply


async def tell_check(call: Call) -> Reply:
    return Reply(await call.house.audits.check())


async def tell_accounts(call: Call) -> Reply:
    return Reply(await call.house.audits.accounts())


async def tell_intents(call: Call) -> Reply:
    entity = await entity_of(call, call.parts["order"])
    return Reply(await call.house.audits.intents(entity), entity)


async def tell_rebuild(call: Call) -> Reply:
    entity = await entity_of(call, call.parts["order"])
    return Reply(await call.house.audits.rebuild(entity), entity)
