"""`crossdock policy propose`: another policy with what it would change, asked for by one person and allowed by another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from crossdock.cli import comparing
from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.govern.allowing import PolicyWanted, differing, digest_of
from crossdock.govern.changing import Changing
from crossdock.govern.settings import Settings, policy_in
from crossdock.govern.shaping import BadSettings
from crossdock.promises.policy import Policy
from crossdock.settle.comparing import compare
from crossdock.settle.rules import rules_seen
from crossdock.store import campaigns
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable


def proposed(other: str, why: str, limit: int, by: str) -> tuple[int, dict[str, Any]]:
    """(the request that waits for a second person, what would differ)"""

    async def work(database: Database, told: Settings) -> tuple[int, dict[str, Any]]:
        return await propose(database, told, policy_in(Path(other), told), why, limit, by)

    try:
        return ask(work)
    except BadSettings as error:
        raise Failure(f"{other}: {error}") from error
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


async def propose(
    database: Database, told: Settings, policy: Policy, why: str, limit: int, by: str
) -> tuple[int, dict[str, Any]]:
    """A dry run, kept with the request. `NotDecidable` when nothing of the policy differs."""
    keys = changed_keys(told.policy, policy)
    if not keys:
        raise NotDecidable("that is the policy there is")
    found = await rehearsed(database, told, policy, limit)
    async with database.transaction() as tx:
        changing = Changing(tx, told, by)
        wanted = PolicyWanted(digest=digest_of(policy), policy=msgspec.to_builtins(policy), differences=found)
        return await changing.ask("policy", "policy", keys, wanted, why), found


async def rehearsed(database: Database, told: Settings, policy: Policy, limit: int) -> dict[str, Any]:
    """What would differ of what is known, for at most so many entities; nothing is written."""
    async with database.transaction() as tx:
        live = await rules_seen(tx, told)
        entities = sorted(await campaigns.entities_of(tx, None))
    return comparing.as_builtins(await compare(database, live, policy, entities[:limit])) | {"known": len(entities)}


def changed_keys(was: Policy, now: Policy) -> list[list[Any]]:
    """[path, before, after] of every key that differs."""
    return [list(each) for each in differing(msgspec.to_builtins(was), msgspec.to_builtins(now))]
