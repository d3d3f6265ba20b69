"""What auditors ask by the API; each answer is plain values, as the command line has them."""

from __future__ import annotations

import msgspec

from crossdock.gateway.finding import entity_of
from crossdock.gateway.paging import paged, place_asked
from crossdock.gateway.route import Call, Reply
from crossdock.store import accounts
from crossdock.store.events import Position

ACCOUNTS = "/v1/accounts"


async def tell_check(call: Call) -> Reply:
    return Reply(await call.house.audits.check())


async def tell_accounts(call: Call) -> Reply:
    """By key; amounts in minor units, or whatever the account counts."""
    behind = place_asked(call, ACCOUNTS).xid if call.query.after else ""
    found = await accounts.after(call.tx, behind, call.query.limit + 1)
    return paged(call, ACCOUNTS, found, lambda each: Position(0, each.key, 0), msgspec.to_builtins)


async def tell_intents(call: Call) -> Reply:
    entity = await entity_of(call, call.parts["order"])
    return Reply(await call.house.audits.intents(entity), entity)


async def tell_rebuild(call: Call) -> Reply:
    entity = await entity_of(call, call.parts["order"])
    return Reply(await call.house.audits.rebuild(entity), entity)
