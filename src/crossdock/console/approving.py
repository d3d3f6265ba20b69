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

_SHOWN_MAX = 200
_VERDICTS: dict[str, Verdict] = {"approve": "approved", "reject": "rejected"}


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    async with desk.looking() as tx:
        waiting = await what_waits(tx)
        people = await people_of(tx, desk.settings)
        numbers = await store.numbers_of(tx, [each.request.entity for each in waiting[:_SHOWN_MAX]])
    role = asked.of_query("role")
    shown = [each for each in waiting if role in ("", each.request.role)]
    return desk.pages.page(
        "approvals.html",
        asked,
        person,
        waiting=[(each, _may(people, person, each), cause_of(each.request.cause)) for each in shown[:_SHOWN_MAX]],
        left_out=max(0, len(shown) - _SHOWN_MAX),
        roles=sorted({each.request.role for each in waiting}),
        role=role,
        numbers=numbers,
        said=_said(asked),
    )


def _may(people: People, person: Person, asked: Request) -> bool:
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
