"""Mappings: what our keys are called at each target; a first name by one person, another one by two."""

from __future__ import annotations

from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.deciding import text_of
from crossdock.console.desk import Desk
from crossdock.console.governing import said, waits_of
from crossdock.console.signing_in import Person
from crossdock.govern.changing import Changing
from crossdock.store import governing

KINDS = ("product", "location", "tax")
_PAGE = 100


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    connection, text, page = asked.of_query("connection"), asked.of_query("text")[:100], asked.page
    async with desk.looking() as tx:
        found = await governing.mappings(tx, connection, text, _PAGE + 1, page * _PAGE)
        waiting = await governing.open_changes(tx)
    return desk.pages.page(
        "mappings.html",
        asked,
        person,
        found=found[:_PAGE],
        more=len(found) > _PAGE,
        page=page,
        connection=connection,
        text=text,
        connections=sorted(desk.settings.connections),
        kinds=KINDS,
        waiting=waits_of(waiting, "mapping"),
        said=said(asked),
    )


async def map_(desk: Desk, asked: Asked, person: Person) -> Answered:
    connection, kind = asked.of_form("connection"), asked.of_form("kind")
    if connection not in desk.settings.connections or kind not in KINDS:
        raise Denied(422, "Something is missing", "Choose the connection, and what sort of name it is.")
    key, value = text_of(asked, "key", "our name"), text_of(asked, "value", "what it is called there")
    async with desk.looking() as tx:
        changing = Changing(tx, desk.settings, person.name)
        done = await changing.map(connection, kind, key, value, asked.of_form("why")[:200])
    if done.waits is not None:
        return see(to("govern", "mappings", done="asked"))
    desk.stored.set()
    return see(to("govern", "mappings", done="mapped", n=done.released or ""))
