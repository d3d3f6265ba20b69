"""Orders whose money and documents differ: by how much, since when and why; those that nothing explains first."""

from __future__ import annotations

from crossdock.console.asking import Answered, Asked
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.store import desk as store
from crossdock.store import tally

_PAGE = 100


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    page, wrong = asked.page, asked.of_query("wrong") == "yes"
    async with desk.looking() as tx:
        found = await tally.differing(tx, _PAGE + 1, page * _PAGE, wrong=wrong)
        numbers = await store.numbers_of(tx, [each.entity for each in found])
        mark = await tally.mark(tx)
    return desk.pages.page(
        "differences.html", asked, person, found=found[:_PAGE], numbers=numbers, wrong=wrong, mark=mark, page=page,
        more=len(found) > _PAGE,
    )  # fmt: skip
