"""Flow: is each workflow as fast as it was promised, how fast does its error budget burn, and when is its backlog done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from crossdock.console.asking import Answered, Asked
from crossdock.console.desk import Desk
from crossdock.console.live import moving
from crossdock.console.signing_in import Person
from crossdock.console.wording import age
from crossdock.govern.workflows import WORKFLOWS
from crossdock.promises.policy import Deadlines
from crossdock.store import figures
from crossdock.store.flow import Window, Workflow

OBJECTIVE = 0.99
"""Of all acts so many should be kept in time; the rest is the budget for errors."""
# Fewer say nothing: one late one of five is no trend.
COUNT_MIN = 20
_HOUR, _DAY = 60, 24 * 60


@dataclass(frozen=True)
class Row:
    """One workflow as the page shows it; shares are None where too few acts say anything."""

    title: str
    minutes: int | None
    """None: as each asked for."""
    found: Workflow
    hour: Window | None
    day: Window | None
    kept_hour: float | None
    kept_day: float | None
    drains_in: str

    @property
    def budget_left(self) -> float | None:
        """The share of the day's budget for errors that is not used up; below zero when it is overdrawn."""
        return None if self.kept_day is None else 1 - burn(self.kept_day)

    @property
    def burns(self) -> bool:
        """Both windows: a short one alone is noise, a long one alone is history."""
        return all(kept is not None and burn(kept) > 1 for kept in (self.kept_hour, self.kept_day))


def burn(kept: float) -> float:
    """How many times faster than the objective allows the budget for errors is used up."""
    return (1 - kept) / (1 - OBJECTIVE)


async def flow(desk: Desk, asked: Asked, person: Person) -> Answered:
    async with desk.looking() as tx:
        live = await moving(tx, "home")
        counted = await figures.figures(tx)
    figure, stock = counted.get("flow"), counted.get("stock")
    told: Mapping[str, Any] = (figure.value if figure is not None else None) or {}
    rows = _rows(desk.settings.policy.deadlines, told)
    if stock is not None and stock.value is not None and not stock.stale:
        rows.append(_row("Stock told", None, msgspec.convert(stock.value, Workflow, strict=False)))
    return desk.pages.page(
        "flow.html",
        asked,
        person,
        live=live,
        figure=figure,
        rows=rows,
        objective=OBJECTIVE,
        count_min=COUNT_MIN,
        burn=burn,
    )


def _rows(deadlines: Deadlines, told: Mapping[str, Any]) -> list[Row]:
    return [
        _row(title, getattr(deadlines, key), msgspec.convert(told[title], Workflow, strict=False))
        for title, _, key in WORKFLOWS
        if title in told
    ]


def _row(title: str, minutes: int | None, found: Workflow) -> Row:
    hour, day = found.windows.get(_HOUR), found.windows.get(_DAY)
    return Row(title, minutes, found, hour, day, kept(hour, found.late), kept(day, found.late), _drains(found))


def kept(window: Window | None, late: int) -> float | None:
    """The share kept in time; what is late and still open counts as missed. None where too few say anything."""
    count = (window.count if window else 0) + late
    return None if count < COUNT_MIN else (window.in_time if window else 0) / count


def _drains(found: Workflow) -> str:
    """When what is open is done, at its latest pace."""
    if not found.open:
        return ""
    return "not at this pace" if found.drains_in is None else age(found.drains_in)
