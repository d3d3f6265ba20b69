"""`crossdock policy diff`: what another policy would make of past traffic, by kind, with counts and money."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossdock.cli.app import Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import amount, name_of
from crossdock.govern.settings import Settings, policy_in
from crossdock.govern.shaping import BadSettings
from crossdock.settle.comparing import Comparison, Differing, compare
from crossdock.settle.rules import rules_seen
from crossdock.store import campaigns, inbox
from crossdock.store.database import Database
from crossdock.store.inbox import Part

_EXAMPLES_MAX = 3
SAID = {
    "held back": "would be owed, by a campaign only",
    "owed": "would be done",
    "not owed": "would not be done",
    "changed": "would be otherwise",
    "approval": "would wait for approval",
    "no approval": "would need no approval",
    "wait": "would be waited for",
    "no wait": "would not be waited for",
    "trouble": "would be a case",
    "no trouble": "would be no case",
}


@dataclass
class Group:
    """Differences of one sort: what, of which kind, at which target."""

    what: str
    kind: str
    target: str
    count: int = 0
    worth: Counter[str] = field(default_factory=Counter[str])
    examples: list[Differing] = field(default_factory=list[Differing])


def compared(other: str, part: Part, *, whole: bool, limit: int | None) -> Comparison:
    """Run the rules over a part of what is known, under the live and the other policy; `whole`: no part was named."""

    async def work(database: Database, told: Settings) -> Comparison:
        policy = policy_in(Path(other), told)
        async with database.transaction() as tx:
            live = await rules_seen(tx, told)
            entities = await (campaigns.entities_of(tx, part.entity) if whole else inbox.entities_in(tx, part))
        return await compare(database, live, policy, sorted(entities)[:limit])

    try:
        return ask(work)
    except BadSettings as error:
        raise Failure(f"{other}: {error}") from error


def grouped(found: Iterable[Differing]) -> list[Group]:
    """By what, kind and target, the most first."""
    groups: dict[tuple[str, str, str], Group] = {}
    for each in found:
        key = (each.what, each.kind, each.target)
        group = groups.setdefault(key, Group(*key))
        group.count += 1
        if each.amount is not None:
            group.worth[each.amount.currency] += each.amount.minor
        if len(group.examples) < _EXAMPLES_MAX:
            group.examples.append(each)
    return sorted(groups.values(), key=lambda group: (-group.count, group.what, group.kind, group.target))


def as_text(found: Comparison) -> str:
    if not found.differing:
        return f"{found.entities} entities: nothing would differ."
    lines = [f"{found.entities} entities, {len(found.differing)} differences; digest {found.digest}"]
    for group in grouped(found.differing):
        at = f" at {group.target}" if group.target else ""
        worth = "".join(f", {amount(minor, currency)}" for currency, minor in sorted(group.worth.items()))
        lines.append(f"{group.count:>7}  {name_of(group.kind)}{at} {SAID[group.what]}{worth}")
        lines += [f"         e.g. {each.entity}: {_example(each)}" for each in group.examples]
    return "\n".join(lines)


def _example(each: Differing) -> str:
    return each.mark if each.what in ("trouble", "no trouble") else each.name


def as_builtins(found: Comparison) -> dict[str, Any]:
    return {
        "entities": found.entities,
        "differences": len(found.differing),
        "digest": found.digest,
        "groups": [
            {
                "what": group.what,
                "kind": group.kind,
                "target": group.target,
                "count": group.count,
                "worth": {currency: amount(minor, currency) for currency, minor in sorted(group.worth.items())},
                "examples": [{"entity": each.entity, "name": each.name} for each in group.examples],
            }
            for group in grouped(found.differing)
        ],
    }
