"""What a person decides about a case: each on the case as they saw it, recorded with their name, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.cases import case_asked
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.govern.changing import Changing
from crossdock.govern.waiving import waive
from crossdock.store import desk as store
from crossdock.store.decisions import Decider
from crossdock.store.desk import Group

TEXT_CHARACTERS_MAX = 200


@contextlib.asynccontextmanager
async def about(desk: Desk, asked: Asked, person: Person, id_: str) -> AsyncGenerator[tuple[Decider, Group]]:
    """A case held for this decision; `Overtaken` when somebody decided since the page was made."""
    async with desk.deciding(person) as decider:
        found = await case_asked(decider.tx, id_)
        await store.hold_case(decider.tx, found.id, asked.number("revision", -1))
        yield decider, found


async def retry(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    async with about(desk, asked, person, id_) as (decider, found):
        what, count = await decider.retry(found.id)
    desk.stored.set()
    return see(to("case", found.id, done="read" if what == "message" else "retried", n=count))


async def map_(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    value = text_of(asked, "value", "what it is called there")
    async with about(desk, asked, person, id_) as (decider, found):
        if found.kind != "mapping":
            raise Denied(409, "There is nothing to map here", "This case is not about a name.")
        _, connection, kind, key = found.cause.split("/", 3)
        done = await Changing(decider.tx, desk.settings, person.name).map(connection, kind, key, value)
        if done.waits is not None:
            return see(to("govern", done="asked"))
        await decider.record("mapped", case=found.id, value=value, released=done.released)
    return see(to("case", found.id, done="mapped", n=done.released))


async def resolve(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    """Whether an act that may have happened did."""
    promise = asked.number("promise")
    async with about(desk, asked, person, id_) as (decider, found):
        if asked.of_form("happened") == "yes":
            await decider.happened(found.id, text_of(asked, "remote_id", "its id there"), promise)
        else:
            await decider.did_not_happen(found.id, promise)
    return see(to("case", found.id, done="resolved"))


async def skip(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    """Have one promise left undone, with a reason."""
    async with about(desk, asked, person, id_) as (decider, found):
        await waive(decider, asked.number("promise"), text_of(asked, "reason", "why"))
    desk.stored.set()
    return see(to("case", found.id, done="skipped"))


async def assign(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    async with about(desk, asked, person, id_) as (decider, found):
        await store.assign(decider, found.id, asked.of_form("assignee")[:TEXT_CHARACTERS_MAX] or None)
    return see(to("case", found.id, done="assigned"))


async def snooze(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    quiet = asked.of_form("quiet") == "yes"
    async with about(desk, asked, person, id_) as (decider, found):
        await store.snooze(decider, found.id, quiet=quiet)
    return see(to("case", found.id, done="snoozed" if quiet else "woken"))


async def bind(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Say which order a document belongs to."""
    entity = text_of(asked, "entity", "which order it belongs to")
    async with desk.deciding(person) as decider:
        bound = await decider.bind(asked.of_form("connection"), asked.of_form("kind"), asked.of_form("id"), entity)
    return see(to("order", bound))


def text_of(asked: Asked, name: str, what: str) -> str:
    """A text somebody typed; `Denied` when there is none, or one no database should hold."""
    text = asked.of_form(name)
    if not text or len(text) > TEXT_CHARACTERS_MAX or not text.isprintable():
        raise Denied(422, "Something is missing", f"Say {what}, in at most {TEXT_CHARACTERS_MAX} printable characters.")
    return text
