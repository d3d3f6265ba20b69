"""Policies in time: which one was live since when, what another one would change, and campaigns for what is past."""

from __future__ import annotations

from typing import Any

from crossdock.cli.comparing import SAID
from crossdock.cli.proposing import changed_keys, propose, rehearsed
from crossdock.cli.wording import name_of
from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.desk import Desk
from crossdock.console.governing import said, waits_of
from crossdock.console.signing_in import Person
from crossdock.govern.allowing import differing, digest_of
from crossdock.govern.settings import policy_of_text
from crossdock.govern.shaping import BadSettings
from crossdock.promises.policy import Policy
from crossdock.store import campaigns, governing

# About a millisecond an entity: a page is there within a second, and says of how many it speaks.
_ENTITIES_MAX = 500
_SHOWN = 30


async def listed(desk: Desk, asked: Asked, person: Person, **more: Any) -> Answered:
    async with desk.looking() as tx:
        versions = await governing.policies(tx, _SHOWN + 1)
        waiting = await governing.open_changes(tx)
        found = await campaigns.campaigns(tx)
    policy = desk.settings.policy
    about: dict[str, Any] = {"text": "", "keys": None, "dry": None, "said": said(asked)}
    return desk.pages.page(
        "policies.html",
        asked,
        person,
        versions=_in_time(versions)[:_SHOWN],
        own=digest_of(policy),
        terms=sorted(policy.returns, key=lambda each: each.since, reverse=True),
        waiting=waits_of(waiting, "policy"),
        campaigns=sorted(found, key=lambda each: -each.id)[:_SHOWN],
        two_people="policies" in desk.settings.governance.two_people,
        **{**about, **more},
    )


def _in_time(versions: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, list[tuple[str, Any, Any]]]]:
    """(digest, live since, what differs from the one before), the latest first."""
    befores: list[Any] = [policy for _, policy, _ in versions[1:]]
    return [
        (digest, at, list(differing(befores[nth], policy)) if nth < len(befores) else [])
        for nth, (digest, policy, at) in enumerate(versions)
    ]


async def dry_run(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Run another policy over what is known, and show what would differ; nothing is written."""
    text, policy = asked.of_form("policy"), _told(desk, asked)
    keys = changed_keys(desk.settings.policy, policy)
    found = await rehearsed(desk.database, desk.settings, policy, _ENTITIES_MAX)
    groups = [(SAID[each["what"]], name_of(each["kind"]), each) for each in found["groups"]]
    return await listed(desk, asked, person, text=text, keys=keys, dry=found | {"groups": groups})


async def ask(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Ask somebody else to allow another policy."""
    why = asked.of_form("why")[:200]
    await propose(desk.database, desk.settings, _told(desk, asked), why, _ENTITIES_MAX, person.name)
    return see(to("govern", "policies", done="asked"))


def _told(desk: Desk, asked: Asked) -> Policy:
    try:
        return policy_of_text(asked.of_form("policy"), desk.settings)
    except BadSettings as error:
        raise Denied(422, "That is no policy", str(error)) from error
