"""Find an order or customer by any name any system knows it by."""

from __future__ import annotations

from crossdock.console.asking import Answered, Asked, see, to
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.store import desk as store
from crossdock.store import tracing

_NAME_CHARACTERS_MAX = 400
_SHOWN_MAX = 100


async def search(desk: Desk, asked: Asked, person: Person) -> Answered:
    name = asked.of_query("q")[:_NAME_CHARACTERS_MAX]
    async with desk.looking() as tx:
        found = await tracing.entities_named(tx, name, list(desk.settings.translators)) if name else []
        numbers = await store.numbers_of(tx, found[:_SHOWN_MAX])
    if len(found) == 1:
        return see(to("order", found[0]))
    return desk.pages.page(
        "search.html", asked, person, name=name, found=found[:_SHOWN_MAX], numbers=numbers, total=len(found)
    )
