"""`crossdock recovery`: where the hub stands after its database was set back to a backup, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.settings import Settings
from crossdock.store import recovery
from crossdock.store.database import Database
from crossdock.store.recovery import Recovery


@dataclass(frozen=True)
class Standing:
    """The latest recovery, and how far it is; `waiting` by connection."""

    last: Recovery | None
    waiting: dict[str, int]
    found: int
    done: int
    open: int


def standing() -> Standing:
    return ask(_standing)


async def _standing(database: Database, _: Settings) -> Standing:
    async with database.transaction() as tx:
        last = await recovery.last_recovery(tx)
        if last is None:
            return Standing(None, {}, 0, 0, 0)
        if last.go_on_at is None:
            return Standing(last, await recovery.waiting_acts(tx), 0, 0, 0)
        return Standing(last, {}, *await recovery.looked_for(tx, last))


def as_builtins(found: Standing) -> dict[str, object]:
    last = found.last
    if last is None:
        return {"state": "never set back"}
    return {
        "state": "stopped" if last.go_on_at is None else "going on",
        "restored_to": last.restored_to,
        "noticed_at": last.noticed_at,
        "noticed_by": last.noticed_by,
        "go_on_at": last.go_on_at,
        "go_on_by": last.go_on_by,
        "waiting": found.waiting,
        "found_done": found.found,
        "done_since": found.done,
        "open": found.open,
    }


def as_text(found: Standing) -> str:
    last = found.last
    if last is None:
        return "The database was never found set back."
    told = (
        f"Set back to {day_and_clock(last.restored_to)}, noticed {day_and_clock(last.noticed_at)} by {last.noticed_by}."
    )
    if last.go_on_at is None:
        waiting = ", ".join(f"{count} at {name}" for name, count in found.waiting.items()) or "none yet"
        return f"{told}\nNo act is done; those that wait: {waiting}.\nOnce the sources have told again: crossdock recovery go-on"
    return (
        f"{told}\nGoing on since {day_and_clock(last.go_on_at)} by {last.go_on_by}. Of the acts that may have been forgotten"
        f" {found.found} were found done, {found.done} were not and were done since, {found.open} are not over."
    )
