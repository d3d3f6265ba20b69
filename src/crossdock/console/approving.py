"""What waits for somebody's word: amount, payee and cause, as the digest binds them; approve or reject with a reason."""

from __future__ import annotations

from crossdock.cli.wording import cause_of
from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.deciding import text_of
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.govern.approving import Approver, Verdict, what_waits
from crossdock.govern.approving import Asked as Request
from crossdock.govern.people import People, named
from crossdock.govern.persons import people_of
from crossdock.store import desk as store
from crossdock.store import figures
from crossdock.store.approvals import Part
from crossdock.store.figures import Figure

_PAGE = 100
_VERDICTS: dict[str, Verdict] = {"approve": "approved", "reject": "rejected"}


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    role, page = asked.of_query("role"), asked.page
    async with desk.looking() as tx:
        counted = (await figures.figures(tx)).get("approvals")
        waiting = await what_waits(tx, Part(role=role, limit=_PAGE + 1, offset=page * _PAGE))
        people = await people_of(tx, desk.settings)
        numbers = await store.numbers_of(tx, [each.request.entity for each in waiting])
    return desk.pages.page(
        "approvals.html",
        asked,
        person,
        waiting=[(each, may_decide(people, person, each), cause_of(each.request.cause)) for each in waiting[:_PAGE]],
        page=page,
        more=len(waiting) > _PAGE,
        roles=_roles(counted),
        role=role,
        numbers=numbers,
        said=_said(asked),
    )


def _roles(counted: Figure | None) -> dict[str, int]:
    """How many wait for each role, as last counted."""
    return {} if counted is None or counted.value is None or counted.stale else counted.value["roles"]


def may_decide(people: People, person: Person, asked: Request) -> bool:
    """Whether the page offers it; the approver itself checks again."""
    return named(people, asked.request.role, person.name) is not None


async def decide(desk: Desk, asked: Asked, person: Person, digest: str) -> Answered:
    """By the digest the page showed: another amount, payee or cause is another request."""
    verdict = _VERDICTS.get(asked.of_form("verdict"))
    if verdict is None:
        raise Denied(422, "Something is missing", "Say whether you approve or reject it.")
    note = text_of(asked, "note", "why") if verdict == "rejected" else asked.of_form("note")[:200]
    async with desk.looking() as tx:
        given = await Approver(tx, await people_of(tx, desk.settings), person.name).decide(digest, verdict, note)
    desk.stored.set()
    entity = asked.of_form("back")
    where = ("order", given.request.entity) if entity else ("approvals",)
    return see(to(*where, done=verdict, n=given.missing))


def _said(asked: Asked) -> str:
    missing = asked.number("n")
    more = f" It takes {missing} more." if missing else ""
    return {"approved": f"Approved.{more}", "rejected": "Rejected."}.get(asked.of_query("done"), "")
