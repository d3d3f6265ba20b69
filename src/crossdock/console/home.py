"""Home: what needs me. Tiles with count, oldest age and money at stake, and the sums; each a link to its filter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from crossdock.console.asking import Answered, Asked, Denied, to
from crossdock.console.desk import Desk
from crossdock.console.live import moving
from crossdock.console.signing_in import Person
from crossdock.console.wording import PARTS, age
from crossdock.store import desk as store
from crossdock.store import figures
from crossdock.store.figures import Figure, Tally

_PAGE = 100


@dataclass(frozen=True)
class Tile:
    """`state` is unknown whenever the figure is missing, too old, or couldn't be counted: never clear when unsure."""

    id: str
    title: str
    words: str
    href: str
    unit: str
    state: Literal["clear", "needs", "unknown"]
    tally: Tally | None
    why: str = ""

    @property
    def is_certain(self) -> bool:
        return self.state != "unknown"


# (id, figure, title, what it counts, unit)
_TILES = (
    *((part, "stuck", title, words, "order") for part, (title, words) in PARTS.items()),
    ("approvals", "approvals", "Waiting for approval", "A refund or credit that somebody has to allow.", "request"),
    ("doubtful", "doubtful", "May have happened", "An act whose answer got lost; only a look there tells.", "act"),
    ("unbound", "unbound", "Belongs to nothing", "News of an order or customer that nobody could find.", "document"),
    ("targets", "targets", "Connections stopped", "Down, refusing our credentials, or set back in time.", "connection"),
    (
        "unreconciled",
        "unreconciled",
        "Money that does not add up",
        "At rest, and still a cent too much or too little.",
        "order",
    ),
    ("quarantined", "quarantined", "Messages set aside", "What came in and could not be read.", "message"),
    ("cases", "cases", "Open cases", "All that needs a person, by cause; snoozed ones left out.", "cause"),
)
_LINKS = {
    "approvals": to("approvals"),
    "doubtful": to("cases", kind="doubt"),
    "unbound": to("work", "unbound"),
    "targets": to("connections"),
    "unreconciled": to("differences", wrong="yes"),
    "quarantined": to("cases", kind="quarantine"),
    "cases": to("cases"),
}


async def home(desk: Desk, asked: Asked, person: Person) -> Answered:
    async with desk.looking() as tx:
        live = await moving(tx, "home")
        counted = await figures.figures(tx)
    tiles = list(tiles_of(counted))
    check = counted.get("check")
    return desk.pages.page(
        "home.html",
        asked,
        person,
        tiles=tiles,
        check=check,
        sums=_sums(check),
        verdict=verdict(tiles, check),
        live=live,
    )


def tiles_of(counted: Mapping[str, Figure]) -> Iterator[Tile]:
    for id_, name, title, words, unit in _TILES:
        tally, why = _tally(counted.get(name), id_)
        state = "unknown" if tally is None else "needs" if tally.count else "clear"
        yield Tile(id_, title, words, _LINKS.get(id_, to("work", id_)), unit, state, tally, why)


def _tally(figure: Figure | None, id_: str) -> tuple[Tally | None, str]:
    """What was counted, or why nobody can say."""
    if figure is None:
        return None, "not counted yet"
    if figure.failed is not None:
        return None, f"could not be counted: {figure.failed}"
    if figure.stale:
        return None, f"last counted {age(figure.age_seconds)} ago, which is too long"
    return msgspec.convert(figure.value[id_], Tally), ""


def verdict(tiles: list[Tile], check: Figure | None) -> tuple[str, str]:
    """One sentence for the whole; clear only when every figure is fresh, zero, and everything adds up."""
    unsure = sum(not tile.is_certain for tile in tiles)
    needing = sum(tile.state == "needs" for tile in tiles)
    unsure += check is None or check.stale or check.value is None
    if check is not None and not check.stale and check.value is not None and not check.value["holds"]:
        return "bad", "Something does not add up. See the sums below."
    if needing:
        return "needs", f"{needing} of {len(tiles)} need somebody" + (f"; {unsure} unknown" if unsure else "")
    if unsure:
        return "unknown", "Nobody can say: not everything could be counted"
    return "clear", "Nothing needs you"


def _sums(check: Figure | None) -> dict[str, Any] | None:
    return None if check is None or check.value is None else check.value


async def work(desk: Desk, asked: Asked, person: Person, part: str) -> Answered:
    """The rows behind a tile, the longest waiting first."""
    page = asked.page
    if part == "unbound":
        async with desk.looking() as tx:
            rows = await store.unbound(tx, _PAGE + 1, page * _PAGE)
        return desk.pages.page(
            "unbound.html", asked, person, rows=rows[:_PAGE], page=page, more=len(rows) > _PAGE, part=part
        )
    if part not in PARTS:
        raise Denied(404, "There is no such list", "Look in the navigation above.")
    async with desk.looking() as tx:
        rows = await store.stuck(tx, part, _PAGE + 1, page * _PAGE)
        numbers = await store.numbers_of(tx, [row[0] for row in rows])
    title, words = PARTS[part]
    return desk.pages.page(
        "work.html", asked, person, rows=rows[:_PAGE], numbers=numbers, title=title, words=words, part=part,
        page=page, more=len(rows) > _PAGE,
    )  # fmt: skip
