"""Why: one act's inputs, the policy and code it was made under, what was sealed and sent, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.cli.tracing import told_of
from crossdock.cli.wording import NOBODY, name_of, standing_of
from crossdock.console.asking import Answered, Asked, Denied, number_of
from crossdock.console.desk import Desk
from crossdock.console.evidence import Marks, decoded, tree
from crossdock.console.masking import masked, of_others
from crossdock.console.signing_in import Person
from crossdock.store import acts
from crossdock.store import desk as store
from crossdock.store.acts import Explained

_VERBS = ("read", "state: the target is made equal to it", "act: caused once")


async def why(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    promise = number_of(id_)
    async with desk.looking() as tx:
        found = await acts.explained(tx, promise)
        if found is None:
            raise Denied(404, "There is no such promise", "One that was taken back before anything was done is gone.")
        told = await told_of(tx, [found.made.entity], desk.settings)
        tried = (await store.attempts(tx, [promise])).get(promise, [])
    traced = next((each for each in told.record.promises if each.id == promise), None)
    known = told.known.get(found.made.entity, NOBODY)
    bodies = (found.made.body, *(row[8] for row in told.record.facts))
    clean = of_others(person.sees_buyers, map(decoded, bodies))
    return desk.pages.page(
        "act.html",
        asked,
        person,
        made=found.made,
        title=name_of(found.made.name, known),
        verb=_VERBS[found.made.verb],
        standing=standing_of(traced) if traced else "",
        explained=found,
        body=tree(_content(found, person), Marks()),
        needs=_table(found.made.needs),
        met=set(traced.met) if traced else set(),
        within=decoded(found.made.within.encode()) or [],
        pins=_table(found.made.pins),
        attempts=[(at, outcome, clean(detail)) for at, outcome, detail in tried],
    )


def _content(found: Explained, person: Person) -> Any:
    body = decoded(found.made.body)
    return body if person.sees_buyers else masked(body)


def _table(told: str) -> list[tuple[str, str]]:
    return sorted(msgspec.json.decode(told, type=dict[str, str]).items())
