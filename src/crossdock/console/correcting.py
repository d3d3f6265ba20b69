"""Edit: what a source says put right field by field, shown as a difference before it is done, recorded with a reason."""

from __future__ import annotations

from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.cases import case_asked
from crossdock.console.deciding import text_of
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.govern.correcting import Change, Correctable, Outdated, correct, correctable_of
from crossdock.store import desk as store
from crossdock.store.database import Transaction


async def form(desk: Desk, asked: Asked, person: Person, entity: str) -> Answered:
    """What may be corrected, as it is now."""
    if not person.sees_buyers:
        raise Denied(403, "That is not yours to see", "Whoever corrects a buyer's words has to see them.")
    async with desk.looking() as tx:
        found = await _found(tx, entity)
        case = await case_asked(tx, asked.of_query("case")) if asked.of_query("case") else None
        numbers = await store.numbers_of(tx, [entity])
    return desk.pages.page(
        "correct.html", asked, person, entity=entity, number=numbers.get(entity), case=case, fields=found.fields,
        field=asked.of_query("field"), changes=[], reason="",
    )  # fmt: skip


async def _found(tx: Transaction, entity: str) -> Correctable:
    found = await correctable_of(tx, entity) if entity.count(":") >= 2 else None
    if found is None:
        raise Denied(
            404, "There is nothing to correct", "Nobody has said anything of it, or nothing people may correct."
        )
    return found


async def decide(desk: Desk, asked: Asked, person: Person, entity: str) -> Answered:
    """Without `sure` the difference is shown and nothing is done."""
    if not person.sees_buyers:
        raise Denied(403, "That is not yours to see", "Whoever corrects a buyer's words has to see them.")
    changes = _changes(asked)
    reason = text_of(asked, "reason", "why")
    if asked.of_form("sure") != "yes":
        return await _shown(desk, asked, person, entity, changes, reason)
    case = asked.number("case")
    async with desk.deciding(person) as decider:
        if case:
            await store.hold_case(decider.tx, case, asked.number("revision", -1))
        try:
            await correct(decider, entity, changes, reason, **({"case": case} if case else {}))
        except Outdated as error:
            raise store.Overtaken(f"{entity}: {error}.") from error
    desk.stored.set()
    return see(to("case", case, done="corrected") if case else to("order", entity, done="corrected"))


def _changes(asked: Asked) -> list[Change]:
    def said(which: str, field: str) -> str:
        return asked.form.get(f"{which}.{field}", [""])[0]

    fields = [name.removeprefix("now.") for name in asked.form if name.startswith("now.")]
    changes = [
        Change(field, said("stated", field), said("held", field), said("now", field).strip())
        for field in fields
        if said("now", field) != said("held", field)
    ]
    if not changes:
        raise Denied(422, "Nothing was changed", "Change a field, then look at the difference.")
    return changes


async def _shown(desk: Desk, asked: Asked, person: Person, entity: str, changes: list[Change], reason: str) -> Answered:
    async with desk.looking() as tx:
        found = await _found(tx, entity)
        case = await case_asked(tx, asked.of_form("case")) if asked.of_form("case") else None
        numbers = await store.numbers_of(tx, [entity])
    known = {field for field, _, _ in found.fields}
    if any(each.field not in known for each in changes):
        raise Denied(422, "That is not for people to correct", "Only words that tell or address are.")
    return desk.pages.page(
        "correct.html", asked, person, entity=entity, number=numbers.get(entity), case=case, fields=found.fields,
        field="", changes=changes, reason=reason,
    )  # fmt: skip
