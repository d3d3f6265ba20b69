"""Sweeps: which lists are due, how far a pass has come, and what is held of what it lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from crossdock.store.database import Transaction, columns, may_read_by_ranges, rows, run
from crossdock.store.statements import load

_SQL = load("sweeps")
# What waits longer than this goes before a sweep: the loops of a hub that keeps up take what comes within a second.
_WAIT_SECONDS = 5.0

Permit = Literal["free", "shed", "braked"]
Verdict = Literal["complete", "incomplete", "braked"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass through a list, as it was claimed. `place` is the cursor of the page that comes next."""

    connection: str
    kind: str
    whole: bool
    run: int
    fence: int
    place: str
    began_at: datetime
    now: datetime
    pages: int
    listed: int
    differing: int
    repairs: int
    counted: int | None
    ended: bool
    flaw: str | None
    by_tree: bool
    """Differences are found when the list has ended, by comparing trees; otherwise page by page."""
    repairs_max: int | None
    gone_max: int | None
    verified_at: datetime | None

    def named(self) -> dict[str, object]:
        return {
            "connection": self.connection,
            "kind": self.kind,
            "whole": self.whole,
            "run": self.run,
            "fence": self.fence,
        }


@dataclass(frozen=True, slots=True)
class Turned:
    """What a page came to; `place` is where the next one begins."""

    place: str
    listed: int
    differing: int
    repairs: int
    ended: bool
    counted: int | None = None
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of a document."""

    digest: bytes
    gone: bool
    token: int
    raised_at: datetime
    entity: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A pass that is over."""

    kind: str
    run: int
    began_at: datetime
    ended_at: datetime
    pages: int
    listed: int
    counted: int | None
    differing: int
    touched: int
    verdict: Verdict
    flaw: str | None


class Verified(NamedTuple):
    """Up to when a list is known here: its changes, and all of it."""

    connection: str
    kind: str
    changes: datetime | None
    whole: datetime | None
    under_way: bool
    flaw: str | None


class ShownAct(NamedTuple):
    """A confirmed act, and what its receipt says it became."""

    entity: str
    name: str
    promise: int
    noun: str
    remote_id: str
    number: str


async def plan(tx: Transaction, connection: str, lists: Sequence[tuple[str, bool]], first_seconds: float) -> None:
    """(kind, whole) of every list of this connection that is swept; a new one for the first time after so long."""
    told = columns(("kind", "whole"), list(lists))
    await run(tx, _SQL["plan"], {"connection": connection, "first_seconds": first_seconds, **told})


async def drop_trees(tx: Transaction, connection: str, kept: Sequence[str]) -> None:
    await run(tx, _SQL["drop_trees"], {"connection": connection, "kind": list(kept)})


async def permit(tx: Transaction, connection: str) -> Permit:
    """Sweeps are shed first: while anything else has been waiting for seconds, and while the connection is braked."""
    return (await rows(tx, _SQL["permit"], {"connection": connection, "wait_seconds": _WAIT_SECONDS}))[0][0]


async def claim(
    tx: Transaction, connection: str, lists: Sequence[tuple[str, bool]], apart: Sequence[str], lease_seconds: float
) -> Pass | None:
    """One of these lists that is due or under way; `apart` are kinds whose changes are listed apart from the whole."""
    told = columns(("kind", "scope"), list(lists)) | {"apart": list(apart)}
    found = await rows(tx, _SQL["claim"], {"connection": connection, "lease_seconds": lease_seconds, **told})
    return Pass(*found[0]) if found else None


async def keep(tx: Transaction, claimed: Pass, lease_seconds: float) -> None:
    """Claimed for so long from now on, unless it was taken meanwhile."""
    await run(tx, _SQL["keep"], {**claimed.named(), "lease_seconds": lease_seconds})


async def is_mine(tx: Transaction, claimed: Pass) -> bool:
    """Whether the pass is still this claim's; held so until commit."""
    return bool(await rows(tx, _SQL["mine"], claimed.named()))


async def turn_page(tx: Transaction, claimed: Pass, turned: Turned) -> None:
    told = {name: getattr(turned, name) for name in Turned.__slots__}
    await run(tx, _SQL["turn_page"], {**claimed.named(), **told})


async def keep_part(tx: Transaction, claimed: Pass, listed: bytes) -> None:
    await run(tx, _SQL["keep_part"], {"run": claimed.run, "part": claimed.pages, "listed": listed})


async def parts(tx: Transaction, claimed: Pass, after: int, limit: int) -> list[bytes]:
    found = await rows(tx, _SQL["parts"], {"run": claimed.run, "after": after, "limit": limit})
    return [row[0] for row in found]


async def put_off(tx: Transaction, claimed: Pass, seconds: float, flaw: str | None = None) -> None:
    await run(tx, _SQL["put_off"], {**claimed.named(), "seconds": seconds, "flaw": flaw})


async def begin_anew(tx: Transaction, claimed: Pass) -> None:
    await run(tx, _SQL["begin_anew"], claimed.named())


async def finish(
    tx: Transaction,
    claimed: Pass,
    verdict: Verdict,
    *,
    cursor: str,
    next_seconds: float,
    changes_seconds: float,
    differing: int = 0,
    touched: int = 0,
    flaw: str | None = None,
) -> None:
    """The pass is over; `cursor` is where changes go on after it."""
    told = {"verdict": verdict, "cursor": cursor, "differing": differing, "touched": touched, "flaw": flaw}
    when = {"next_seconds": next_seconds, "changes_seconds": changes_seconds}
    await run(tx, _SQL["finish"], {**claimed.named(), **told, **when})


async def order_pass(
    tx: Transaction,
    connection: str,
    kinds: Sequence[str],
    *,
    whole: bool,
    repairs_max: int | None,
    gone_max: int | None,
) -> dict[str, int]:
    """Have these lists swept at once, within these limits; by kind the first run that counts: one under way does."""
    told = {"connection": connection, "kind": list(kinds), "whole": whole}
    next_run = await last_run(tx) + 1
    found = await rows(tx, _SQL["order_pass"], {**told, "repairs_max": repairs_max, "gone_max": gone_max})
    return {kind: run or next_run for kind, run in found}


async def begun(tx: Transaction, connection: str) -> frozenset[str]:
    """The kinds of which it is known where their changes begin."""
    return frozenset(row[0] for row in await rows(tx, _SQL["begun"], {"connection": connection}))


async def last_run(tx: Transaction) -> int:
    return (await rows(tx, _SQL["last_run"]))[0][0]


async def passes_after(
    tx: Transaction, connection: str, kinds: Sequence[str], after: int, *, whole: bool
) -> list[Ended]:
    told = {"connection": connection, "kind": list(kinds), "whole": whole, "after": after}
    return [Ended(*row) for row in await rows(tx, _SQL["passes_after"], told)]


async def held(tx: Transaction, connection: str, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Held]:
    """By (kind, id)."""
    if not wanted:
        return {}
    told = {"connection": connection, **columns(("kind", "id"), list(wanted))}
    return {(row[0], row[1]): Held(*row[2:]) for row in await rows(tx, _SQL["held"], told)}


async def held_bodies(
    tx: Transaction, connection: str, wanted: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], bytes]:
    if not wanted:
        return {}
    told = {"connection": connection, **columns(("kind", "id"), list(wanted))}
    return {(row[0], row[1]): row[2] for row in await rows(tx, _SQL["held_bodies"], told)}


async def verified(tx: Transaction) -> list[Verified]:
    return [Verified(*row) for row in await rows(tx, _SQL["verified"])]


async def unlisted_acts(
    tx: Transaction, claimed: Pass, nouns: Sequence[str], since: datetime, before: datetime
) -> list[ShownAct]:
    """Acts of these nouns that were confirmed in that time and are not among the documents of the list."""
    await may_read_by_ranges(tx)
    told = {"connection": claimed.connection, "kind": claimed.kind, "noun": list(nouns)}
    found = await rows(tx, _SQL["unlisted_acts"], {**told, "since": since, "before": before})
    return [ShownAct(*row) for row in found]


async def shown_acts(tx: Transaction, claimed: Pass, nouns: Sequence[str], ids: Sequence[str]) -> list[ShownAct]:
    """The acts whose outcomes these are."""
    told: dict[str, object] = {"connection": claimed.connection, "kind": claimed.kind, "noun": list(nouns)}
    return [ShownAct(*row) for row in await rows(tx, _SQL["shown_acts"], {**told, "id": list(ids)})]


async def found_again(tx: Transaction, claimed: Pass, cause: str) -> None:
    await run(tx, _SQL["found_again"], {"cause": cause, "connection": claimed.connection, "kind": claimed.kind})


async def written_of(tx: Transaction, connection: str, noun: str, entities: Sequence[str]) -> dict[str, list[bytes]]:
    """By entity, the values of a state that the connection confirmed to hold."""
    found: dict[str, list[bytes]] = {}
    told = {"connection": connection, "noun": noun, "entity": list(entities)}
    for entity, written in await rows(tx, _SQL["written_of"], told) if entities else []:
        found.setdefault(entity, []).append(written)
    return found


async def made_by_acts(
    tx: Transaction, connection: str, nouns: Sequence[str], named: Sequence[tuple[str, str]]
) -> set[str]:
    """Of (entity, id) of things at a connection the ids that acts of ours became, or one of unknown outcome may have."""
    if not named or not nouns:
        return set()
    told = {"connection": connection, "noun": list(nouns), **columns(("entity", "id"), list(named))}
    return {row[0] for row in await rows(tx, _SQL["made_by_acts"], told)}
