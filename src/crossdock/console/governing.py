"""Govern: what waits for a second person, what is to come, who answers for what, and what everybody did."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from crossdock.cli.changing import change_of
from crossdock.console.asking import Answered, Asked, Denied, number_of, see, to
from crossdock.console.deciding import text_of
from crossdock.console.desk import Desk
from crossdock.console.masking import for_eyes, masked
from crossdock.console.signing_in import Person
from crossdock.govern import calendar
from crossdock.govern.calendar import Planner
from crossdock.govern.changing import Changing
from crossdock.govern.people import named
from crossdock.govern.persons import people_of
from crossdock.govern.released import releases
from crossdock.store import callers, governing
from crossdock.store.governing import Change, Decision

_DECIDED_SHOWN = 20
_AUDIT_SHOWN = 100


async def overview(desk: Desk, asked: Asked, person: Person) -> Answered:
    """What waits for a second person, the calendar, and what was decided lately."""
    async with desk.looking() as tx:
        waiting = await governing.open_changes(tx)
        decided = await governing.decided_changes(tx, _DECIDED_SHOWN)
        people = await people_of(tx, desk.settings)
        entries = await calendar.entries(tx, desk.settings, releases(), today())
    roles = desk.settings.governance.approvers
    return desk.pages.page(
        "govern.html",
        asked,
        person,
        waiting=[(each, change_of(each)) for each in waiting],
        decided=[(each, change_of(each)) for each in decided],
        may=any(named(people, role, person.name) for role in roles),
        approvers=roles,
        entries=entries,
        today=today(),
        said=_said(asked),
    )


async def decide(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    """Say yes or no to what somebody asked for; who may is checked where it is done."""
    wanted = number_of(id_)
    verdict = asked.of_form("verdict")
    async with desk.looking() as tx:
        changing = Changing(tx, desk.settings, person.name)
        if verdict == "approve":
            released = (await changing.approve(wanted, asked.of_form("note")[:200])).released
            return see(to("govern", done="approved", n=released or ""))
        if verdict != "reject":
            raise Denied(422, "Something is missing", "Say whether you approve or reject it.")
        await changing.reject(wanted, asked.of_form("note")[:200])
    return see(to("govern", done="rejected"))


async def plan(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Put something into the calendar."""
    try:
        day = date.fromisoformat(asked.of_form("day"))
    except ValueError as error:
        raise Denied(422, "That is no day", "Write days as 2026-11-22.") from error
    contract, says = text_of(asked, "contract", "which contract"), text_of(asked, "says", "what happens")
    async with desk.looking() as tx:
        await Planner(tx, person.name).plan(day, asked.of_form("what"), contract, says, today())
    return see(to("govern", done="planned") + "#calendar")


async def call_off(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    async with desk.looking() as tx:
        await Planner(tx, person.name).call_off(number_of(id_))
    return see(to("govern", done="called-off") + "#calendar")


async def owners(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Who answers for which consumer, connection, contract and tenant, and who has which role."""
    async with desk.looking() as tx:
        consumers = [each for each in await callers.consumers(tx) if each.ended_at is None]
        contracts = await governing.contracts(tx)
        people = await people_of(tx, desk.settings)
    return desk.pages.page(
        "owners.html",
        asked,
        person,
        consumers=consumers,
        contracts=contracts,
        people=sorted(people.items()),
        tenants=sorted(desk.settings.tenants.items()),
        connections=sorted(desk.settings.connections.items()),
    )


async def audit(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Every decision, the latest first, with what it was about."""
    text, before = asked.of_query("text")[:100], asked.number("before")
    async with desk.looking() as tx:
        found = await governing.decisions(tx, text, _AUDIT_SHOWN + 1, before)
    shown = found[:_AUDIT_SHOWN]
    return desk.pages.page(
        "audit.html",
        asked,
        person,
        decisions=[(each, _about(each, person)) for each in shown],
        text=text,
        more=shown[-1].id if len(found) > _AUDIT_SHOWN else 0,
        before=before,
    )


def _about(each: Decision, person: Person) -> list[tuple[str, str]]:
    """(field, what stands in it) of a decision, buyers hidden from those who don't need them."""
    told: dict[str, Any] = each.detail if person.sees_buyers else masked(each.detail)
    clean = for_eyes(person.sees_buyers)
    return [(name, clean(_text(value))) for name, value in told.items() if value not in (None, "", [], {})]


def _text(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_text(each)}" for name, each in value.items())  # pyright: ignore[reportUnknownVariableType]
        case list():
            return ", ".join(_text(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
        case _:
            return str(value)


def today() -> date:
    return datetime.now(UTC).date()


_SAID = {
    "asked": "Asked. It is done when somebody else says yes.",
    "approved": "It is done.",
    "rejected": "Rejected.",
    "planned": "Planned.",
    "called-off": "Called off.",
    "registered": "Registered.",
    "mapped": "Mapped.",
}


def _said(asked: Asked) -> str:
    released = asked.number("n")
    more = f" {released} released." if released and asked.of_query("done") in ("approved", "mapped") else ""
    return _SAID.get(asked.of_query("done"), "") + more


said = _said


def waits_of(changes: list[Change], kind: str) -> list[tuple[Change, str]]:
    return [(each, change_of(each)) for each in changes if each.kind == kind]
