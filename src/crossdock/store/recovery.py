"""What follows when the hub's database is set back to a backup: no act before the sources have been read again, and then
none that is not looked for first where its target may have done it in the time the database has forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from crossdock.kernel.ids import new_id
from crossdock.store import cases
from crossdock.store.cases import Raised
from crossdock.store.database import Transaction, rows, run
from crossdock.store.statements import load

_SQL = load("recovery")
PAST = _SQL["past"]
"""Answers (id, past, fence) of a database that has a name."""
_LOCK = 0x5E7BAC4
_CAUSE = "restored"
# More than any hub gives out between a backup and its restore; people read the smaller ones.
_SKIPPED_BY_MACHINES = 1_000_000_000
_SKIPPED_BY_PEOPLE = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """How far a database had come when somebody looked. A database never falls behind a mark, unless it was set back."""

    past: int
    fence: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """A time the database was found set back; no act is done while `go_on_at` is None."""

    past: int
    restored_to: datetime
    noticed_at: datetime
    noticed_by: str
    go_on_at: datetime | None
    go_on_by: str | None


async def known(tx: Transaction) -> tuple[str, Mark]:
    """Which database this is, and how far it has come."""
    await run(tx, _SQL["begin_past"], {"id": new_id()})
    [(id_, past, fence)] = await rows(tx, _SQL["past"])
    return id_, Mark(past, fence)


async def beat(tx: Transaction) -> Mark:
    """Take it a step further, so that whoever sees the mark can tell a time in which nothing else happened, too."""
    [(_, past, fence)] = await rows(tx, _SQL["beat"])
    return Mark(past, fence)


async def set_back(tx: Transaction, seen: Mark, by: str) -> Mark:
    """Begin a new past if the database is behind what somebody saw of it; answers where it is now."""
    await rows(tx, _SQL["lock"], {"lock": _LOCK})
    _, now = await known(tx)
    if seen <= now:
        return now
    return await _begin(tx, max(seen.past, now.past) + 1, seen.fence, by)


async def restored(tx: Transaction, by: str) -> Mark:
    """Begin a new past because a person says so."""
    await rows(tx, _SQL["lock"], {"lock": _LOCK})
    _, now = await known(tx)
    return await _begin(tx, now.past + 1, now.fence, by)


async def _begin(tx: Transaction, past: int, fence: int, by: str) -> Mark:
    [(restored_to,)] = await rows(tx, _SQL["set_back"], {"number": past, "by": by})
    skipped = {"fence": fence, "machine": _SKIPPED_BY_MACHINES, "people": _SKIPPED_BY_PEOPLE}
    await rows(tx, _SQL["skip_numbers"], skipped)
    await run(tx, _SQL["call_in_doubt"])
    await cases.raise_cases(tx, [_case(restored_to)])
    return (await known(tx))[1]


def _case(restored_to: datetime) -> Raised:
    return Raised(
        _CAUSE,
        "restored",
        "The hub's database was set back to an earlier state",
        "Have what came in since told again, and every source read whole: crossdock sweep <connection> --full. "
        "Then: crossdock recovery go-on",
        f"it knows nothing of what happened after {restored_to:%Y-%m-%d %H:%M:%S} UTC; until then no act is done",
    )


async def go_on(tx: Transaction, by: str) -> bool:
    """Acts are done again; answers whether they were stopped."""
    stopped = bool(await rows(tx, _SQL["go_on"], {"by": by}))
    await cases.close(tx, _CAUSE, by)
    return stopped


async def not_read_since(tx: Transaction) -> dict[str, list[str]]:
    """By connection, the lists of kinds that were not read whole since the open recovery was noticed; none is open: nothing."""
    return dict(await rows(tx, _SQL["not_read_since"]))


async def last_recovery(tx: Transaction) -> Recovery | None:
    found = await rows(tx, _SQL["last_recovery"])
    return Recovery(*found[0]) if found else None


async def waiting_acts(tx: Transaction) -> dict[str, int]:
    """By connection, the acts that wait."""
    return {target: int(count) for target, count in await rows(tx, _SQL["waiting_acts"])}


async def looked_for(tx: Transaction, recovery: Recovery) -> tuple[int, int, int]:
    """Of the acts that may have been forgotten: found done, found not done and done since, and not over yet."""
    moments = {"noticed_at": recovery.noticed_at, "go_on_at": recovery.go_on_at}
    [(found, done, open_)] = await rows(tx, _SQL["looked_for"], moments)
    return int(found), int(done), int(open_)


async def facts_of(tx: Transaction, entities: Collection[str]) -> dict[str, list[str]]:
    """By entity, all that may have caused an act of its."""
    return dict(await rows(tx, _SQL["facts_of"], {"entity": sorted(set(entities))}))
