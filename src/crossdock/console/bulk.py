"""One decision on all that fits a filter, not on what is visible: looked at first, frozen, then done with an outcome each."""

from __future__ import annotations

from crossdock.console.asking import Answered, Asked, Denied, number_of, see, to
from crossdock.console.cases import described, filter_of
from crossdock.console.deciding import TEXT_CHARACTERS_MAX, text_of
from crossdock.console.desk import Desk
from crossdock.console.live import moving
from crossdock.console.signing_in import Person
from crossdock.govern.waiving import waive
from crossdock.store import bulk as store
from crossdock.store import desk as items_store
from crossdock.store.database import Database
from crossdock.store.decisions import Decider, NotDecidable

_STEP = 200
_ITEMS = 100
_VALUED = 500
_WHAT = {"retry": "Try again", "skip": "Skip", "assign": "Assign", "snooze": "Snooze", "wake": "Bring back"}


async def preview(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Freeze the set; nothing is done before the person has seen it."""
    what = asked.of_form("what")
    if what not in _WHAT:
        raise Denied(422, "Something is missing", "Say what is to be done with them.")
    reason = _reason(asked, what)
    wanted, tenant = filter_of(asked, desk.settings), asked.of_form("tenant")
    async with desk.deciding(person) as decider:
        frozen = await store.freeze(decider, what, reason, wanted, described(wanted, tenant))
    return see(to("bulk", frozen.job))


def _reason(asked: Asked, what: str) -> str:
    """Why they are skipped, or whose they become: nobody's, where nobody is named."""
    if what == "skip":
        return text_of(asked, "reason", "why they are left undone")
    return asked.of_form("assignee")[:TEXT_CHARACTERS_MAX] if what == "assign" else ""


async def job(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    page = asked.page
    number = number_of(id_)
    async with desk.looking() as tx:
        live = await moving(tx, "job", number)
        found = await store.job_by_id(tx, number)
        if found is None:
            raise Denied(404, "There is no such job", "A job nobody confirms within a day is gone.")
        entities = await store.entities(tx, number, _VALUED)
        return desk.pages.page(
            "bulk.html",
            asked,
            person,
            live=live,
            job=found,
            title=_WHAT.get(found.what, found.what),
            whole=found.what in store.WHOLE_CASES,
            outcomes=await store.outcomes(tx, number),
            items=(rows := await store.items(tx, number, _ITEMS + 1, page * _ITEMS))[:_ITEMS],
            worth=await items_store.worth_of(tx, entities),
            valued_all=len(entities) < _VALUED,
            page=page,
            more=len(rows) > _ITEMS,
        )


async def confirm(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    number = number_of(id_)
    async with desk.deciding(person) as decider:
        await store.confirm(decider, number)
    return see(to("bulk", number))


async def work_on_jobs(database: Database) -> int:
    """The next step of a confirmed job; answers how many items it was."""
    async with database.transaction() as tx:
        return await store.step(tx, _STEP, _skip)


async def _skip(decider: Decider, promise: int, reason: str) -> str:
    """What came of leaving one undone."""
    try:
        await waive(decider, promise, reason)
    except NotDecidable as error:
        return f"not skipped: {error}"
    return "skipped"
